#include "broker/rpc/subscribe_stream.h"

#include <utility>

#include "broker/rpc/delivery_frame.h"
#include "broker/rpc/reply.h"
#include "broker/rpc/status.h"
#include "broker/rpc/subscribe_request.h"

namespace estiba {

class SubscribeStream::Sink final : public Consumer {
 public:
  Sink(boost::intrusive_ptr<SubscribeStream> stream, SubscriptionPtr subscription,
       const ConsumerOptions& options)
      : Consumer(options),
        mode(options.ack_mode),
        subscription_(std::move(subscription)),
        stream_(std::move(stream)) {}

  void Add() { subscription_->Add(this); }
  void Remove() { subscription_->Remove(this); }
  void End(const absl::Status& status) { subscription_->Remove(this, status); }
  void Sent(bool ok) { subscription_->Sent(this, ok); }
  void Update(ConsumerUpdate update) { subscription_->Update(this, std::move(update)); }

  const AckMode mode;

 protected:
  void SendStarted(const Started& started) override {
    stream_->activity_.SetNames(started.topic, started.subscription);
    stream_->Write(EncodeStarted(started));
  }
  void SendGap(const Gap& gap) override { stream_->Write(EncodeGap(gap)); }
  void SendDelivery(const Delivery& delivery) override {
    stream_->activity_.Count(delivery.run.count, delivery.run.bytes);
    stream_->Write(EncodeDelivery(delivery));
  }
  void OnEnd(const absl::Status& status) override { stream_->Finish(status); }

 private:
  const SubscriptionPtr subscription_;
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
    sink->Update(std::move(request->update));
    if (request->stop) return sink->End(absl::OkStatus());
  }
  call_->Read();
}

absl::Status SubscribeStream::Start(grpc::ByteBuffer* message) {
  absl::StatusOr<SubscribeRequestView> request =
      ParseSubscribeRequest(message, /*first=*/true, AckMode::kAuto);
  if (!request.ok()) return request.status();
  const SubscribeStart& start = request->start;
  if (context_.draining.load(std::memory_order_relaxed)) return ShuttingDown();
  absl::StatusOr<SubscriptionPtr> subscription =
      context_.broker.UseSubscription(start.subscription, start.topic, start.from);
  if (!subscription.ok()) return subscription.status();
  boost::intrusive_ptr<Sink> sink(new Sink(this, *std::move(subscription), start.options));
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
  sink->Update(std::move(request->update));
  if (request->stop) sink->End(absl::OkStatus());
  return absl::OkStatus();
}

void SubscribeStream::Write(const grpc::ByteBuffer& message) {
  {
    absl::MutexLock lock(&mutex_);
    output_ = Output::kWriting;
  }
  call_->Write(message);
}

void SubscribeStream::OnWritten(bool ok) {
  boost::intrusive_ptr<Sink> sink;
  bool finish = false;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    sink = sink_;
    finish = output_ == Output::kFinishing;
    output_ = finish ? Output::kFinished : Output::kIdle;
    status = end_status_;
    if (finish) sink_ = nullptr;
  }
  if (finish) call_->Finish(status);
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
