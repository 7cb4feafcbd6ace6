#include <random>
#include <thread>
#include <vector>

#include "broker/queue/budget.h"
#include "tests/queue/stress.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using testing::Event;
using testing::Findings;

class Client final : public BudgetWaiter {
 public:
  explicit Client(Budget* budget) : budget_(budget) {}

  void OnBudgetFreed() override { told_.Set(); }

  void Charge(uint64_t bytes) {
    while (!budget_->TryCharge(bytes)) {
      if (waiting_) told_.Await();
      budget_->Wait(this);
      waiting_ = true;
      if (budget_->TryCharge(bytes)) return;
      told_.Await();
      waiting_ = false;
    }
  }

  // A waiter must live until it was told.
  void End() {
    budget_->ForceCharge(1);
    budget_->Release(1);
    if (waiting_) told_.Await();
  }

 private:
  Budget* const budget_;
  Event told_;
  bool waiting_ = false;
};

TEST_CASE("Budget: with four threads that want more than there is, all get it and give it back") {
  constexpr uint64_t kLimit = 1000;
  Budget parent(kLimit);
  Budget topics[] = {Budget(0, &parent), Budget(800, &parent)};
  Findings findings;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(testing::Seed() + t);
      Budget& budget = topics[t % 2];
      Client client(&budget);
      for (int i = 0; i < 5000; ++i) {
        const uint64_t bytes = 1 + random() % 700;
        client.Charge(bytes);
        findings.Check(parent.UsedApprox() >= bytes, "less in use than we use");
        // Some hold it for a while.
        if (random() % 4 == 0) std::this_thread::yield();
        budget.Release(bytes);
      }
      client.End();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(findings.first() == "");
  CHECK(parent.UsedApprox() == 0);
  CHECK(topics[0].UsedApprox() == 0);
  CHECK(topics[1].UsedApprox() == 0);
  CHECK(parent.PeakApprox() <= kLimit + 4);
}

}  // namespace
}  // namespace estiba
