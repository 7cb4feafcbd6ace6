// The simulator itself: it must find what is known to be wrong, and leave alone what is right.
#include <memory>
#include <set>

#include "broker/queue/atomic.h"
#include "tests/queue/simulation/explore.h"
#include "tests/queue/simulation/var.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::simulation {
namespace {

using testing::HasText;

SetUp MessagePassing(std::memory_order store, std::memory_order load) {
  return [=](Program& program) {
    struct State {
      Var<int> data{0};
      Atomic<int> flag{0};
    };
    auto state = std::make_shared<State>();
    program.Thread([=] {
      state->data = 7;
      state->flag.store(1, store);
    });
    program.Thread([=] {
      if (state->flag.load(load) == 1) Check(state->data == 7, "old data");
    });
  };
}

TEST_CASE("The simulator finds the data race of a message passed without release or acquire") {
  const auto release = std::memory_order_release;
  const auto acquire = std::memory_order_acquire;
  const auto relaxed = std::memory_order_relaxed;
  CHECK(ExploreAll({}, MessagePassing(release, acquire)).failure.empty());
  CHECK_THAT(ExploreAll({}, MessagePassing(relaxed, acquire)).failure, HasText("data race"));
  CHECK_THAT(ExploreAll({}, MessagePassing(release, relaxed)).failure, HasText("data race"));
  CHECK(ExploreRandomly(testing::Seed(), 1000, MessagePassing(release, acquire)).failure.empty());
  CHECK_THAT(ExploreRandomly(testing::Seed(), 1000, MessagePassing(relaxed, relaxed)).failure,
             HasText("data race"));
}

TEST_CASE("A release sequence goes on through changes by other threads, and ends at their stores") {
  const auto program = [](bool change) {
    return [=](Program& p) {
      struct State {
        Var<int> data{0};
        Atomic<int> flag{0};
      };
      auto state = std::make_shared<State>();
      p.Thread([=] {
        state->data = 7;
        state->flag.store(1, std::memory_order_release);
      });
      p.Thread([=] {
        if (change) {
          state->flag.fetch_add(1, std::memory_order_relaxed);
        } else if (state->flag.load(std::memory_order_relaxed) == 1) {
          state->flag.store(2, std::memory_order_relaxed);
        }
      });
      p.Thread([=] {
        if (state->flag.load(std::memory_order_acquire) == 2) Check(state->data == 7, "old data");
      });
    };
  };
  CHECK(ExploreAll({.preemptions = 3}, program(true)).failure.empty());
  CHECK_THAT(ExploreAll({.preemptions = 3}, program(false)).failure, HasText("data race"));
}

TEST_CASE("Two threads that store and then load each other's flag may both see nothing") {
  std::set<std::pair<int, int>> seen;
  const auto program = [&](Program& p) {
    struct State {
      Atomic<int> a{0}, b{0};
      int from_a = -1, from_b = -1;
    };
    auto state = std::make_shared<State>();
    p.Thread([=] {
      state->a.store(1, std::memory_order_release);
      state->from_b = state->b.load(std::memory_order_acquire);
    });
    p.Thread([=] {
      state->b.store(1, std::memory_order_release);
      state->from_a = state->a.load(std::memory_order_acquire);
    });
    p.Finally([=, &seen] { seen.insert({state->from_a, state->from_b}); });
  };
  REQUIRE(ExploreAll({}, program).failure.empty());
  CHECK(seen == std::set<std::pair<int, int>>{{0, 0}, {0, 1}, {1, 0}, {1, 1}});
}

TEST_CASE("A thread never sees an atomic go back to an older value") {
  const auto program = [](Program& p) {
    auto value = std::make_shared<Atomic<int>>(0);
    p.Thread([=] {
      for (int i = 1; i <= 3; ++i) value->store(i, std::memory_order_relaxed);
    });
    for (int reader = 0; reader < 2; ++reader) {
      p.Thread([=] {
        const int first = value->load(std::memory_order_relaxed);
        Check(value->load(std::memory_order_relaxed) >= first, "back to an older value");
      });
    }
  };
  CHECK(ExploreAll({.preemptions = 3, .stale_loads = 2}, program).failure.empty());
  CHECK(ExploreRandomly(testing::Seed(), 2000, program).failure.empty());
}

TEST_CASE("Changes of an atomic are not lost, a load followed by a store is") {
  const auto program = [](bool change) {
    return [=](Program& p) {
      auto value = std::make_shared<Atomic<int>>(0);
      for (int thread = 0; thread < 3; ++thread) {
        p.Thread([=] {
          if (change) {
            value->fetch_add(1, std::memory_order_relaxed);
          } else {
            value->store(value->load() + 1);
          }
        });
      }
      p.Finally([=] { Check(value->load() == 3, "lost"); });
    };
  };
  CHECK(ExploreAll({}, program(true)).failure.empty());
  CHECK_THAT(ExploreAll({}, program(false)).failure, HasText("lost"));
}

TEST_CASE("A deadlock is found, and its threads are unwound") {
  const auto program = [](Program& p) {
    auto flag = std::make_shared<Atomic<int>>(0);
    auto woken = std::make_shared<bool>(false);
    p.Thread([=] {
      if (flag->load() == 0) WaitUntil([=] { return *woken; });
    });
    // Wakes only those who waited before: a lost wake-up where the check came too early.
    p.Thread([=] {
      *woken = true;
      flag->store(1);
      *woken = false;
    });
  };
  CHECK_THAT(ExploreAll({}, program).failure, HasText("deadlock"));
}

TEST_CASE("A weak compare-exchange fails for no reason, a strong one does not") {
  bool weak_failed = false;
  bool strong_failed = false;
  const auto program = [&](Program& p) {
    auto value = std::make_shared<Atomic<int>>(0);
    p.Thread([=, &weak_failed, &strong_failed] {
      int expected = 0;
      weak_failed |= !value->compare_exchange_weak(expected, 0);
      strong_failed |= !value->compare_exchange_strong(expected, 1);
    });
  };
  REQUIRE(ExploreAll({}, program).failure.empty());
  CHECK(weak_failed);
  CHECK_FALSE(strong_failed);
}

}  // namespace
}  // namespace estiba::simulation
