#include "client/src/outcome_queue.h"

#include <utility>

namespace estiba::internal {

void OutcomeQueue::Push(SettledBatch settled) {
  absl::MutexLock lock(&mutex_);
  waiting_.push_back(std::move(settled));
}

void OutcomeQueue::Deliver() {
  mutex_.Lock();
  if (!delivering_) {
    delivering_ = true;
    while (!waiting_.empty()) {
      SettledBatch settled = std::move(waiting_.front());
      waiting_.pop_front();
      mutex_.Unlock();
      Report(settled);
      mutex_.Lock();
      delivered_messages_ += settled.batch->count;
      if (first_failure_.ok()) first_failure_ = settled.status;
    }
    delivering_ = false;
    if (awaiting_ > 0) delivered_.SignalAll();
  }
  mutex_.Unlock();
}

void OutcomeQueue::Report(SettledBatch& settled) const {
  Batch& batch = *settled.batch;
  const bool ok = settled.status.ok();
  for (auto& [index, callback] : batch.callbacks) {
    if (ok) {
      callback(index == Batch::kScheduled ? 0 : settled.published.first_sequence + index);
    } else {
      callback(settled.status);
    }
  }
  if (ok && options_.on_batch) options_.on_batch(settled.published);
  const uint64_t unheard = batch.count - batch.callbacks.size();
  if (!ok && unheard > 0 && options_.on_failure) options_.on_failure({settled.status, unheard});
}

bool OutcomeQueue::Await(uint64_t messages, absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  ++awaiting_;
  bool in_time = true;
  while (delivered_messages_ < messages && in_time) {
    in_time = !delivered_.WaitWithDeadline(&mutex_, deadline);
  }
  --awaiting_;
  return delivered_messages_ >= messages;
}

absl::Status OutcomeQueue::TakeFirstFailure() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(first_failure_, absl::OkStatus());
}

}  // namespace estiba::internal
