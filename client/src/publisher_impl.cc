#include "client/src/publisher_impl.h"

#include <algorithm>

namespace estiba::internal {
namespace {

// The broker's limits.
constexpr size_t kMaxMessageBytes = size_t{10} << 20;
constexpr size_t kMaxBatchBytes = size_t{15} << 20;
constexpr size_t kMaxBatchMessages = 100'000;
// Batches that go to gRPC in one go.
constexpr size_t kMaxFollowing = 31;
// Writes that come sooner after one another are completed by the connection's thread: batches
// gather until it has woken up.
constexpr absl::Duration kSoon = absl::Microseconds(20);
constexpr absl::Duration kMaxAnswerDelay = absl::Seconds(10);

PublisherOptions Checked(PublisherOptions options) {
  options.max_batch_bytes = std::clamp<size_t>(options.max_batch_bytes, 1, kMaxBatchBytes);
  options.max_batch_messages = std::clamp<size_t>(options.max_batch_messages, 1, kMaxBatchMessages);
  options.max_in_flight_messages = std::max<size_t>(options.max_in_flight_messages, 1);
  options.max_in_flight_bytes = std::max<size_t>(options.max_in_flight_bytes, 1);
  options.max_answer_delay =
      std::clamp(absl::Floor(options.max_answer_delay, absl::Milliseconds(1)), absl::ZeroDuration(),
                 kMaxAnswerDelay);
  options.min_retry_backoff = std::max(options.min_retry_backoff, absl::Milliseconds(1));
  return options;
}

}  // namespace

PublisherImpl::PublisherImpl(std::shared_ptr<Connection> connection, std::string topic,
                             PublisherOptions options)
    : connection_(std::move(connection)),
      topic_(std::move(topic)),
      options_(Checked(std::move(options))),
      reconnect_backoff_(connection_->options().min_backoff, connection_->options().max_backoff),
      retry_backoff_(options_.min_retry_backoff, options_.max_retry_backoff),
      timer_(*connection_, [this](bool fired) { OnTimer(fired); }) {
  absl::MutexLock lock(&mutex_);
  OpenStream();
}

PublisherImpl::~PublisherImpl() {
  RequireForeignThread(*connection_, "an estiba::Publisher");
  Close(absl::Now() + options_.close_timeout).IgnoreError();
  Shutdown();
}

// --- Gathering ---

absl::Status PublisherImpl::Add(absl::Span<const MessageRef> messages, WhenFull when_full,
                                Publisher::Callback* callback, size_t& accepted) {
  accepted = 0;
  if (connection_->OnOwnThread()) {
    when_full = WhenFull::kFail;
    Connection::ExpectEvent();
  }
  mutex_.Lock();
  absl::Status status;
  for (const MessageRef& message : messages) {
    const size_t encoded_size = EncodedSize(message);
    if (encoded_size > kMaxMessageBytes) {
      status = absl::InvalidArgumentError("a message of " + std::to_string(encoded_size) +
                                          " bytes, encoded: at most 10485760 are allowed");
      break;
    }
    const size_t bytes = RecordSize(encoded_size);
    if (closed_ || !HasRoom(bytes)) {
      status = WaitForRoom(bytes, when_full);
      if (!status.ok()) break;
    }
    if (!open_.empty() && open_.bytes() + bytes > options_.max_batch_bytes) Seal();
    if (open_.empty()) open_since_ = absl::Now();
    if (callback != nullptr) {
      const bool later = message.timing != nullptr && message.timing->scheduled();
      open_callbacks_.emplace_back(later ? Batch::kScheduled : open_.count() - open_.scheduled(),
                                   std::move(*callback));
    }
    open_.Append(message, encoded_size);
    ++accepted;
    ++stats_.accepted_messages;
    ++window_messages_;
    window_bytes_ += bytes;
    if (open_.bytes() >= options_.max_batch_bytes || open_.count() >= options_.max_batch_messages) {
      Seal();
    }
    if (writing_) continue;
    SendHere();
  }
  mutex_.Unlock();
  return status;
}

absl::Status PublisherImpl::WaitForRoom(size_t bytes, WhenFull when_full) {
  while (!closed_ && !HasRoom(bytes)) {
    if (when_full == WhenFull::kFail) {
      return absl::ResourceExhaustedError(
          "the publisher's window is full: " + std::to_string(window_messages_) + " messages, " +
          std::to_string(window_bytes_) + " bytes in flight");
    }
    ++room_waiters_;
    // A batch that lingers must not keep its publisher waiting.
    SendHere();
    if (!closed_ && !HasRoom(bytes)) room_.Wait(&mutex_);
    --room_waiters_;
  }
  if (closed_) return absl::FailedPreconditionError("the publisher is closed");
  return absl::OkStatus();
}

bool PublisherImpl::HasRoom(size_t bytes) const {
  if (window_messages_ == 0) return true;
  return window_messages_ < options_.max_in_flight_messages &&
         window_bytes_ + bytes <= options_.max_in_flight_bytes;
}

void PublisherImpl::Seal() {
  auto batch = std::make_unique<Batch>();
  batch->count = open_.count();
  batch->records = open_.Release();
  batch->deadline = open_since_ + options_.retry_timeout;
  batch->callbacks.swap(open_callbacks_);
  queue_.Add(std::move(batch));
}

bool PublisherImpl::LingerIsOver() const {
  return options_.linger <= absl::ZeroDuration() || flushing_ > 0 || room_waiters_ > 0 ||
         absl::Now() >= open_since_ + options_.linger;
}

// --- Sending ---

std::optional<PublisherImpl::PendingWrite> PublisherImpl::TakeWrite() {
  if (writing_ || half_closed_) return std::nullopt;
  if (!stream_open_ || !queue_.may_send()) {
    ScheduleTimer();
    return stream_open_ ? TakeAnswerNow() : std::nullopt;
  }
  if (!queue_.has_unsent()) {
    if (open_.empty()) return TakeAnswerNow();
    if (!LingerIsOver()) {
      ScheduleTimer();
      return std::nullopt;
    }
    Seal();
  }
  writing_ = true;
  grpc::ByteBuffer request = EncodeNext();
  while (following_.size() < kMaxFollowing && queue_.has_unsent() && queue_.may_send()) {
    following_.push_back(EncodeNext());
  }
  return PendingWrite{stream_, std::move(request),
                      following_.empty() ? Stream::Followed::kNo : Stream::Followed::kYes};
}

grpc::ByteBuffer PublisherImpl::EncodeNext() {
  const Batch& batch = queue_.Send();
  answers_awaited_ = false;
  PublishStreamStart start;
  if (std::exchange(first_request_, false)) {
    start = {topic_, producer_,
             static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.max_answer_delay))};
  }
  const bool awaited = options_.max_answer_delay > absl::ZeroDuration() && !batch.callbacks.empty();
  return EncodePublishRequest(start, batch.number, batch.records, awaited);
}

