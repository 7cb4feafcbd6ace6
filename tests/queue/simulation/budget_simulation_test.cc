#include <memory>
#include <vector>

#include "broker/queue/budget.h"
#include "tests/queue/simulation/explore.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::simulation {
namespace {

class Client final : public BudgetWaiter {
 public:
  void OnBudgetFreed() override {
    told_.fetch_add(1, std::memory_order_release);
    ++told_count_;
  }

  // Charges, by the protocol in the header's comment, waiting as often as it must.
  void Charge(Budget& budget, uint64_t bytes) {
    while (!budget.TryCharge(bytes)) {
      WaitUntilFree();  // a node that is still in the list must not be added again
      budget.Wait(this);
      ++waits_;
      if (budget.TryCharge(bytes)) return;
      WaitUntilFree();
    }
  }

 private:
  void WaitUntilFree() {
    WaitUntil([this] { return told_count_ == waits_; });
    while (told_.load(std::memory_order_acquire) < waits_) {
    }
  }

  Atomic<int> told_{0};
  int told_count_ = 0;
  int waits_ = 0;
};

struct State {
  explicit State(uint64_t limit) : root(limit) {}

  Budget root;
  std::vector<std::unique_ptr<Budget>> topics;
  std::vector<std::unique_ptr<Client>> clients;
};

// Clients that each need so much, again and again, of what is not enough for all of them.
SetUp Contend(uint64_t limit, std::vector<uint64_t> needs, int rounds, bool by_topic) {
  return [=](Program& program) {
    auto state = std::make_shared<State>(limit);
    for (size_t i = 0; i < needs.size(); ++i) {
      state->clients.push_back(std::make_unique<Client>());
      if (by_topic) state->topics.push_back(std::make_unique<Budget>(limit, &state->root));
      Client* const client = state->clients.back().get();
      Budget* const budget = by_topic ? state->topics.back().get() : &state->root;
      program.Thread([=] {
        for (int r = 0; r < rounds; ++r) {
          client->Charge(*budget, needs[i]);
          Check(state->root.UsedApprox() >= needs[i], "less in use than we use");
          budget->Release(needs[i]);
        }
      });
    }
    program.Finally([=] {
      Check(state->root.UsedApprox() == 0, "bytes were not given back");
      for (const auto& topic : state->topics) Check(topic->UsedApprox() == 0, "a topic's neither");
      Check(state->root.PeakApprox() <= limit, "more than the limit");
    });
  };
}

// A charge that the topic has room for and the broker has not: the topic must not look full to
// somebody who asks for less meanwhile, or not without telling them afterwards.
void RefusedAbove(Program& program) {
  auto state = std::make_shared<State>(10);
  state->topics.push_back(std::make_unique<Budget>(10, &state->root));
  state->clients.push_back(std::make_unique<Client>());
  Check(state->root.TryCharge(5), "no room in an empty budget");
  program.Thread([=] { Check(!state->topics[0]->TryCharge(6), "charged more than the limit"); });
  program.Thread([=] { state->clients[0]->Charge(*state->topics[0], 5); });
  program.Finally([=] {
    Check(state->topics[0]->UsedApprox() == 5, "the topic's charge is wrong");
    Check(state->root.UsedApprox() == 10, "the broker's charge is wrong");
  });
}

// The same with the broker's room taken between the two looks at it.
void OvertakenAbove(Program& program) {
  auto state = std::make_shared<State>(10);
  state->topics.push_back(std::make_unique<Budget>(8, &state->root));
  state->clients.push_back(std::make_unique<Client>());
  auto taken = std::make_shared<bool>(false);
  program.Thread([=] { *taken = state->root.TryCharge(5); });
  program.Thread([=] {
    if (state->topics[0]->TryCharge(6)) state->topics[0]->Release(6);
  });
  program.Thread([=] { state->clients[0]->Charge(*state->topics[0], 3); });
  program.Finally([=] {
    Check(state->root.UsedApprox() == (*taken ? 8u : 3u), "the broker's charge is wrong");
  });
}

TEST_CASE("Budget: in all schedules of two who need all of it both get it") {
  CHECK(ExploreAll({.preemptions = 3, .stale_loads = 1, .spurious_failures = 0},
                   Contend(10, {10, 10}, 2, false))
            .failure == "");
}

TEST_CASE("Budget: in all schedules of two topics that need all of the broker's both get it") {
  CHECK(ExploreAll({.preemptions = 2, .stale_loads = 1, .spurious_failures = 0},
                   Contend(10, {10, 7}, 1, true))
            .failure == "");
}

TEST_CASE("Budget: in random schedules everyone who waits gets memory in the end") {
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Contend(10, {10, 6, 5}, 2, false)).failure == "");
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Contend(10, {10, 6, 5}, 2, true)).failure == "");
}

TEST_CASE("Budget: a charge that the parent refuses leaves nobody waiting who would have room") {
  CHECK(ExploreAll({.preemptions = 3, .stale_loads = 1, .spurious_failures = 0}, RefusedAbove)
            .failure == "");
  CHECK(ExploreRandomly(testing::Seed(), 5'000, RefusedAbove).failure == "");
}

TEST_CASE("Budget: a charge that the parent gives to somebody else leaves nobody waiting") {
  CHECK(ExploreAll({.preemptions = 3, .stale_loads = 1, .spurious_failures = 0}, OvertakenAbove)
            .failure == "");
  CHECK(ExploreRandomly(testing::Seed(), 10'000, OvertakenAbove).failure == "");
}

}  // namespace
}  // namespace estiba::simulation
