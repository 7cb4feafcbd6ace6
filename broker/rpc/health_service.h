#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/ops/health.h"
#include "broker/rpc/context.h"
#include "broker/rpc/unary.h"

namespace estiba {

// grpc.health.v1.Health.Check. Rules: github.com/grpc/grpc, doc/health-checking.md.
UnaryHandler::Function HealthCheck(RpcContext& context);

// grpc.health.v1.Health.Watch: the status now, and each change. Changes that come while one is
// being sent are run together.
class HealthWatch final : public CallHandler {
 public:
  HealthWatch(RpcContext& context, CallPtr call) : context_(context), call_(std::move(call)) {}

  void OnStart() override { call_->Read(); }
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool ok) override;
  void OnClosed(bool cancelled) override;
  void End(const absl::Status&) override {}

 private:
  void Changed(ServingStatus status);

  RpcContext& context_;
  const CallPtr call_;
  Health::Watch watch_;  // the call's thread

  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  ServingStatus sent_ ABSL_GUARDED_BY(mutex_) = ServingStatus::kServiceUnknown;
  ServingStatus latest_ ABSL_GUARDED_BY(mutex_) = ServingStatus::kServiceUnknown;
};

}  // namespace estiba
