#pragma once

#include "broker/rpc/call.h"
#include "broker/rpc/context.h"

namespace estiba {

// grpc.reflection.v1(alpha).ServerReflection.ServerReflectionInfo: question, answer, question, ...
class ReflectionStream final : public CallHandler {
 public:
  ReflectionStream(RpcContext& context, CallPtr call) : context_(context), call_(std::move(call)) {}

  void OnStart() override { call_->Read(); }
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool ok) override {
    if (ok) call_->Read();
  }
  void OnClosed(bool) override {}
  void End(const absl::Status&) override {}

 private:
  RpcContext& context_;
  const CallPtr call_;
};

}  // namespace estiba
