#pragma once

#include <cstdint>
#include <string>

#include "broker/rpc/call.h"
#include "broker/rpc/context.h"

namespace estiba {

// Admin.Stats: the broker's figures, once or at an interval.
class StatsStream final : public CallHandler {
 public:
  StatsStream(RpcContext& context, CallPtr call) : context_(context), call_(std::move(call)) {}

  void OnStart() override { call_->Read(); }
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool ok) override;
  void OnWake() override { Send(); }
  void OnClosed(bool) override {}
  void End(const absl::Status&) override {}

 private:
  void Send();

  RpcContext& context_;
  const CallPtr call_;
  int64_t interval_ms_ = 0;
  bool topics_ = false;
  std::string topic_;
};

}  // namespace estiba