std::optional<PublisherImpl::PendingWrite> PublisherImpl::TakeAnswerNow() {
  if (options_.max_answer_delay <= absl::ZeroDuration() || queue_.sent() == 0) return std::nullopt;
  if ((flushing_ == 0 && room_waiters_ == 0) || std::exchange(answers_awaited_, true)) {
    return std::nullopt;
  }
  writing_ = true;
  return PendingWrite{stream_, EncodeAnswerNow(), Stream::Followed::kNo};
}

std::optional<PublisherImpl::PendingWrite> PublisherImpl::TakeFollowing() {
  if (following_.empty()) return std::nullopt;
  grpc::ByteBuffer request = std::move(following_.front());
  following_.pop_front();
  return PendingWrite{stream_, std::move(request),
                      following_.empty() ? Stream::Followed::kNo : Stream::Followed::kYes};
}

void PublisherImpl::CarryOut(std::optional<PendingWrite> write) {
  // A stream that has ended meanwhile takes nothing; the batch stays in the queue for the next one.
  if (write) write->stream->Write(write->request, write->followed);
}

void PublisherImpl::CarryOutAtOnce(std::optional<PendingWrite> write) {
  if (write) write->followed = Stream::Followed::kNo;
  CarryOut(std::move(write));
}

void PublisherImpl::SendHere() {
  while (std::optional<PendingWrite> write = TakeWrite()) {
    const bool alone = write->followed == Stream::Followed::kNo && !connection_->OnOwnThread() &&
                       absl::Now() - wrote_here_ >= kSoon;
    mutex_.Unlock();
    const bool written = alone && write->stream->WriteHere(write->request);
    if (!alone) CarryOut(write);
    mutex_.Lock();
    wrote_here_ = absl::Now();
    if (!written || write->stream != stream_) return;
    writing_ = false;  // and others may have gathered a batch meanwhile
  }
}

