#include <memory>
#include <vector>

#include "broker/queue/wait_list.h"
#include "tests/queue/simulation/explore.h"
#include "tests/queue/simulation/var.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::simulation {
namespace {

struct Waiter {
  Var<Waiter*> next_waiter{nullptr};
  Var<int> name{0};
  // The wake itself: an event, as an executor's queue would carry it.
  Atomic<int> wakes{0};
  int wakes_sent = 0;
};

// What is waited for is a number that grows: messages in a log.
struct State {
  explicit State(int waiters) {
    for (int i = 0; i < waiters; ++i) nodes.push_back(std::make_unique<Waiter>());
  }

  void Wake() {
    for (Waiter* w = list.TakeAll(); w != nullptr;) {
      Waiter* next = w->next_waiter;
      Check(w->name >= 0, "a node that nobody wrote");
      w->wakes.fetch_add(1, std::memory_order_release);
      ++w->wakes_sent;
      w = next;
    }
  }

  WaitList<Waiter> list;
  Atomic<int> messages{0};
  std::vector<std::unique_ptr<Waiter>> nodes;
};

// Waits, by the protocol in the header's comment, until there are `goal` messages.
void Await(const std::shared_ptr<State>& state, int name, int goal) {
  Waiter* const node = state->nodes[name].get();
  for (int rounds = 1;; ++rounds) {
    node->name = name;
    state->list.Add(node);
    // "Go on as if woken", but the wake comes as well, and the node is not ours until then.
    if (state->messages.load(std::memory_order_relaxed) >= goal) return;
    WaitUntil([=] { return node->wakes_sent >= rounds; });
    while (node->wakes.load(std::memory_order_acquire) < rounds) {
    }
  }
}

SetUp Waits(int waiters, int wakers, int each) {
  return [=](Program& program) {
    auto state = std::make_shared<State>(waiters);
    for (int i = 0; i < waiters; ++i) {
      program.Thread([=] { Await(state, i, wakers * each); });
    }
    for (int i = 0; i < wakers; ++i) {
      program.Thread([=] {
        for (int m = 0; m < each; ++m) {
          state->messages.fetch_add(1, std::memory_order_relaxed);
          state->Wake();
        }
      });
    }
  };
}

TEST_CASE("Wait list: in all schedules of one waiter and one waker no wake-up is lost") {
  CHECK(ExploreAll({.preemptions = 4, .stale_loads = 2, .spurious_failures = 1}, Waits(1, 1, 2))
            .failure == "");
}

TEST_CASE("Wait list: in all schedules of two waiters and one waker no wake-up is lost") {
  CHECK(ExploreAll({.preemptions = 2, .stale_loads = 1, .spurious_failures = 1}, Waits(2, 1, 1))
            .failure == "");
}

TEST_CASE("Wait list: in all schedules of one waiter and two wakers no wake-up is lost") {
  CHECK(ExploreAll({.preemptions = 2, .stale_loads = 1, .spurious_failures = 0}, Waits(1, 2, 1))
            .failure == "");
}

TEST_CASE("Wait list: in random schedules no wake-up is lost and every waiter is woken once") {
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Waits(2, 2, 2)).failure == "");
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Waits(3, 1, 3)).failure == "");
}

}  // namespace
}  // namespace estiba::simulation
