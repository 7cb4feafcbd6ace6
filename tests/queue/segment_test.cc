#include "broker/queue/segment.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/queue/records.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using testing::Bodies;
using testing::MakeRecord;
using testing::NumberedBody;

constexpr uint32_t kNever = UINT32_MAX;
constexpr uint32_t kNoLimit = UINT32_MAX;

std::shared_ptr<Storage> MakeStorage(uint64_t budget_bytes = 0) {
  return std::make_shared<Storage>(std::make_shared<Memory>(budget_bytes, 256 << 10), 0);
}

// A segment, and beside it what it should hold, kept the plain way.
struct Model {
  struct Message {
    uint32_t offset;
    int64_t time;
    std::string body;
  };

  explicit Model(uint32_t capacity, uint64_t base = 1000)
      : segment(Segment::TryMake(storage, base, capacity)) {}

  bool Append(const std::vector<std::string>& bodies, int64_t time) {
    std::string records;
    for (const std::string& body : bodies) records += MakeRecord(body);
    if (records.size() > segment->Room()) return false;
    for (const std::string& body : bodies) {
      messages.push_back({bytes, time, body});
      bytes += static_cast<uint32_t>(MakeRecord(body).size());
    }
    segment->Append(records.data(), static_cast<uint32_t>(records.size()),
                    static_cast<uint32_t>(bodies.size()), time);
    return true;
  }

  uint32_t OffsetOf(uint32_t i) const { return i < messages.size() ? messages[i].offset : bytes; }
  uint32_t IndexAtTime(int64_t time) const {
    uint32_t i = 0;
    while (i < messages.size() && messages[i].time < time) ++i;
    return i;
  }
  uint32_t NextTimeChange(uint32_t i) const {
    for (uint32_t next = i + 1; next < messages.size(); ++next) {
      if (messages[next].time != messages[i].time) return next;
    }
    return kNever;
  }
  uint32_t RunCount(uint32_t i, uint32_t max_bytes, uint32_t max_count) const {
    uint32_t n = 1;
    while (n < max_count && i + n < messages.size() &&
           OffsetOf(i + n + 1) - OffsetOf(i) <= max_bytes) {
      ++n;
    }
    return n;
  }

  std::shared_ptr<Storage> storage = MakeStorage();
  SegmentPtr segment;
  std::vector<Message> messages;
  uint32_t bytes = 0;
};

void RequireBodies(const Run& run, const Model& model, uint32_t index) {
  const std::vector<std::string> bodies = Bodies(run);
  REQUIRE(bodies.size() == run.count);
  bool same = true;
  for (uint32_t i = 0; i < run.count; ++i) same &= bodies[i] == model.messages[index + i].body;
  REQUIRE(same);
}

TEST_CASE("Segment: without a block it holds nothing, has room for nothing and costs only itself") {
  const auto storage = MakeStorage(1);
  SegmentPtr segment = Segment::TryMake(storage, 7, 0);
  REQUIRE(segment != nullptr);
  CHECK(segment->Room() == 0);
  CHECK(segment->end().count == 0);
  CHECK(segment->end_sequence() == 7);
  CHECK(segment->IndexAtTime(0) == 0);
  CHECK(segment->OffsetOf(0) == 0);
  CHECK(segment->next() == nullptr);
  CHECK(storage->budget.UsedApprox() == sizeof(Segment));
  segment = nullptr;
  CHECK(storage->budget.UsedApprox() == 0);
  CHECK(storage->memory->budget.UsedApprox() == 0);
}

TEST_CASE("Segment: one that the budget has no room for is not made, and nothing is charged") {
  const auto storage = MakeStorage(2 * Segment::kPage);
  const SegmentPtr first = Segment::TryMake(storage, 1, Segment::kPage);
  REQUIRE(first != nullptr);
  const uint64_t used = storage->budget.UsedApprox();
  CHECK(Segment::TryMake(storage, 1, Segment::kPage) == nullptr);
  CHECK(storage->budget.UsedApprox() == used);
  CHECK(storage->memory->budget.UsedApprox() == used);
}

