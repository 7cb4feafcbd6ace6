#include "client/src/subscriber_impl.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/admin_codec.h"
#include "client/src/duration_codec.h"
#include "client/src/status.h"
#include "estiba/v1/broker.pb.h"

namespace estiba::internal {
namespace {

constexpr char kSubscribeMethod[] = "/estiba.v1.Broker/Subscribe";
// How long Stop waits for the stream to end in order.
constexpr absl::Duration kStopPatience = absl::Seconds(2);

}  // namespace

SubscriberImpl::SubscriberImpl(std::shared_ptr<Connection> connection, SubscriberOptions options)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      credit_(options_.credit),
      backoff_(connection_->options().min_backoff, connection_->options().max_backoff),
      timer_(*connection_, [this](bool) { OnTimer(); }) {}

SubscriberImpl::~SubscriberImpl() {
  RequireForeignThread(*connection_, "an estiba::Subscriber");
  Stop();
}

absl::Status SubscriberImpl::Start(Subscriber::MessageCallback on_message,
                                   Subscriber::FrameCallback on_frame) {
  absl::MutexLock lock(&mutex_);
  if (state_ != State::kIdle) return absl::FailedPreconditionError("started before");
  if (on_message) mode_ = Mode::kMessages;
  if (on_frame) mode_ = Mode::kFrames;
  on_message_ = std::move(on_message);
  on_frame_ = std::move(on_frame);
  state_ = State::kRunning;
  OpenStream();
  return absl::OkStatus();
}

// --- The stream ---

void SubscriberImpl::OpenStream() {
  const bool wait = options_.reconnect && failed_before_;
  stream_ = Stream::Open(*connection_, Lane::kDeliveries, kSubscribeMethod, *this,
                         wait ? Stream::Unreachable::kWait : Stream::Unreachable::kFail);
}

std::string SubscriberImpl::StartRequest() const {
  v1::SubscribeRequest request;
  v1::Start& start = *request.mutable_start();
  start.set_topic(options_.topic);
  start.set_subscription(options_.subscription);
  ToProto(options_.from, *start.mutable_from());
  // A private subscription that broke off goes on where it was.
  if (options_.subscription.empty() && resume_time_ms_ > 0) {
    ToProto(StartFrom::Time(absl::FromUnixMillis(resume_time_ms_)), *start.mutable_from());
  } else if (options_.subscription.empty() && resume_sequence_ > 0) {
    start.mutable_from()->set_sequence(resume_sequence_);
  }
  start.set_incarnation(incarnation_);
  if (explicit_acks()) start.set_ack_mode(v1::ACK_MODE_EXPLICIT);
  if (options_.ack_deadline != absl::ZeroDuration()) {
    ToProto(options_.ack_deadline, *start.mutable_ack_deadline());
  }
  ToProto(options_.config, *start.mutable_config());
  if (credit_.max_messages > 0 || credit_.max_bytes > 0) {
    start.mutable_credit()->set_max_messages(credit_.max_messages);
    start.mutable_credit()->set_max_bytes(credit_.max_bytes);
  }
  return request.SerializeAsString();
}

void SubscriberImpl::OnOpen() {
  std::shared_ptr<Stream> stream;
  grpc::Slice request;
  {
    absl::MutexLock lock(&mutex_);
    stream = stream_;
    stream_open_ = writing_ = true;
    stream_started_ = reading_paused_ = false;
    // What was said meanwhile is of messages that the last stream held; see OnEnd.
    if (confirms_ == Confirms::kYes)
      outbox_.OnStreamEnd(/*keep_acks=*/false, /*keep_replies=*/true);
    confirms_ = Confirms::kUnknown;
    request = grpc::Slice(StartRequest());
  }
  stream->Write(grpc::ByteBuffer(&request, 1));
  stream->Read();
}

void SubscriberImpl::OnWritten() {
  mutex_.Lock();
  writing_ = false;
  SendNextAndUnlock();
}

void SubscriberImpl::SendNextAndUnlock() {
  std::shared_ptr<Stream> stream;
  grpc::Slice request;
  bool read = false;
  const bool may_send = stream_open_ && !writing_ && (stream_started_ || !outbox_.settles());
  if (may_send && !outbox_.empty()) {
    uint64_t acked = 0;
    std::vector<Asked> asked;
    const bool answered = confirms_ != Confirms::kNo;
    request = grpc::Slice(outbox_.Take(acked, answered ? &asked : nullptr));
    stats_.acked_messages += acked;
    writing_ = true;
    stream = stream_;
    confirmations_.Expect(std::move(asked));
    // The answer comes behind deliveries: who waits for it must not stop reading.
    read = !confirmations_.empty() && std::exchange(reading_paused_, false);
  } else if (!writing_) {
    changed_.SignalAll();
  }
  mutex_.Unlock();
  if (stream) stream->Write(grpc::ByteBuffer(&request, 1));
  if (read) stream->Read();
}

void SubscriberImpl::OnRead(grpc::ByteBuffer& message) {
  std::shared_ptr<Stream> stream;
  uint32_t epoch = 0;
  bool expected = false;
  {
    absl::MutexLock lock(&mutex_);
    stream = stream_;
    epoch = epoch_;
    expected = !stream_started_ || !confirmations_.empty();
  }
  if (discard_.load(std::memory_order_relaxed)) {
    FrameBuffer rest;
    if (expected && rest.Parse(message)) TakeRest(rest);
    stream->Read();  // on to the end
    return;
  }
  // What was pulled is kept by its reader, so a queue needs a new one for each frame.
  if (mode_ == Mode::kPull || !frame_) frame_ = std::make_shared<FrameBuffer>();
  // (Another thread may read the next one while this is dispatched: the puller has it read on.)
  const std::shared_ptr<FrameBuffer> frame = frame_;
  const bool sound = frame->Parse(message, epoch) && Place(*frame);
  message.Clear();
  if (!sound) {
    stream->Cancel();
  } else if (Dispatch(frame)) {
    stream->Read();
  }
}

void SubscriberImpl::OnEnd(const absl::Status& status) {
  bool again = false;
  Confirmations::Decided unconfirmed;
  {
    absl::MutexLock lock(&mutex_);
    stream_open_ = writing_ = false;
    again = state_ == State::kRunning && options_.reconnect && IsConnectionLoss(status);
    const bool named = !options_.subscription.empty();
    const absl::Status unknown = absl::UnavailableError(
        absl::StrCat("the stream ended before the ack was confirmed; the message may come again (",
                     status.ToString(), ")"));
    confirmations_.Fail(unknown, unconfirmed);
    // What an exactly-once consumer held, the next stream cannot ack.
    const bool keep_acks = again && named && confirms_ != Confirms::kYes;
    for (const ConfirmedAck& ack : outbox_.OnStreamEnd(keep_acks, /*keep_replies=*/again)) {
      if (ack.confirmation->Abandon()) unconfirmed.emplace_back(ack.confirmation, unknown);
    }
    // What an explicitly acking consumer of a shared subscription held goes to others now.
    if (again && named && explicit_acks()) queue_.Clear();
    used_messages_ = used_bytes_ = 0;
    failed_before_ = true;
  }
  Confirmations::Tell(std::move(unconfirmed));
  if (again && options_.on_disconnect) options_.on_disconnect(status);
  // Last, because Stop waits for it: afterwards this object may be gone.
  absl::MutexLock lock(&mutex_);
  stream_.reset();
  if (state_ == State::kStopping) {
    if (timer_set_) {
      timer_.Cancel();  // and it ends there
    } else {
      End(absl::OkStatus());
    }
  } else if (again) {
    ++stats_.reconnects;
    timer_set_ = true;
    timer_.Set(absl::Now() + backoff_.Next());
  } else {
    End(status);
  }
}

void SubscriberImpl::OnTimer() {
  absl::MutexLock lock(&mutex_);
  timer_set_ = false;
  if (state_ == State::kRunning) {
    OpenStream();
  } else if (stream_ != nullptr) {
    stream_->Cancel();  // it did not end in time
  } else {
    End(absl::OkStatus());
  }
}

void SubscriberImpl::End(absl::Status status) {
  state_ = State::kEnded;
  final_status_ = std::move(status);
  arrived_.SignalAll();
  changed_.SignalAll();
}

// --- The way out ---

void SubscriberImpl::AckWithReply(const MessageId& request, std::string reply) {
  mutex_.Lock();
  if (state_ == State::kRunning) {
    if (!reply.empty()) outbox_.Reply(std::move(reply));
    if (InHand(request, 1)) outbox_.Of(request.topic_).Ack({request.sequence_, request.sequence_});
  }
  SendNextAndUnlock();
}

void SubscriberImpl::AckConfirmed(const MessageId& of, std::vector<SequenceRange> ranges,
                                  Subscriber::AckCallback done) {
  uint64_t messages = 0;
  for (const SequenceRange& range : ranges) messages += range.last - range.first + 1;
  absl::Status undone;
  mutex_.Lock();
  if (!explicit_acks()) {
    undone = absl::FailedPreconditionError("acks need AckMode::kExplicit");
  } else if (messages == 0) {
    undone = absl::InvalidArgumentError("there is no message to ack");
  } else if (state_ != State::kRunning) {
    undone = absl::CancelledError("the subscriber has ended, or not begun");
  } else if (!InHand(of, messages)) {
    undone = absl::FailedPreconditionError(
        absl::StrCat("message ", of.sequence(),
                     " is gone: since it came the broker was restarted, or its topic or "
                     "subscription made anew; its ack was not sent, as its number is another's"));
  } else if (!stream_open_ || confirms_ == Confirms::kUnknown) {
    undone = absl::UnavailableError("the stream that brought the message is gone; it comes again");
  } else if (confirms_ == Confirms::kNo) {
    for (const SequenceRange& range : ranges) outbox_.Of(of.topic_).Ack(range);
    undone = absl::FailedPreconditionError(
        "the subscription is not exactly-once: it confirms no acks. (The ack is on its way.)");
  } else {
    const auto confirmation = std::make_shared<Confirmation>(messages, std::move(done));
    for (const SequenceRange& range : ranges) outbox_.Of(of.topic_).Ack(range, confirmation);
  }
  SendNextAndUnlock();
  if (!undone.ok()) done(std::move(undone));
}

void SubscriberImpl::SetCredit(Credit credit) {
  mutex_.Lock();
  if (credit.max_messages > 0) credit_.max_messages = credit.max_messages;
  if (credit.max_bytes > 0) credit_.max_bytes = credit.max_bytes;
  if (stream_open_) outbox_.SetCredit(credit_);
  SendNextAndUnlock();
}

absl::Status SubscriberImpl::FlushAcks(absl::Time deadline) {
  if (connection_->OnOwnThread()) {
    return absl::FailedPreconditionError("FlushAcks would wait for the thread it is called on");
  }
  absl::MutexLock lock(&mutex_);
  while (state_ == State::kRunning && !(outbox_.empty() && !writing_)) {
    if (changed_.WaitWithDeadline(&mutex_, deadline)) {
      return absl::DeadlineExceededError("acks are not written yet");
    }
  }
  return state_ == State::kEnded ? final_status_ : absl::OkStatus();
}

void SubscriberImpl::Stop() {
  const bool may_wait = !connection_->OnOwnThread();
  const bool named = !options_.subscription.empty();
  mutex_.Lock();
  if (state_ == State::kIdle) End(absl::OkStatus());
  std::shared_ptr<Stream> cancel;
  std::shared_ptr<Stream> read;
  if (state_ == State::kRunning) {
    state_ = State::kStopping;
    // What is on its way to a named subscription with automatic acks counts as consumed, so it is
    // still handed on; with explicit acks it goes to others, and of a private one nothing is left.
    discard_.store(!(named && !explicit_acks() && may_wait), std::memory_order_relaxed);
    if (explicit_acks()) queue_.Clear();
    if (timer_set_) {
      timer_.Cancel();
    } else if (stream_open_ && (named || explicit_acks())) {
      outbox_.Stop();
      timer_set_ = true;
      timer_.Set(absl::Now() + kStopPatience);
      if (std::exchange(reading_paused_, false)) read = stream_;
    } else {
      cancel = stream_;
    }
  }
  SendNextAndUnlock();
  if (read) read->Read();
  if (cancel) cancel->Cancel();
  if (!may_wait) return;
  absl::MutexLock lock(&mutex_);
  while (state_ != State::kEnded) changed_.Wait(&mutex_);
}

absl::Status SubscriberImpl::Wait(absl::Time deadline) {
  if (connection_->OnOwnThread()) {
    return absl::FailedPreconditionError("Wait would wait for the thread it is called on");
  }
  absl::MutexLock lock(&mutex_);
  while (state_ != State::kEnded) {
    if (changed_.WaitWithDeadline(&mutex_, deadline)) {
      return absl::DeadlineExceededError("the stream has not ended");
    }
  }
  return final_status_;
}

SubscriberStats SubscriberImpl::Stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace estiba::internal
