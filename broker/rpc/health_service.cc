#include "broker/rpc/health_service.h"

#include "absl/strings/str_cat.h"
#include "broker/rpc/bytes.h"
#include "grpc/health/v1/health.pb.h"

namespace estiba {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

grpc::ByteBuffer Encode(ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(static_cast<HealthCheckResponse::ServingStatus>(status));
  return ToBuffer(response.SerializeAsString());
}

}  // namespace

UnaryHandler::Function HealthCheck(RpcContext& context) {
  return OnMessages<HealthCheckRequest, HealthCheckResponse>(
      [&context](const HealthCheckRequest& request, HealthCheckResponse* response) {
        const std::optional<bool> serving = context.health.Check(request.service());
        if (!serving.has_value()) {
          return absl::NotFoundError(
              absl::StrCat("service: \"", request.service().substr(0, 64), "\" is not known"));
        }
        response->set_status(*serving ? HealthCheckResponse::SERVING
                                      : HealthCheckResponse::NOT_SERVING);
        return absl::OkStatus();
      });
}

void HealthWatch::OnRead(grpc::ByteBuffer* message) {
  if (message == nullptr) return call_->Finish(absl::InvalidArgumentError("no request"));
  const ReceivedBytes bytes(message);
  HealthCheckRequest request;
  if (!bytes.ok() ||
      !request.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.view().size()))) {
    return call_->Finish(absl::InvalidArgumentError("request: not a well-formed request"));
  }
  // The first callback comes before AddWatch returns, and makes the first write.
  watch_ = context_.health.AddWatch(request.service(),
                                    [this](ServingStatus status) { Changed(status); });
}

void HealthWatch::Changed(ServingStatus status) {
  absl::MutexLock lock(&mutex_);
  latest_ = status;
  if (writing_ || closed_) return;
  writing_ = true;
  sent_ = status;
  call_->Write(Encode(status));
}

void HealthWatch::OnWritten(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok || closed_ || latest_ == sent_) return;
  writing_ = true;
  sent_ = latest_;
  call_->Write(Encode(sent_));
}

void HealthWatch::OnClosed(bool) {
  watch_ = Health::Watch();
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

}  // namespace estiba
