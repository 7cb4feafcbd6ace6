#include "broker/rpc/subscribe_stream.h"

#include <utility>

#include "broker/engine/pattern.h"
#include "broker/rpc/delivery_frame.h"
#include "broker/rpc/pattern_frame.h"
#include "broker/rpc/reply.h"
#include "broker/rpc/status.h"
#include "broker/rpc/subscribe_request.h"
#include "broker/rpc/verdict_frame.h"

namespace estiba {
namespace {

absl::Status CheckTerminations(const ConsumerUpdate& update, const SubscriptionConfig& config) {
  if (update.terminations.empty() || config.dead_letter.max_attempts != 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "terminate: the subscription has no dead-letter topic for such messages");
}

}  // namespace

class SubscribeStream::Sink {
 public:
  Sink(AckMode ack_mode, bool answers) : mode(ack_mode), exactly_once(answers) {}
  virtual void Add() = 0;
  virtual void Remove() = 0;
  virtual void End(const absl::Status& status) = 0;
  virtual void Sent(bool ok) = 0;
  // INVALID_ARGUMENT: the request is not for this kind of subscription.
  virtual absl::Status Update(SubscribeRequestView request) = 0;

  const AckMode mode;
  const bool exactly_once;

 protected:
  virtual ~Sink() = default;
  // The count of references is the consumer's.
  virtual void AddRef() const = 0;
  virtual void Release() const = 0;

 private:
  friend void intrusive_ptr_add_ref(const Sink* sink) { sink->AddRef(); }
  friend void intrusive_ptr_release(const Sink* sink) { sink->Release(); }
};

class SubscribeStream::TopicSink final : public Sink, public Consumer {
 public:
  TopicSink(boost::intrusive_ptr<SubscribeStream> stream, SubscriptionPtr subscription,
            const ConsumerOptions& options)
      : Sink(options.ack_mode, subscription->config().exactly_once),
        Consumer(options),
        subscription_(std::move(subscription)),
        stream_(std::move(stream)) {}

  void Add() override { subscription_->Add(this); }
  void Remove() override { subscription_->Remove(this); }
  void End(const absl::Status& status) override { subscription_->Remove(this, status); }
  void Sent(bool ok) override { subscription_->Sent(this, ok); }
  absl::Status Update(SubscribeRequestView request) override {
    if (!request.topic_updates.empty()) {
      return absl::InvalidArgumentError("topic_updates: only for a subscription over a pattern");
    }
    if (absl::Status s = CheckTerminations(request.update, subscription_->config()); !s.ok()) {
      return s;
    }
    subscription_->Update(this, std::move(request.update));
    return absl::OkStatus();
  }

 protected:
  void SendStarted(const Started& started) override {
    stream_->activity_.SetNames(started.topic, started.subscription);
    stream_->Write(EncodeStarted(started));
  }
  void SendGap(const Gap& gap) override { stream_->Write(EncodeGap(gap)); }
  void SendDelivery(const Delivery& delivery) override {
    stream_->activity_.Count(delivery.messages(), delivery.bytes());
    stream_->Write(EncodeDelivery(delivery));
  }
  void SendVerdicts(const std::vector<Verdicts>& verdicts) override {
    stream_->WriteVerdicts(verdicts);
  }
  void OnEnd(const absl::Status& status) override { stream_->Finish(status); }
  void AddRef() const override { intrusive_ptr_add_ref(static_cast<const Consumer*>(this)); }
  void Release() const override { intrusive_ptr_release(static_cast<const Consumer*>(this)); }

 private:
  const SubscriptionPtr subscription_;
  const boost::intrusive_ptr<SubscribeStream> stream_;
};

class SubscribeStream::PatternSink final : public Sink, public PatternConsumer {
 public:
  PatternSink(boost::intrusive_ptr<SubscribeStream> stream, PatternSubscriptionPtr subscription,
              const ConsumerOptions& options)
      : Sink(options.ack_mode, subscription->config().exactly_once),
        PatternConsumer(options),
        subscription_(std::move(subscription)),
        stream_(std::move(stream)) {}

