// PublisherImpl's dealings with its stream: opening, answers, the end, and what happens in time.
#include <algorithm>

#include "absl/random/random.h"
#include "client/src/publisher_impl.h"
#include "client/src/status.h"

namespace estiba::internal {
namespace {

constexpr char kPublishMethod[] = "/estiba.v1.Broker/Publish";

std::string RandomProducer() {
  absl::BitGen bits;
  std::string producer(16, '\0');
  for (char& byte : producer) byte = static_cast<char>(absl::Uniform(bits, 0, 256));
  return producer;
}

}  // namespace

// --- The stream ---

void PublisherImpl::OpenStream() {
  if (producer_.empty() || producer_identity_ != queue_.identity()) {
    producer_identity_ = queue_.identity();
    producer_ = RandomProducer();
  }
  first_request_ = true;
  // After a failure, wait inside gRPC until there is a connection instead of trying at intervals.
  const bool failed = !last_stream_error_.ok();
  stream_ = Stream::Open(*connection_, Lane::kCalls, kPublishMethod, *this,
                         failed ? Stream::Unreachable::kWait : Stream::Unreachable::kFail);
}

void PublisherImpl::OnOpen() {
  std::shared_ptr<Stream> stream;
  {
    absl::MutexLock lock(&mutex_);
    stream_open_ = true;
    queue_.OnStreamOpen();
    stream = stream_;
  }
  stream->Read();
  SendNext();
}

void PublisherImpl::OnWritten() {
  std::optional<PendingWrite> write;
  {
    absl::MutexLock lock(&mutex_);
    write = TakeFollowing();
    writing_ = write.has_value();
  }
  if (write) return CarryOut(std::move(write));
  SendNext();
}

void PublisherImpl::OnRead(grpc::ByteBuffer& message) {
  std::shared_ptr<Stream> stream;
  std::optional<PendingWrite> write;
  bool sound = ParsePublishResponse(message, results_);
  {
    absl::MutexLock lock(&mutex_);
    stream = stream_;
  }
  // Whoever learns of an outcome may publish at once, and should not meet gRPC at work for this
  // stream then: it would hand the write to a third thread. (With several threads the next answer
  // could overtake this one.)
  const bool alone = connection_->options().threads == 1;
  if (sound && alone) stream->Read();
  {
    absl::MutexLock lock(&mutex_);
    last_stream_error_ = absl::OkStatus();
    reconnect_backoff_.Reset();
    for (BatchResult& result : results_) {
      absl::StatusOr<std::optional<SettledBatch>> settled = queue_.OnResult(result);
      sound = sound && settled.ok();
      if (!sound) break;
      if (*settled) Settle(*std::move(*settled));
    }
    if (const std::optional<absl::Duration> wait = queue_.retry_wait()) {
      if (retry_at_ == absl::InfiniteFuture()) {
        retry_at_ = absl::Now() + std::max(*wait, retry_backoff_.Next());
      }
    }
    write = TakeWrite();
  }
  CarryOutAtOnce(std::move(write));
  outcomes_.Deliver();
  if (!sound) {
    stream->Cancel();
  } else if (!alone) {
    stream->Read();
  }
}

void PublisherImpl::OnEnd(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    stream_open_ = writing_ = half_closed_ = false;
    following_.clear();
    retry_at_ = absl::InfiniteFuture();
    queue_.OnStreamEnd();
    const bool lost = status.ok() || IsConnectionLoss(status) || absl::IsResourceExhausted(status);
    last_stream_error_ =
        status.ok() ? absl::UnavailableError("the broker ended the stream") : status;
    refused_ = !lost;
    if (refused_) {
      // The broker wants none of it. Messages that come later are tried with a new stream.
      if (!open_.empty()) Seal();
      Settle(queue_.GiveUpAll(status));
    }
    reopen_at_ = absl::Now() + reconnect_backoff_.Next();
    if (!closed_) ++stats_.reconnects;
  }
  outcomes_.Deliver();
  // Last, because Shutdown waits for it: afterwards this object may be gone.
  absl::MutexLock lock(&mutex_);
  stream_.reset();
  ScheduleTimer();
  ended_.SignalAll();
}

// --- Time ---

bool PublisherImpl::WantsStream() const {
  if (stream_ != nullptr || shutting_down_) return false;
  // Otherwise it is kept ready for what may come, unless the broker refused it.
  return !queue_.empty() || !open_.empty() || !(closed_ || refused_);
}

std::optional<absl::Time> PublisherImpl::NextEvent() const {
  absl::Time next = absl::InfiniteFuture();
  if (WantsStream()) next = reopen_at_;
  if (stream_open_) next = std::min(next, retry_at_);
  if (!stream_open_ || !queue_.may_send()) {
    if (const auto deadline = queue_.deadline()) {
      next = std::min(next, *deadline);
    } else if (queue_.empty() && !open_.empty()) {
      next = std::min(next, open_since_ + options_.retry_timeout);
    }
  } else if (!writing_ && !open_.empty()) {
    next = std::min(next, open_since_ + options_.linger);
  }
  if (next == absl::InfiniteFuture()) return std::nullopt;
  return next;
}

void PublisherImpl::ScheduleTimer() {
  if (in_timer_ || shutting_down_) return;
  const std::optional<absl::Time> next = NextEvent();
  if (!next || (timer_at_ && *timer_at_ <= *next)) return;
  if (timer_at_) {
    // It is set again when this has brought it back.
    timer_.Cancel();
  } else {
    timer_at_ = next;
    timer_.Set(*next);
  }
}

void PublisherImpl::OnTimer(bool) {
  std::optional<PendingWrite> write;
  {
    absl::MutexLock lock(&mutex_);
    timer_at_.reset();
    in_timer_ = true;
    const absl::Time now = absl::Now();
    if (retry_at_ <= now) {
      retry_at_ = absl::InfiniteFuture();
      queue_.Retry();
    }
    if (!stream_open_ || !queue_.may_send()) {
      if (!open_.empty() && open_since_ + options_.retry_timeout <= now) Seal();
      Settle(queue_.GiveUp(
          now, last_stream_error_.ok()
                   ? absl::UnavailableError("no connection to " + connection_->options().target)
                   : last_stream_error_));
      if (!queue_.retry_wait()) retry_at_ = absl::InfiniteFuture();
    }
    if (WantsStream() && reopen_at_ <= now) OpenStream();
    write = TakeWrite();
  }
  CarryOutAtOnce(std::move(write));
  outcomes_.Deliver();
  // Last, because Shutdown waits for it: afterwards this object may be gone.
  absl::MutexLock lock(&mutex_);
  in_timer_ = false;
  ScheduleTimer();
  ended_.SignalAll();
}

}  // namespace estiba::internal
