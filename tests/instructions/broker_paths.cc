// The broker's main paths, from the bytes of a request to those of its answer and of the consumers'
// frames, without gRPC's own work.
#include <string>
#include <vector>

#include "broker/base/wire_writer.h"
#include "broker/engine/broker.h"
#include "broker/engine/filter.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/delivery_frame.h"
#include "broker/rpc/publish_answer.h"
#include "broker/rpc/publish_request.h"
#include "tests/instructions/paths.h"
#include "tests/support/inline_engine.h"

namespace estiba::testing {
namespace {

// A request of so many messages.
std::string MakeRequest(uint32_t batch) {
  std::string request("\x18\x01");  // batch: 1
  std::string message;
  WireWriter(message).Bytes(1, std::string(kPayloadBytes, 'x'));
  for (uint32_t i = 0; i < batch; ++i) WireWriter(request).Bytes(2, message);
  return request;
}

// One request on its way.
class Request final : public PublishCommand {
 public:
  void Publish(Topic& topic, grpc::ByteBuffer buffer) {
    bytes_ = ReceivedBytes(&buffer);
    request_ = {};
    Require(ParsePublishRequest(bytes_.view(), &request_) && request_.refusal.ok(), "a request");
    batch = request_.batch;
    records = request_.records.data();
    bytes = static_cast<uint32_t>(request_.records.size());
    count = request_.count;
    result = {};
    topic.Publish(this);
    Require(answered_, "an answer");
    answered_ = false;
    response_.clear();
  }
  void Done() override {
    Require(result.status.ok(), "a batch that is taken");
    AppendResult(batch, result, &response_);
    answered_ = true;
  }

 private:
  ReceivedBytes bytes_;
  PublishRequestView request_;
  std::string response_;
  bool answered_ = false;
};

// A stream's side of a delivery: the frame is encoded, and acked whole where that is asked for.
class Receiver final : public Consumer {
 public:
  Receiver(SubscriptionPtr subscription, AckMode mode)
      : Consumer({mode, 0, {}}), subscription_(std::move(subscription)) {
    subscription_->Add(this);
  }
  void Leave() { subscription_->Remove(this); }
  uint64_t received() const { return received_; }

 private:
  void SendStarted(const Started&) override { subscription_->Sent(this, true); }
  void SendGap(const Gap&) override { subscription_->Sent(this, true); }
  void SendVerdicts(const std::vector<Verdicts>&) override { subscription_->Sent(this, true); }
  void SendDelivery(const Delivery& delivery) override {
    received_ += delivery.messages();
    const grpc::ByteBuffer frame = EncodeDelivery(delivery);
    Require(frame.Length() > delivery.bytes(), "a frame");
    subscription_->Sent(this, true);
    if (options().ack_mode != AckMode::kExplicit) return;
    ConsumerUpdate update;
    update.acks.push_back({delivery.first(), delivery.first() + delivery.messages() - 1});
    subscription_->Update(this, std::move(update));
  }
  void OnEnd(const absl::Status&) override {}

  const SubscriptionPtr subscription_;
  uint64_t received_ = 0;
};

struct Shape {
  uint32_t batch = kBatch;
  int consumers = 1;
  AckMode ack_mode = AckMode::kAuto;
  std::string filter = {};
};

// From the client's publish to the frames of its consumers.
void Deliver(uint32_t messages, const Shape& shape) {
  InlineEngine engine;
  const TopicPtr topic = engine.broker.UseTopic("prices.tea").value();
  std::vector<boost::intrusive_ptr<Receiver>> receivers;
  for (int i = 0; i < shape.consumers; ++i) {
    SubscriptionConfig config;
    if (!shape.filter.empty()) config.filter = Filter::Compile(shape.filter).value();
    const std::string name =
        shape.ack_mode == AckMode::kExplicit || !shape.filter.empty() ? "desk" : "";
    receivers.emplace_back(new Receiver(
        engine.broker.UseSubscription(name, "prices.tea", {}, config).value(), shape.ack_mode));
  }
  engine.executor.Drain();
  const std::string bytes = MakeRequest(shape.batch);
  const grpc::Slice slice(bytes.data(), bytes.size());
  Request request;
  for (uint32_t sent = 0; sent < messages; sent += shape.batch) {
    request.Publish(*topic, grpc::ByteBuffer(&slice, 1));
  }
  for (const auto& receiver : receivers) {
    Require(receiver->received() == (shape.filter.empty() ? messages : 0), "every message");
    receiver->Leave();
  }
}

Paths BrokerPaths() {
  return {
      {"batches", [](uint32_t n) { Deliver(n, {}); }},
      {"single-messages", [](uint32_t n) { Deliver(n, {.batch = 1}); }},
      {"fan-out-8", [](uint32_t n) { Deliver(n, {.consumers = 8}); }},
      {"acked", [](uint32_t n) { Deliver(n, {.ack_mode = AckMode::kExplicit}); }},
      {"single-messages-acked",
       [](uint32_t n) { Deliver(n, {.batch = 1, .ack_mode = AckMode::kExplicit}); }},
      {"filtered", [](uint32_t n) { Deliver(n, {.filter = "attributes:kind"}); }},
  };
}

}  // namespace
}  // namespace estiba::testing

int main(int argc, char** argv) {
  return estiba::testing::RunPath(estiba::testing::BrokerPaths(), argc, argv);
}
