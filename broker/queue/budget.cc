#include "broker/queue/budget.h"

namespace estiba {

bool Budget::TryCharge(uint64_t bytes) {
  if (parent_ == nullptr) return TryChargeHere(bytes);
  // Asked first: a charge that is taken back makes this budget look full to others meanwhile.
  if (!parent_->HasRoom(bytes) || !TryChargeHere(bytes)) return false;
  if (parent_->TryCharge(bytes)) return true;
  // Somebody else was faster above. Whoever has found this budget full since must look again; that
  // cannot go round in circles, because each time somebody got what he asked for.
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  parent_->WakeWaiters();
  return false;
}

bool Budget::HasRoom(uint64_t bytes) const {
  const uint64_t used = used_.load(std::memory_order_relaxed);
  return limit_ == 0 || (used <= limit_ && bytes <= limit_ - used);
}

bool Budget::TryChargeHere(uint64_t bytes) {
  uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (limit_ != 0 && (used > limit_ || bytes > limit_ - used)) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  NotePeak(used + bytes);
  return true;
}

void Budget::ForceCharge(uint64_t bytes) {
  NotePeak(used_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
  if (parent_ != nullptr) parent_->ForceCharge(bytes);
}

void Budget::NotePeak(uint64_t used) {
  uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (used > peak && !peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
  }
}

void Budget::Release(uint64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
  if (parent_ != nullptr) return parent_->Release(bytes);
  WakeWaiters();
}

void Budget::WakeWaiters() {
  for (BudgetWaiter* w = waiters_.TakeAll(); w != nullptr;) {
    BudgetWaiter* next = w->next_waiter;
    w->OnBudgetFreed();
    w = next;
  }
}

void Budget::Wait(BudgetWaiter* waiter) {
  if (parent_ != nullptr) return parent_->Wait(waiter);
  waiters_.Add(waiter);
}

}  // namespace estiba