  void Add() override { subscription_->Add(this); }
  void Remove() override { subscription_->Remove(this); }
  void End(const absl::Status& status) override { subscription_->Remove(this, status); }
  void Sent(bool ok) override { subscription_->Sent(this, ok); }
  absl::Status Update(SubscribeRequestView request) override {
    const ConsumerUpdate& update = request.update;
    if (!update.acks.empty() || !update.nacks.empty() || !update.delayed_nacks.empty() ||
        !update.terminations.empty() || !update.extensions.empty()) {
      return absl::InvalidArgumentError(
          "ack: messages of a pattern belong to a topic each: use topic_updates");
    }
    for (const auto& [topic, settled] : request.topic_updates) {
      if (absl::Status s = CheckTerminations(settled, subscription_->config()); !s.ok()) return s;
    }
    subscription_->Update(this, std::move(request.topic_updates), update);
    return absl::OkStatus();
  }

 protected:
  void SendStarted(const Started& started) override {
    stream_->activity_.SetNames(started.topic, started.subscription);
    stream_->Write(EncodeStarted(started));
  }
  void SendTopicChanges(const std::vector<TopicChange>& changes) override {
    stream_->Write(EncodeTopicChanges(changes));
  }
  void SendGap(uint32_t topic, const Gap& gap) override {
    stream_->Write(WithTopic(topic, EncodeGap(gap)));
  }
  void SendDelivery(uint32_t topic, const Delivery& delivery) override {
    stream_->activity_.Count(delivery.messages(), delivery.bytes());
    stream_->Write(WithTopic(topic, EncodeDelivery(delivery)));
  }
  void SendVerdicts(const std::vector<Verdicts>& verdicts) override {
    stream_->WriteVerdicts(verdicts);
  }
  void OnEnd(const absl::Status& status) override { stream_->Finish(status); }
  void AddRef() const override { intrusive_ptr_add_ref(static_cast<const PatternConsumer*>(this)); }
  void Release() const override {
    intrusive_ptr_release(static_cast<const PatternConsumer*>(this));
  }

 private:
  const PatternSubscriptionPtr subscription_;
  const boost::intrusive_ptr<SubscribeStream> stream_;
};

SubscribeStream::SubscribeStream(RpcContext& context, CallPtr call)
    : context_(context), call_(std::move(call)) {}

SubscribeStream::~SubscribeStream() = default;

void SubscribeStream::OnStart() {
  absl::Status status =
      context_.draining.load(std::memory_order_relaxed)
          ? ShuttingDown()
          : context_.streams.TryAdd(DescribeStream(*call_, context_.clock.WallMillis()), this,
                                    &activity_, &id_);
  if (!status.ok()) return Finish(status);
  call_->Read();
}

void SubscribeStream::OnRead(grpc::ByteBuffer* message) {
  boost::intrusive_ptr<Sink> sink;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_ || output_ == Output::kFinishing || output_ == Output::kFinished) return;
    sink = sink_;
  }
  if (message == nullptr) {
    // Half-closed: a client that only listens. Gone: OnClosed follows.
    if (sink == nullptr) {
      Finish(absl::InvalidArgumentError("start: is required in the first request"));
    }
    return;
  }
  StreamReplies replies;
  if (absl::Status status = replies.Take(message); !status.ok()) return End(status);
  if (sink == nullptr) {
    if (absl::Status status = Start(message); !status.ok()) return Finish(status);
    replies.Deliver(context_.requests);
  } else {
    absl::StatusOr<SubscribeRequestView> request =
        ParseSubscribeRequest(message, /*first=*/false, sink->mode);
    if (!request.ok()) return End(request.status());
    replies.Deliver(context_.requests);
    const bool stop = request->stop;
    Expect(*sink, request->entries());
    if (absl::Status s = sink->Update(*std::move(request)); !s.ok()) return End(s);
    if (stop) return sink->End(absl::OkStatus());
  }
  ReadOn(sink.get());
}

void SubscribeStream::Expect(const Sink& sink, size_t entries) {
  if (!sink.exactly_once || entries == 0) return;
  absl::MutexLock lock(&mutex_);
  unanswered_ += entries;
}

void SubscribeStream::ReadOn(const Sink* sink) {
  if (sink == nullptr || sink->exactly_once) {
    absl::MutexLock lock(&mutex_);
    read_paused_ = unanswered_ >= kMostUnanswered;
    if (read_paused_) return;  // OnWritten goes on
  }
  call_->Read();
}

