#pragma once

#include <cstdint>

#include "broker/queue/atomic.h"
#include "broker/queue/wait_list.h"

namespace estiba {

// Somebody to be told that memory has been given back. OnBudgetFreed may be called on any thread,
// in the middle of anything (also inside gRPC's release of a slice): it must only schedule work.
class BudgetWaiter {
 public:
  virtual void OnBudgetFreed() = 0;
  BudgetWaiter* next_waiter = nullptr;

 protected:
  ~BudgetWaiter() = default;
};

// A hard limit in bytes on the memory that messages cost, payload and bookkeeping. Budgets form a
// tree of two: what is charged to a topic's budget is charged to the broker's as well.
//
// Threads: any. Progress: lock-free. Full: TryCharge says no and changes nothing.
// Lifetime: the parent outlives its children; a budget outlives everything charged to it.
class Budget {
 public:
  // limit_bytes 0: no limit of its own, only the parent's.
  explicit Budget(uint64_t limit_bytes, Budget* parent = nullptr)
      : limit_(limit_bytes), parent_(parent) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Charges all of `bytes`, here and above, or nothing.
  [[nodiscard]] bool TryCharge(uint64_t bytes);

  // Charges what has already been spent (small bookkeeping that cannot be refused); may exceed the
  // limit, in which case every TryCharge fails until enough is released.
  void ForceCharge(uint64_t bytes);

  // Gives back, and tells those who wait.
  void Release(uint64_t bytes);

  // Asks to be told, once, when there may be room again: after the next Release in the whole tree
  // at the latest. Try again after the call: memory may have come free just before. The waiter is
  // told all the same, must not wait anew before that, and must live until then.
  void Wait(BudgetWaiter* waiter);

  uint64_t limit() const { return limit_; }
  uint64_t UsedApprox() const { return used_.load(std::memory_order_relaxed); }
  uint64_t PeakApprox() const { return peak_.load(std::memory_order_relaxed); }

 private:
  bool HasRoom(uint64_t bytes) const;
  bool TryChargeHere(uint64_t bytes);
  void WakeWaiters();
  void NotePeak(uint64_t used);

  const uint64_t limit_;
  Budget* const parent_;
  // Counters only: no other memory is published through them, so relaxed is enough. The condition
  // "there is room" travels through the wait list.
  Atomic<uint64_t> used_{0};
  Atomic<uint64_t> peak_{0};
  // Waiters sit at the root, where every release passes.
  WaitList<BudgetWaiter> waiters_;
};

}  // namespace estiba
