#pragma once

#include "broker/engine/topic.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"

namespace estiba {

// Broker.PublishOnce: one batch, its answer as the call's response or status.
class PublishOnce final : public CallHandler {
 public:
  PublishOnce(RpcContext& context, CallPtr call);

  void OnStart() override;
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool) override {}
  void OnClosed(bool cancelled) override;
  void End(const absl::Status& status) override;

 private:
  class Batch;

  RpcContext& context_;
  const CallPtr call_;
  TopicPtr topic_;
  std::atomic<bool> abandoned_{false};
};

}  // namespace estiba