TEST_CASE("Segment: a capacity made for so many bytes has exactly the room for them") {
  for (const uint32_t bytes : {1u, 100u, 4083u, 4084u, 4085u, 70'000u}) {
    const uint32_t capacity = Segment::CapacityFor(bytes);
    CHECK(capacity % Segment::kPage == 0);
    const SegmentPtr segment = Segment::TryMake(MakeStorage(), 1, capacity);
    CHECK(segment->Room() >= bytes);
    CHECK(segment->Room() < bytes + Segment::kPage);
  }
}

TEST_CASE("Segment: one message can be read back, and is all there is") {
  Model model(Segment::kPage);
  REQUIRE(model.Append({"hello"}, 5000));
  const Segment& segment = *model.segment;
  CHECK(segment.end().count == 1);
  CHECK(segment.end().bytes == 7);
  CHECK(segment.end_sequence() == 1001);
  CHECK(segment.OffsetOf(0) == 0);
  CHECK(segment.OffsetOf(1) == 7);
  CHECK(segment.TimeOf(0) == 5000);
  CHECK(segment.IndexAtTime(5000) == 0);
  CHECK(segment.IndexAtTime(5001) == 1);
  CHECK(segment.NextTimeChange(0) == kNever);
  const Run run = model.segment->RunAt(0, 0, kNoLimit, kNoLimit);
  CHECK(run.first == 1000);
  CHECK(run.end() == 1001);
  CHECK(Bodies(run) == std::vector<std::string>{"hello"});
}

TEST_CASE("Segment: takes appends up to its last byte, in any shape, and none of it is torn") {
  for (const size_t body : {0, 1, 5, 50, 500}) {
    for (const int64_t step_ms : {0, 1}) {
      Model model(Segment::kPage);
      int64_t time = 0;
      for (uint64_t n = 0; model.Append({NumberedBody(n, body)}, time); ++n) time += step_ms;
      const auto count = static_cast<uint32_t>(model.messages.size());
      REQUIRE(model.segment->end().count == count);
      RequireBodies(model.segment->RunAt(0, 0, kNoLimit, kNoLimit), model, 0);
      for (uint32_t i = 0; i < count; ++i) {
        REQUIRE(model.segment->TimeOf(i) == model.messages[i].time);
        REQUIRE(model.segment->OffsetOf(i) == model.messages[i].offset);
      }
      // Fill what is left to the byte, where a record can be so short.
      const uint32_t room = model.segment->Room();
      if (room < 2 || room > 128) continue;
      REQUIRE(model.Append({std::string(room - 2, 'z')}, time + 1));
      CHECK(model.segment->TimeOf(count) == time + 1);
      CHECK(model.segment->TimeOf(count - 1) == model.messages[count - 1].time);
      CHECK(model.segment->Room() == 0);
      RequireBodies(model.segment->RunAt(0, 0, kNoLimit, kNoLimit), model, 0);
    }
  }
}

TEST_CASE("Segment: look-ups in random batches agree with a plain list") {
  std::mt19937_64 random(testing::Seed());
  const auto below = [&](uint64_t limit) { return random() % limit; };
  for (int round = 0; round < 40; ++round) {
    Model model(Segment::kPage * static_cast<uint32_t>(1 + below(32)));
    int64_t time = static_cast<int64_t>(below(1'000'000)) - 1000;
    const uint64_t max_batch = 1 + below(300);
    const uint64_t max_body = 1 + below(200);
    const uint64_t same_time = 1 + below(4);
    do {
      if (below(same_time) == 0) time += static_cast<int64_t>(below(3) == 0 ? below(100'000) : 1);
    } while ([&] {
      std::vector<std::string> batch(1 + below(max_batch));
      for (std::string& body : batch) body = NumberedBody(random(), below(max_body));
      return model.Append(batch, time);
    }());
    const auto count = static_cast<uint32_t>(model.messages.size());
    REQUIRE(model.segment->end().count == count);
    REQUIRE(model.segment->end().bytes == model.bytes);
    if (count == 0) continue;
    for (int i = 0; i < 200; ++i) {
      const auto index = static_cast<uint32_t>(below(count));
      REQUIRE(model.segment->OffsetOf(index) == model.OffsetOf(index));
      REQUIRE(model.segment->TimeOf(index) == model.messages[index].time);
      REQUIRE(model.segment->NextTimeChange(index) == model.NextTimeChange(index));
      const int64_t when = model.messages[index].time + static_cast<int64_t>(below(3)) - 1;
      REQUIRE(model.segment->IndexAtTime(when) == model.IndexAtTime(when));
      const auto max_bytes = static_cast<uint32_t>(1 + below(below(2) == 0 ? 300 : 50'000));
      const auto max_count = static_cast<uint32_t>(1 + below(below(2) == 0 ? 5 : 5000));
      const Run run = model.segment->RunAt(model.OffsetOf(index), index, max_bytes, max_count);
      REQUIRE(run.first == 1000 + index);
      REQUIRE(run.count == model.RunCount(index, max_bytes, max_count));
      REQUIRE(run.bytes == model.OffsetOf(index + run.count) - model.OffsetOf(index));
    }
    REQUIRE(model.segment->OffsetOf(count) == model.bytes);
  }
}

TEST_CASE("Segment: a run is at least one message, and stops at whichever limit comes first") {
  Model model(Segment::kPage);
  REQUIRE(model.Append({"aaaaaaaa", "bb", "cc", "dd"}, 1));  // 10 + 4 + 4 + 4 bytes
  const auto count = [&](uint32_t max_bytes, uint32_t max_count) {
    return model.segment->RunAt(0, 0, max_bytes, max_count).count;
  };
  CHECK(count(1, 100) == 1);
  CHECK(count(10, 100) == 1);
  CHECK(count(13, 100) == 1);
  CHECK(count(14, 100) == 2);
  CHECK(count(21, 100) == 3);
  CHECK(count(22, 100) == 4);
  CHECK(count(kNoLimit, 1) == 1);
  CHECK(count(kNoLimit, 3) == 3);
  CHECK(count(17, 3) == 2);
  CHECK(model.segment->RunAt(18, 3, 1, 1).count == 1);
}

TEST_CASE("Run: taking from the front cuts between messages, down to nothing") {
  Model model(Segment::kPage);
  REQUIRE(model.Append({"a", "bbb", "cc", "d"}, 1));
  Run rest = model.segment->RunAt(0, 0, kNoLimit, kNoLimit);
  CHECK(rest.TakeFront(0).empty());
  const Run front = rest.TakeFront(1);
  CHECK(Bodies(front) == std::vector<std::string>{"a"});
  CHECK(front.first == 1000);
  CHECK(rest.first == 1001);
  const Run middle = rest.TakeFront(2);
  CHECK(Bodies(middle) == std::vector<std::string>{"bbb", "cc"});
  const Run last = rest.TakeFront(1);
  CHECK(Bodies(last) == std::vector<std::string>{"d"});
  CHECK(last.end() == 1004);
  CHECK(rest.empty());
  CHECK(rest.bytes == 0);
  CHECK(rest.first == 1004);
}

TEST_CASE("Run: one whose memory was given up is still cut by sequences, its bytes shared out") {
  Run rest;
  CHECK(rest.TakeFront(0).empty());
  rest.first = 10;
  rest.count = 5;
  rest.bytes = 52;
  const Run front = rest.TakeFront(2);
  CHECK(front.first == 10);
  CHECK(front.count == 2);
  CHECK(front.bytes == 20);
  CHECK(rest.first == 12);
  CHECK(rest.count == 3);
  const Run last = rest.TakeFront(3);
  CHECK(last.end() == 15);
  CHECK(last.bytes == 32);
  CHECK(rest.empty());
  CHECK(rest.bytes == 0);
}

TEST_CASE("Segment: a copy has the messages, sequences and times, costs little, and is its own") {
  std::mt19937_64 random(testing::Seed());
  for (int round = 0; round < 60; ++round) {
    Model model(16 * Segment::kPage);
    for (int64_t time = 0; model.Append(
             std::vector<std::string>(1 + random() % 150, NumberedBody(random(), 40)), time);) {
      time += static_cast<int64_t>(random() % 3);
    }
    const auto count = static_cast<uint32_t>(model.messages.size());
    const auto index = static_cast<uint32_t>(random() % count);
    const auto length = static_cast<uint32_t>(1 + random() % std::min(count - index, 400u));
    const Run run = model.segment->RunAt(model.OffsetOf(index), index, kNoLimit, length);
    const auto storage = MakeStorage();
    SegmentPtr copy = Segment::TryCopy(storage, run);
    REQUIRE(copy != nullptr);
    REQUIRE(copy->base_sequence() == run.first);
    REQUIRE(copy->end().count == length);
    REQUIRE(copy->end().bytes == run.bytes);
    uint32_t marks = 1;
    bool same = true;
    for (uint32_t i = 0; i < length; ++i) {
      same &= copy->TimeOf(i) == model.messages[index + i].time;
      same &= copy->OffsetOf(i) == model.OffsetOf(index + i) - model.OffsetOf(index);
      marks += i > 0 && model.messages[index + i].time != model.messages[index + i - 1].time;
    }
    REQUIRE(same);
    const uint64_t cost = storage->budget.UsedApprox();
    REQUIRE(cost <= sizeof(Segment) + run.bytes + (marks + 2) * sizeof(Segment::IndexEntry));
    model.segment = nullptr;
    RequireBodies(copy->RunAt(0, 0, kNoLimit, kNoLimit), model, index);
    copy = nullptr;
    REQUIRE(storage->budget.UsedApprox() == 0);
  }
}

TEST_CASE("Segment: a copy that the budget has no room for is not made") {
  Model model(Segment::kPage);
  REQUIRE(model.Append({NumberedBody(1, 500)}, 1));
  const auto storage = MakeStorage(400);
  CHECK(Segment::TryCopy(storage, model.segment->RunAt(0, 0, kNoLimit, kNoLimit)) == nullptr);
  CHECK(storage->budget.UsedApprox() == 0);
}

TEST_CASE("Segment: a run keeps the memory, and gives it back last of all") {
  auto storage = MakeStorage();
  const std::shared_ptr<Memory> memory = storage->memory;
  SegmentPtr segment = Segment::TryMake(std::move(storage), 1, Segment::kPage);
  const std::string record = MakeRecord("kept");
  segment->Append(record.data(), static_cast<uint32_t>(record.size()), 1, 1);
  Run run = segment->RunAt(0, 0, kNoLimit, kNoLimit);
  segment = nullptr;
  CHECK(Bodies(run) == std::vector<std::string>{"kept"});
  CHECK(memory->budget.UsedApprox() == Segment::kPage + sizeof(Segment));
  run = Run();
  CHECK(memory->budget.UsedApprox() == 0);
}

TEST_CASE("Segment: anchors are counted, and only the last one to go says so") {
  const SegmentPtr segment = Segment::TryMake(MakeStorage(), 1, 0);
  CHECK_FALSE(segment->Anchored());
  segment->AddAnchor();
  segment->AddAnchor();
  CHECK_FALSE(segment->DropAnchor());
  CHECK(segment->Anchored());
  CHECK(segment->DropAnchor());
  CHECK_FALSE(segment->Anchored());
}

// How many pages of a segment's block the system holds memory for.
uint32_t ResidentPages(const Segment& segment) {
  std::vector<unsigned char> pages(segment.capacity() / Segment::kPage);
  REQUIRE(mincore(const_cast<char*>(segment.block()), segment.capacity(), pages.data()) == 0);
  return static_cast<uint32_t>(std::count_if(pages.begin(), pages.end(),
                                             [](unsigned char page) { return (page & 1) != 0; }));
}

TEST_CASE("Segment: a new one of the common size holds memory for what it holds, and little more") {
  constexpr uint32_t kCapacity = 256 << 10;
  const SegmentPtr segment = Segment::TryMake(MakeStorage(), 1, kCapacity);
  CHECK(ResidentPages(*segment) == 0);
  const std::string record = MakeRecord(std::string(1'000, 'x'));
  const auto size = static_cast<uint32_t>(record.size());
  for (uint32_t bytes = 0; size <= segment->Room();) {
    segment->Append(record.data(), size, 1, 1);
    bytes += size;
    // 16 KiB ahead, and the page of the index.
    REQUIRE(ResidentPages(*segment) <= bytes / Segment::kPage + 6);
  }
  CHECK(ResidentPages(*segment) == kCapacity / Segment::kPage);
}

}  // namespace
}  // namespace estiba
