// filter_bench: how many stored messages a second a filter is put to, on one core, and that it
// allocates nothing. Payloads of 128 bytes, 3 attributes, record after record as they lie in a
// segment. Fails where something is allocated, or a filter passes another share than it should.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "broker/base/wire_writer.h"
#include "broker/engine/filter.h"
#include "broker/queue/record.h"

namespace {

std::atomic<uint64_t> allocations{0};

void* Allocate(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t bytes) { return Allocate(bytes); }
void* operator new[](size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace estiba {
namespace {

constexpr uint32_t kMessages = 4'096;  // about 0.8 MiB: less than a segment
constexpr int kRounds = 5;
constexpr int kWalks = 200;

std::string MakeSegment() {
  std::string segment;
  for (uint32_t i = 0; i < kMessages; ++i) {
    std::string message;
    WireWriter writer(message);
    writer.Bytes(1, std::string(128, 'd'));
    const auto attribute = [&](const std::string& key, const std::string& value) {
      std::string entry;
      WireWriter(entry).Bytes(1, key);
      WireWriter(entry).Bytes(2, value);
      writer.Bytes(2, entry);
    };
    attribute("region", i % 2 ? "eu-west" : "us-east");
    attribute("kind", i % 4 ? "y" : "x");
    attribute("tenant", "t-" + std::to_string(i % 100));
    WireWriter(segment).Bytes(kRecordTag >> 3, message);
  }
  return segment;
}

// A record's message. As SkipRecord: the record is complete and well formed.
std::string_view MessageOf(const char* record) {
  const char* const end = SkipRecord(record);
  const char* p = record + 1;
  while (*p++ & 0x80) {
  }
  return std::string_view(p, static_cast<size_t>(end - p));
}

uint64_t CountMatches(const Filter& filter, const std::string& segment) {
  uint64_t matches = 0;
  const char* const end = segment.data() + segment.size();
  for (const char* p = segment.data(); p != end; p = SkipRecord(p)) {
    matches += filter.Matches(MessageOf(p));
  }
  return matches;
}

// `expected` of 100 messages match.
bool Measure(const std::string& segment, const std::string& source, uint64_t expected) {
  const auto filter = Filter::Compile(source);
  if (!filter.ok()) {
    std::fprintf(stderr, "%s\n", filter.status().ToString().c_str());
    return false;
  }
  double best = 0;
  double worst = 0;
  uint64_t matches = 0;
  const uint64_t before = allocations.load();
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kWalks; ++i) matches += CountMatches(**filter, segment);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double rate = kMessages * kWalks / took.count() / 1e6;
    best = std::max(best, rate);
    worst = round == 0 ? rate : std::min(worst, rate);
  }
  const uint64_t allocated = allocations.load() - before;
  const uint64_t seen = uint64_t{kMessages} * kWalks * kRounds;
  std::printf("%6.1f (%.1f-%.1f) M messages/s  %5.1f %% match  %llu allocations  %s\n",
              (best + worst) / 2, worst, best, 100.0 * matches / seen,
              static_cast<unsigned long long>(allocated), source.c_str());
  return allocated == 0 && (100 * matches + seen / 2) / seen == expected;
}

}  // namespace
}  // namespace estiba

int main() {
  const std::string segment = estiba::MakeSegment();
  bool good = true;
  for (const auto& [source, expected] : std::vector<std::pair<std::string, uint64_t>>{
           {"attributes.kind = \"x\"", 25},
           {"attributes:missing", 0},
           {"hasPrefix(attributes.region, \"eu-\")", 50},
           {"attributes.kind != \"x\" AND attributes.region = \"eu-west\"", 50},
           {"(attributes.tenant = \"t-1\" OR attributes.tenant = \"t-2\" OR attributes.kind = "
            "\"x\") "
            "AND NOT hasPrefix(attributes.region, \"eu-\")",
            26}}) {
    good &= estiba::Measure(segment, source, expected);
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
