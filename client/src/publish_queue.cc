#include "client/src/publish_queue.h"

#include <string>

namespace estiba::internal {
namespace {

bool MayRetry(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

}  // namespace

const Batch& PublishQueue::Send() {
  Batch& batch = *queue_[sent_];
  batch.number = front_number_ + sent_;
  if (batch.sent_before) ++resent_batches_;
  batch.sent_before = true;
  ++sent_;
  return batch;
}

void PublishQueue::OnStreamEnd() {
  // Behind a refused batch nothing can have been taken.
  if (!recovering_) {
    for (size_t i = 0; i < sent_; ++i) queue_[i]->fate_unknown = true;
  }
  sent_ = refused_ = 0;
  recovering_ = false;
  retry_wait_.reset();
}

absl::StatusOr<std::optional<SettledBatch>> PublishQueue::OnResult(const BatchResult& result) {
  const size_t position = refused_;
  if (position >= sent_ || queue_[position]->number != result.batch) {
    return absl::InternalError("the broker answered batch " + std::to_string(result.batch) +
                               ", which it was not asked for now");
  }
  Batch& batch = *queue_[position];
  std::optional<SettledBatch> settled;
  if (result.error.ok()) {
    if (result.count + result.scheduled != batch.count) {
      return absl::InternalError("the broker took " +
                                 std::to_string(result.count + result.scheduled) + " of " +
                                 std::to_string(batch.count) + " messages of a batch");
    }
    front_number_ = batch.number + 1;
    probing_ = false;
    settled = Settle(position, absl::OkStatus());
    settled->published = {result.first_sequence, result.count, result.scheduled, result.duplicate};
  } else {
    // What is refused now was not taken earlier, and so nothing behind it.
    for (size_t i = position; i < queue_.size(); ++i) queue_[i]->fate_unknown = false;
    batch.last_error = result.error;
    const bool behind_refused = recovering_ && result.error.code() == absl::StatusCode::kAborted;
    const bool again = position > 0 || behind_refused || MayRetry(result.error);
    if (position == 0 && MayRetry(result.error)) {
      retry_wait_ = RetryAfter(result.error).value_or(absl::ZeroDuration());
    }
    if (again) {
      ++refused_;
    } else {
      settled = Settle(position, result.error);
    }
    recovering_ = true;
  }
  if (recovering_ && refused_ == sent_) {
    sent_ = refused_ = 0;
    recovering_ = false;
  }
  return settled;
}

std::optional<absl::Time> PublishQueue::deadline() const {
  if (queue_.empty() || sent_ > 0) return std::nullopt;
  return queue_.front()->deadline;
}

std::vector<SettledBatch> PublishQueue::GiveUp(absl::Time now, const absl::Status& status) {
  std::vector<SettledBatch> settled;
  while (sent_ == 0 && !queue_.empty() && queue_.front()->deadline <= now) {
    const bool renumber = queue_.front()->fate_unknown;
    do {
      const absl::Status& own = queue_.front()->last_error;
      settled.push_back(Settle(0, own.ok() ? status : own));
    } while (renumber && !queue_.empty() && queue_.front()->fate_unknown);
    if (renumber) NewIdentity();
    // The wait was for the batch that is gone.
    retry_wait_.reset();
  }
  return settled;
}

std::vector<SettledBatch> PublishQueue::GiveUpAll(const absl::Status& status) {
  std::vector<SettledBatch> settled;
  while (!queue_.empty()) settled.push_back(Settle(0, status));
  sent_ = refused_ = 0;
  recovering_ = false;
  retry_wait_.reset();
  NewIdentity();
  return settled;
}

SettledBatch PublishQueue::Settle(size_t position, absl::Status status) {
  SettledBatch settled;
  settled.batch = std::move(queue_[position]);
  settled.status = std::move(status);
  queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(position));
  if (sent_ > 0) --sent_;
  return settled;
}

void PublishQueue::NewIdentity() {
  ++identity_;
  front_number_ = 1;
  probing_ = true;
}

}  // namespace estiba::internal
