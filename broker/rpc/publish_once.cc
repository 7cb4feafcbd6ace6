#include "broker/rpc/publish_once.h"

#include <string>
#include <utility>

#include "broker/base/wire_writer.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/publish_request.h"
#include "broker/rpc/status.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1.PublishOnceResponse.
enum Field : uint32_t { kFirstSequence = 1, kCount = 2, kScheduled = 3, kDuplicate = 4 };

}  // namespace

class PublishOnce::Batch final : public PublishCommand {
 public:
  Batch(boost::intrusive_ptr<PublishOnce> handler, grpc::ByteBuffer* message)
      : handler_(std::move(handler)), bytes_(message) {
    well_formed_ = bytes_.ok() && ParsePublishRequest(bytes_.view(), &request_);
    records = request_.records.data();
    bytes = static_cast<uint32_t>(request_.records.size());
    count = request_.count;
    scheduled = request_.scheduled;
    expires = request_.expires;
    producer_ = request_.producer;
    producer = producer_.empty() ? nullptr : &producer_;
    dedup_id = request_.dedup_id;
    abandoned = &handler_->abandoned_;
  }

  absl::Status Check() const {
    if (!well_formed_) {
      return absl::InvalidArgumentError("request: not a well-formed estiba.v1.PublishOnceRequest");
    }
    if (request_.refusal.ok() && !producer_.empty() && request_.dedup_id.empty()) {
      return absl::InvalidArgumentError("producer: only together with dedup_id");
    }
    return request_.refusal;
  }
  std::string_view topic() const { return request_.topic; }

  void Done() override {
    Call& call = *handler_->call_;
    if (result.status.ok()) {
      std::string response;
      WireWriter writer(response);
      writer.Varint(kFirstSequence, result.first_sequence);
      writer.Varint(kCount, result.count);
      if (result.scheduled != 0) writer.Varint(kScheduled, result.scheduled);
      if (result.duplicate) writer.Varint(kDuplicate, 1);
      call.WriteAndFinish(ToBuffer(response));
    } else {
      call.Finish(result.status, result.retry_after_ms);
    }
    delete this;
  }

 private:
  const boost::intrusive_ptr<PublishOnce> handler_;
  ReceivedBytes bytes_;
  PublishRequestView request_;
  std::string producer_;
  bool well_formed_ = false;
};

PublishOnce::PublishOnce(RpcContext& context, CallPtr call)
    : context_(context), call_(std::move(call)) {}

void PublishOnce::OnStart() { call_->Read(); }

void PublishOnce::OnRead(grpc::ByteBuffer* message) {
  if (message == nullptr) return call_->Finish(absl::InvalidArgumentError("no request"));
  auto* batch = new Batch(this, message);
  const auto refuse = [&](absl::Status status) {
    batch->result.status = std::move(status);
    batch->Done();
  };
  if (context_.draining.load(std::memory_order_relaxed)) return refuse(ShuttingDown());
  if (absl::Status status = batch->Check(); !status.ok()) return refuse(std::move(status));
  absl::StatusOr<TopicPtr> topic = context_.broker.UseTopic(batch->topic());
  if (!topic.ok()) return refuse(topic.status());
  topic_ = *std::move(topic);
  topic_->Publish(batch);
}

void PublishOnce::OnClosed(bool cancelled) {
  if (cancelled) End(absl::CancelledError("the client went away"));
}

void PublishOnce::End(const absl::Status&) {
  // Still waiting for room: then the batch is answered, not taken.
  abandoned_.store(true, std::memory_order_relaxed);
  if (topic_ != nullptr) topic_->DropAbandoned();
}

}  // namespace estiba
