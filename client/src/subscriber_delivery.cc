// SubscriberImpl's way in: frames to callbacks, or to the queue that is pulled from, and the credit
// that is returned for them.
#include <algorithm>
#include <utility>

#include "client/src/subscriber_impl.h"

namespace estiba::internal {

bool SubscriberImpl::Place(FrameBuffer& frame) {
  if (frame.topic_number() == 0 && frame.topic_changes().empty() && !frame.started()) return true;
  absl::MutexLock lock(&mutex_);
  if (frame.started()) topics_.clear();
  for (const auto& [number, change] : frame.topic_changes()) {
    if (change.left) {
      topics_.erase(number);
    } else {
      topics_[number] = std::make_shared<const PatternTopic>(PatternTopic{number, change.topic});
    }
  }
  if (frame.topic_number() == 0) return true;
  const auto topic = topics_.find(frame.topic_number());
  if (topic == topics_.end()) return false;
  frame.SetTopic(topic->second);
  return true;
}

bool SubscriberImpl::Dispatch(const std::shared_ptr<FrameBuffer>& frame) {
  const size_t messages = frame->messages().size();
  const size_t bytes = frame->frame().bytes;
  bool read_on = true;
  {
    absl::MutexLock lock(&mutex_);
    if (frame->started()) TakeStarted(*frame->started());
    Count(*frame);
    if (mode_ == Mode::kPull && messages > 0) {
      queue_.Push(frame);
      // (Who waits for answers reads on, and has what credit allows here at most.)
      read_on = queue_.bytes() < options_.buffer_bytes || state_ == State::kStopping ||
                !confirmations_.empty();
      reading_paused_ = !read_on;
      arrived_.SignalAll();
    }
  }
  if (!frame->answers().empty()) TakeAnswers(*frame);
  if (frame->started()) {
    // What has waited for it may go.
    mutex_.Lock();
    SendNextAndUnlock();
    if (options_.on_started) options_.on_started(*frame->started());
  }
  if (options_.on_topic_change) {
    for (const auto& [number, change] : frame->topic_changes()) options_.on_topic_change(change);
  }
  if (frame->gap() && options_.on_gap) options_.on_gap(*frame->gap());
  if (mode_ != Mode::kPull && messages > 0) {
    Deliver(*frame);
    if (!explicit_acks()) {
      mutex_.Lock();
      ReturnCredit(messages, bytes);
      SendNextAndUnlock();
    }
  }
  return read_on;
}

void SubscriberImpl::TakeStarted(Started& started) {
  stream_started_ = true;
  backoff_.Reset();
  failed_before_ = false;
  confirms_ = started.exactly_once ? Confirms::kYes : Confirms::kNo;
  if (confirms_ == Confirms::kNo) confirmations_ = {};

  const bool first = epoch_ == 0;
  const bool pattern = started.next_sequence == 0;
  started.anew = !first && started.incarnation != incarnation_;
  incarnation_ = started.incarnation;
  // (The numbers of a private pattern's topics are those of one stream.)
  if (first || started.anew || (pattern && options_.subscription.empty())) {
    ++epoch_;
    stats_.stale_acks += outbox_.DropSettlements();
  }
  if (started.anew && pattern) resume_time_ms_ = 1;  // from the beginning, whatever the clocks say
  if (started.anew || resume_sequence_ == 0) {
    resume_sequence_ = started.next_sequence;
    lasts_to_come_ = !started.anew && (options_.from.kind() == StartFrom::Kind::kLast ||
                                       options_.from.kind() == StartFrom::Kind::kLastOfEachKey);
  }
}

void SubscriberImpl::TakeRest(FrameBuffer& frame) {
  TakeAnswers(frame);
  if (!frame.started()) return;
  mutex_.Lock();
  TakeStarted(*frame.started());
  SendNextAndUnlock();
}

void SubscriberImpl::TakeAnswers(const FrameBuffer& frame) {
  Confirmations::Decided decided;
  {
    absl::MutexLock lock(&mutex_);
    for (const Answer& answer : frame.answers()) {
      stats_.refused_acks += confirmations_.Take(answer, decided);
    }
  }
  Confirmations::Tell(std::move(decided));
}

void SubscriberImpl::Deliver(const FrameBuffer& frame) {
  if (mode_ == Mode::kFrames) {
    on_frame_(frame.frame());
    return;
  }
  for (const MessageView& message : frame.messages()) {
    on_message_(message);
    if (discard_.load(std::memory_order_relaxed)) return;
  }
}

void SubscriberImpl::Count(const FrameBuffer& frame) {
  const auto& messages = frame.messages();
  if (frame.topic_number() != 0) {
    if (frame.gap()) stats_.gap_messages += frame.gap()->range.last - frame.gap()->range.first + 1;
    if (!messages.empty()) {
      resume_time_ms_ = std::max(resume_time_ms_, messages.back().publish_time_ms());
    }
  } else if (frame.gap()) {
    const SequenceRange& range = frame.gap()->range;
    stats_.gap_messages += range.last - range.first + 1;
    GoOnAfter(range.last);
  }
  if (messages.empty()) return;
  ++stats_.received_frames;
  stats_.received_messages += messages.size();
  stats_.received_bytes += frame.frame().bytes;
  if (messages.front().delivery_attempt() > 1) stats_.redelivered_messages += messages.size();
  GoOnAfter(messages.back().sequence());
}

void SubscriberImpl::GoOnAfter(uint64_t sequence) {
  // More of them may follow, each later than the one before.
  if (std::exchange(lasts_to_come_, false)) resume_sequence_ = 0;
  resume_sequence_ = std::max(resume_sequence_, sequence + 1);
}

void SubscriberImpl::ReturnCredit(size_t messages, size_t bytes) {
  if (explicit_acks() || (credit_.max_messages == 0 && credit_.max_bytes == 0)) return;
  used_messages_ += messages;
  used_bytes_ += bytes;
  const bool due = (credit_.max_messages > 0 && used_messages_ * 4 >= credit_.max_messages) ||
                   (credit_.max_bytes > 0 && used_bytes_ * 4 >= credit_.max_bytes);
  if (!due) return;
  outbox_.ReturnCredit(used_messages_, used_bytes_);
  used_messages_ = used_bytes_ = 0;
}

absl::Status SubscriberImpl::Await(absl::Time deadline) {
  if (mode_ != Mode::kPull) {
    return absl::FailedPreconditionError("this subscriber delivers to a callback");
  }
  if (state_ == State::kIdle) {
    state_ = State::kRunning;
    OpenStream();
  }
  while (queue_.empty()) {
    if (state_ == State::kEnded && final_status_.ok()) {
      return absl::CancelledError("the subscriber was stopped");
    }
    if (state_ == State::kEnded) return final_status_;
    if (deadline == absl::InfinitePast()) return absl::DeadlineExceededError("no message is here");
    if (connection_->OnOwnThread()) {
      return absl::FailedPreconditionError("Next would wait for the thread it is called on");
    }
    if (arrived_.WaitWithDeadline(&mutex_, deadline) && queue_.empty() && state_ != State::kEnded) {
      return absl::DeadlineExceededError("no message came in time");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ReceivedMessage> SubscriberImpl::Next(absl::Time deadline) {
  mutex_.Lock();
  if (absl::Status status = Await(deadline); !status.ok()) {
    mutex_.Unlock();
    return status;
  }
  ReceivedMessage message = queue_.PopMessage();
  TakenAndUnlock(1, FrameQueue::RecordBytes(message));
  return message;
}

absl::StatusOr<std::optional<ReceivedMessage>> SubscriberImpl::TryNext() {
  absl::StatusOr<ReceivedMessage> message = Next(absl::InfinitePast());
  if (message.ok()) return *std::move(message);
  if (absl::IsDeadlineExceeded(message.status())) return std::nullopt;
  return message.status();
}

absl::StatusOr<ReceivedFrame> SubscriberImpl::NextFrame(absl::Time deadline) {
  mutex_.Lock();
  if (absl::Status status = Await(deadline); !status.ok()) {
    mutex_.Unlock();
    return status;
  }
  ReceivedFrame frame = queue_.PopFrame();
  TakenAndUnlock(frame.messages.size(), frame.bytes);
  return frame;
}

void SubscriberImpl::TakenAndUnlock(size_t messages, size_t bytes) {
  ReturnCredit(messages, bytes);
  std::shared_ptr<Stream> stream;
  // Not before there is room for a good deal: otherwise every message taken would cost a read.
  if (reading_paused_ && queue_.bytes() <= options_.buffer_bytes / 2) {
    reading_paused_ = false;
    stream = stream_;
  }
  SendNextAndUnlock();
  if (stream) stream->Read();
}

}  // namespace estiba::internal
