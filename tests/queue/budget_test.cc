#include "broker/queue/budget.h"

#include <limits>

#include "tests/support/catch.h"

namespace estiba {
namespace {

class Waiter final : public BudgetWaiter {
 public:
  void OnBudgetFreed() override { ++told; }
  int told = 0;
};

// Waits again from inside the call, as somebody whose request is still too large.
class StubbornWaiter final : public BudgetWaiter {
 public:
  explicit StubbornWaiter(Budget* budget) : budget_(budget) {}
  void OnBudgetFreed() override {
    ++told;
    budget_->Wait(this);
  }
  int told = 0;

 private:
  Budget* const budget_;
};

TEST_CASE("Budget: a new one is unused") {
  const Budget budget(100);
  CHECK(budget.limit() == 100);
  CHECK(budget.UsedApprox() == 0);
  CHECK(budget.PeakApprox() == 0);
}

TEST_CASE("Budget: charges up to the limit exactly, then refuses and changes nothing") {
  Budget budget(100);
  REQUIRE(budget.TryCharge(60));
  REQUIRE_FALSE(budget.TryCharge(41));
  CHECK(budget.UsedApprox() == 60);
  CHECK(budget.PeakApprox() == 60);
  REQUIRE(budget.TryCharge(40));
  CHECK_FALSE(budget.TryCharge(1));
  CHECK(budget.TryCharge(0));
  budget.Release(100);
  CHECK(budget.UsedApprox() == 0);
  CHECK(budget.PeakApprox() == 100);
  CHECK(budget.TryCharge(100));
  budget.Release(100);
}

TEST_CASE("Budget: a request near the largest number does not wrap around") {
  Budget budget(100);
  REQUIRE(budget.TryCharge(10));
  CHECK_FALSE(budget.TryCharge(std::numeric_limits<uint64_t>::max()));
  CHECK_FALSE(budget.TryCharge(std::numeric_limits<uint64_t>::max() - 9));
  CHECK(budget.UsedApprox() == 10);
}

TEST_CASE("Budget: without a limit of its own only the parent refuses") {
  Budget unlimited(0);
  CHECK(unlimited.TryCharge(uint64_t{1} << 60));
  Budget parent(100);
  Budget child(0, &parent);
  CHECK(child.TryCharge(100));
  CHECK_FALSE(child.TryCharge(1));
  CHECK(child.UsedApprox() == 100);
}

TEST_CASE("Budget: what is forced may exceed the limit, and is refused for until it is released") {
  Budget parent(100);
  Budget child(50, &parent);
  child.ForceCharge(120);
  CHECK(child.UsedApprox() == 120);
  CHECK(parent.UsedApprox() == 120);
  CHECK(parent.PeakApprox() == 120);
  CHECK_FALSE(child.TryCharge(0));
  CHECK_FALSE(parent.TryCharge(1));
  child.Release(70);
  CHECK(child.TryCharge(0));
  CHECK_FALSE(child.TryCharge(1));
  CHECK(parent.TryCharge(1));
}

TEST_CASE("Budget: a child charges its parent as well, and both or neither") {
  Budget parent(100);
  Budget a(80, &parent);
  Budget b(80, &parent);
  REQUIRE(a.TryCharge(80));
  CHECK_FALSE(a.TryCharge(1));   // a's own limit
  CHECK_FALSE(b.TryCharge(21));  // the parent's
  CHECK(a.UsedApprox() == 80);
  CHECK(b.UsedApprox() == 0);
  CHECK(b.PeakApprox() == 0);
  CHECK(parent.UsedApprox() == 80);
  REQUIRE(b.TryCharge(20));
  CHECK(parent.UsedApprox() == 100);
  a.Release(80);
  b.Release(20);
  CHECK(parent.UsedApprox() == 0);
  CHECK(parent.PeakApprox() == 100);
}

TEST_CASE("Budget: waiters are told once, by a release anywhere in the tree") {
  Budget parent(100);
  Budget a(80, &parent);
  Budget b(80, &parent);
  REQUIRE(a.TryCharge(80));
  Waiter of_a, of_b, of_parent;
  a.Wait(&of_a);
  b.Wait(&of_b);
  parent.Wait(&of_parent);
  CHECK(of_a.told + of_b.told + of_parent.told == 0);
  a.Release(1);
  CHECK(of_a.told == 1);
  CHECK(of_b.told == 1);
  CHECK(of_parent.told == 1);
  a.Release(1);
  CHECK(of_a.told == 1);
  b.Wait(&of_b);
  a.Release(78);
  CHECK(of_b.told == 2);
}

TEST_CASE("Budget: a waiter that waits again while it is told is told at the next release") {
  Budget budget(10);
  REQUIRE(budget.TryCharge(10));
  StubbornWaiter waiter(&budget);
  Waiter other;
  budget.Wait(&waiter);
  budget.Wait(&other);
  budget.Release(1);
  CHECK(waiter.told == 1);
  CHECK(other.told == 1);
  budget.Release(1);
  CHECK(waiter.told == 2);
  CHECK(other.told == 1);
}

}  // namespace
}  // namespace estiba