absl::Status SubscribeStream::Start(grpc::ByteBuffer* message) {
  absl::StatusOr<SubscribeRequestView> request =
      ParseSubscribeRequest(message, /*first=*/true, AckMode::kAuto);
  if (!request.ok()) return request.status();
  const SubscribeStart& start = request->start;
  if (context_.draining.load(std::memory_order_relaxed)) return ShuttingDown();
  absl::StatusOr<boost::intrusive_ptr<Sink>> made = MakeSink(start);
  if (!made.ok()) return made.status();
  const boost::intrusive_ptr<Sink> sink = *std::move(made);
  bool ended = false;
  {
    absl::MutexLock lock(&mutex_);
    ended = output_ != Output::kIdle;
    if (!ended) sink_ = sink;
  }
  if (ended) {
    // A private subscription ends with its last consumer, and so needs one that has been there.
    sink->Remove();
    sink->Add();
    return absl::OkStatus();
  }
  sink->Add();
  const bool stop = request->stop;
  Expect(*sink, request->entries());
  if (absl::Status status = sink->Update(*std::move(request)); !status.ok()) {
    sink->End(status);
  } else if (stop) {
    sink->End(absl::OkStatus());
  }
  return absl::OkStatus();
}

absl::StatusOr<boost::intrusive_ptr<SubscribeStream::Sink>> SubscribeStream::MakeSink(
    const SubscribeStart& start) {
  Broker& broker = context_.broker;
  // Before it makes what it cannot use.
  if (absl::Status s = CheckConsumer(start.config, start.options); !s.ok()) return s;
  // A topic has no wildcards; a name alone may be of either kind.
  if (HasWildcard(start.topic) ||
      (start.topic.empty() && broker.FindPattern(start.subscription) != nullptr)) {
    absl::StatusOr<PatternSubscriptionPtr> pattern =
        broker.UsePattern(start.subscription, start.topic, start.from, start.config);
    if (!pattern.ok()) return pattern.status();
    if (absl::Status s = CheckConsumer((*pattern)->config(), start.options); !s.ok()) return s;
    return boost::intrusive_ptr<Sink>(new PatternSink(this, *std::move(pattern), start.options));
  }
  absl::StatusOr<SubscriptionPtr> subscription =
      broker.UseSubscription(start.subscription, start.topic, start.from, start.config);
  if (!subscription.ok()) return subscription.status();
  if (absl::Status s = CheckConsumer((*subscription)->config(), start.options); !s.ok()) return s;
  return boost::intrusive_ptr<Sink>(new TopicSink(this, *std::move(subscription), start.options));
}

void SubscribeStream::Write(const grpc::ByteBuffer& message, size_t answers) {
  {
    absl::MutexLock lock(&mutex_);
    output_ = Output::kWriting;
    answering_ = answers;
  }
  call_->Write(message);
}

void SubscribeStream::WriteVerdicts(const std::vector<Verdicts>& verdicts) {
  size_t answers = 0;
  for (const Verdicts& of_update : verdicts) answers += of_update.entries;
  Write(EncodeVerdicts(verdicts), answers);
}

void SubscribeStream::OnWritten(bool ok) {
  boost::intrusive_ptr<Sink> sink;
  bool finish = false;
  bool read_on = false;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    sink = sink_;
    unanswered_ -= std::exchange(answering_, 0);
    read_on = ok && read_paused_ && unanswered_ < kMostUnanswered;
    if (read_on) read_paused_ = false;
    finish = output_ == Output::kFinishing;
    output_ = finish ? Output::kFinished : Output::kIdle;
    status = end_status_;
    if (finish) sink_ = nullptr;
  }
  if (finish) {
    call_->Finish(status);
  } else if (read_on) {
    call_->Read();
  }
  if (sink != nullptr) sink->Sent(ok);
}

void SubscribeStream::Finish(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (output_ == Output::kFinishing || output_ == Output::kFinished) return;
    if (output_ == Output::kWriting) {
      output_ = Output::kFinishing;
      end_status_ = status;
      return;
    }
    output_ = Output::kFinished;
    sink_ = nullptr;
  }
  call_->Finish(status);
}

void SubscribeStream::OnClosed(bool cancelled) {
  boost::intrusive_ptr<Sink> sink;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    sink = std::move(sink_);
    if (output_ == Output::kWriting) sink_ = sink;  // OnWritten still needs it
  }
  if (id_ != 0) context_.streams.Remove(id_);
  if (cancelled && sink != nullptr) sink->Remove();
}

void SubscribeStream::End(const absl::Status& status) {
  boost::intrusive_ptr<Sink> sink;
  {
    absl::MutexLock lock(&mutex_);
    sink = sink_;
  }
  // By way of the subscription's turn, so that nothing is sent after it.
  sink != nullptr ? sink->End(status) : Finish(status);
}

}  // namespace estiba