void PublisherImpl::SendNext() {
  std::optional<PendingWrite> write;
  {
    absl::MutexLock lock(&mutex_);
    write = TakeWrite();
  }
  CarryOut(std::move(write));
}

// --- Outcomes ---

void PublisherImpl::Settle(std::vector<SettledBatch> settled) {
  for (SettledBatch& one : settled) Settle(std::move(one));
}

void PublisherImpl::Settle(SettledBatch settled) {
  const Batch& batch = *settled.batch;
  const size_t bytes = batch.records.size();
  window_messages_ -= batch.count;
  window_bytes_ -= bytes;
  if (settled.status.ok()) {
    retry_backoff_.Reset();
    stats_.published_messages += batch.count;
    stats_.published_bytes += bytes;
    ++stats_.published_batches;
    if (settled.published.duplicate) ++stats_.duplicate_batches;
  } else {
    stats_.failed_messages += batch.count;
  }
  outcomes_.Push(std::move(settled));
  // Waking a waiting publisher for each batch would make two threads take turns at every one.
  if (room_waiters_ > 0 && window_bytes_ <= options_.max_in_flight_bytes / 4 * 3 &&
      window_messages_ <= options_.max_in_flight_messages / 4 * 3) {
    room_.SignalAll();
  }
}

// --- The end ---

absl::Status PublisherImpl::Flush(absl::Time deadline) {
  if (connection_->OnOwnThread()) {
    return absl::FailedPreconditionError("Flush would wait for the thread it is called on");
  }
  uint64_t target = 0;
  std::optional<PendingWrite> write;
  {
    absl::MutexLock lock(&mutex_);
    target = stats_.accepted_messages;
    ++flushing_;  // nothing lingers meanwhile
    write = TakeWrite();
  }
  CarryOut(std::move(write));
  const bool delivered = outcomes_.Await(target, deadline);
  absl::MutexLock lock(&mutex_);
  --flushing_;
  if (delivered) return outcomes_.TakeFirstFailure();
  return absl::DeadlineExceededError(std::to_string(window_messages_) +
                                     " messages are still unanswered");
}

absl::Status PublisherImpl::Close(absl::Time deadline) {
  if (connection_->OnOwnThread()) {
    return absl::FailedPreconditionError("Close would wait for the thread it is called on");
  }
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    room_.SignalAll();
  }
  absl::Status status = Flush(deadline);
  std::shared_ptr<Stream> stream;
  bool half_close = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!open_.empty()) Seal();
    Settle(queue_.GiveUpAll(absl::CancelledError("the publisher was closed")));
    stream = stream_;
    half_close = stream_open_ && !writing_ && !half_closed_ && status.ok();
    half_closed_ = half_closed_ || half_close;
  }
  outcomes_.Deliver();
  if (stream && half_close) {
    // A proper end, so that the broker sees a client that is done and not one that broke off.
    stream->HalfClose();
    const absl::Time patience = std::min(deadline, absl::Now() + absl::Seconds(1));
    absl::MutexLock lock(&mutex_);
    while (stream_ != nullptr && !ended_.WaitWithDeadline(&mutex_, patience)) {
    }
  }
  Shutdown();
  return status;
}

void PublisherImpl::Shutdown() {
  std::shared_ptr<Stream> stream;
  {
    absl::MutexLock lock(&mutex_);
    shutting_down_ = true;
    stream = stream_;
    if (timer_at_) timer_.Cancel();
  }
  if (stream) stream->Cancel();
  absl::MutexLock lock(&mutex_);
  while (stream_ != nullptr || timer_at_ || in_timer_) ended_.Wait(&mutex_);
}

PublisherStats PublisherImpl::Stats() const {
  absl::MutexLock lock(&mutex_);
  PublisherStats stats = stats_;
  stats.resent_batches = queue_.resent_batches();
  stats.in_flight_messages = window_messages_;
  stats.in_flight_bytes = window_bytes_;
  return stats;
}

}  // namespace estiba::internal
