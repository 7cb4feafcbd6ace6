// The interval map against a plain map of single sequences, and the lease table on top of it.
#include "broker/engine/interval_map.h"

#include <map>
#include <random>

#include "broker/engine/lease_table.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

struct Tagged {
  Run run;
  uint64_t tag = 0;
};

Run RunOf(uint64_t first, uint32_t count, uint32_t bytes = 0) {
  Run run;
  run.first = first;
  run.count = count;
  run.bytes = bytes;
  return run;
}

TEST_CASE("IntervalMap: does what a plain map of sequences does") {
  std::mt19937_64 random(testing::Seed());
  const auto below = [&](uint64_t n) { return random() % n; };
  IntervalMap<Tagged> map;
  std::map<uint64_t, uint64_t> plain;  // sequence to tag
  uint64_t tags = 0;
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t first = 1 + below(300);
    const uint64_t last = first + below(20);
    switch (below(4)) {
      case 0: {
        bool taken = false;
        for (uint64_t s = first; s <= last; ++s) taken |= plain.count(s) != 0;
        if (taken) break;
        ++tags;
        map.Insert({RunOf(first, static_cast<uint32_t>(last - first + 1)), tags});
        for (uint64_t s = first; s <= last; ++s) plain[s] = tags;
        break;
      }
      case 1:
      case 2: {
        std::map<uint64_t, uint64_t> carved;
        map.Carve(first, last, [&](Tagged&& t) {
          for (uint64_t s = t.run.first; s < t.run.end(); ++s) carved[s] = t.tag;
        });
        std::map<uint64_t, uint64_t> expected;
        for (uint64_t s = first; s <= last; ++s) {
          if (const auto it = plain.find(s); it != plain.end()) {
            expected.insert(*it);
            plain.erase(it);
          }
        }
        REQUIRE(carved == expected);
        break;
      }
      default: {
        const uint64_t tag = 1 + below(tags + 1);
        map.TakeIf([&](const Tagged& t) { return t.tag == tag; }, [](Tagged&&) {});
        for (auto it = plain.begin(); it != plain.end();) {
          it = it->second == tag ? plain.erase(it) : std::next(it);
        }
      }
    }
    REQUIRE(map.messages() == plain.size());
    REQUIRE(map.empty() == plain.empty());
    if (!plain.empty()) REQUIRE(map.first() == plain.begin()->first);
  }
  uint64_t before = 0;
  while (!map.empty()) {
    const Tagged t = map.PopFront();
    REQUIRE(t.run.first > before);
    before = t.run.end() - 1;
  }
  REQUIRE(map.messages() == 0);
}

TEST_CASE("IntervalMap: carving reaches to the last sequence there can be") {
  IntervalMap<Tagged> map;
  map.Insert({RunOf(5, 10), 1});
  map.Insert({RunOf(20, 5), 2});
  uint64_t carved = 0;
  map.Carve(0, std::numeric_limits<uint64_t>::max(), [&](Tagged&& t) { carved += t.run.count; });
  CHECK(carved == 15);
  CHECK(map.empty());
}

TEST_CASE("LeaseTable: extends, expires and takes back by consumer") {
  Consumer* const one = reinterpret_cast<Consumer*>(0x10);
  Consumer* const two = reinterpret_cast<Consumer*>(0x20);
  LeaseTable leases;
  leases.Grant({RunOf(1, 10), 1, one, 100, 0});
  leases.Grant({RunOf(11, 10), 1, two, 50, 0});
  CHECK(leases.NextDeadline() == 50);
  leases.Extend(5, 15, one, 200);  // of two nothing
  CHECK(leases.messages() == 20);
  CHECK(leases.NextDeadline() == 50);

  std::vector<uint64_t> expired;
  leases.TakeExpired(100, [&](Lease&& l) { expired.push_back(l.run.first); });
  CHECK(expired == std::vector<uint64_t>{1, 11, 16});
  CHECK(leases.messages() == 6);

  uint64_t taken = 0;
  leases.TakeOf(two, 1, 100, [&](Lease&& l) { taken += l.run.count; });
  CHECK(taken == 0);
  leases.TakeOf(one, 6, 7, [&](Lease&& l) { taken += l.run.count; });
  CHECK(taken == 2);
  leases.TakeOf(one, [&](Lease&& l) { taken += l.run.count; });
  CHECK(taken == 6);
  CHECK(leases.empty());
}

TEST_CASE("LeaseTable: leases whose memory was given up keep their bytes of credit") {
  LeaseTable leases;
  leases.Grant({RunOf(1, 10, 1'000), 1, nullptr, 100, 0});
  leases.DropMemoryBefore(8);
  uint64_t bytes = 0;
  for (uint64_t s = 1; s <= 10; ++s) {
    leases.Take(s, s, [&](Lease&& l) { bytes += l.run.bytes; });
  }
  CHECK(bytes == 1'000);
}

}  // namespace
}  // namespace estiba
