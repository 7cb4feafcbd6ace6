#include "broker/rpc/status.h"

#include <grpcpp/support/status.h>

#include <string>

#include "estiba/status/status.pb.h"

namespace estiba {

grpc::Status ToGrpcStatus(const absl::Status& status, int64_t retry_after_ms) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string message(status.message());
  if (retry_after_ms <= 0) return grpc::Status(code, message);
  estiba::status::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(retry_after_ms / 1000);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(retry_after_ms % 1000 * 1'000'000));
  estiba::status::Status details;
  details.set_code(static_cast<int32_t>(status.code()));
  details.set_message(message);
  google::protobuf::Any* any = details.add_details();
  any->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  any->set_value(retry.SerializeAsString());
  return grpc::Status(code, message, details.SerializeAsString());
}

absl::Status ShuttingDown() {
  return absl::UnavailableError("the broker is shutting down; reconnect with back-off");
}

}  // namespace estiba
