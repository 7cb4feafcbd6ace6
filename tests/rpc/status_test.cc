#include "broker/rpc/status.h"

#include <grpcpp/support/status.h>

#include "estiba/status/status.pb.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("A status keeps its code and message") {
  CHECK(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    CHECK(static_cast<int>(status.error_code()) == code);
    CHECK(status.error_message() == "why");
    CHECK(status.error_details().empty());
  }
}

TEST_CASE("A time to retry after goes along as google.rpc.RetryInfo") {
  const grpc::Status status = ToGrpcStatus(absl::ResourceExhaustedError("full"), 1'250);
  // What grpc-status-details-bin carries.
  estiba::status::Status details;
  REQUIRE(details.ParseFromString(status.error_details()));
  CHECK(details.code() == 8);
  CHECK(details.message() == "full");
  REQUIRE(details.details_size() == 1);
  CHECK(details.details(0).type_url() == "type.googleapis.com/google.rpc.RetryInfo");
  estiba::status::RetryInfo retry;
  REQUIRE(retry.ParseFromString(details.details(0).value()));
  CHECK(retry.retry_delay().seconds() == 1);
  CHECK(retry.retry_delay().nanos() == 250'000'000);
}

TEST_CASE("Shutting down is UNAVAILABLE") {
  CHECK(ShuttingDown().code() == absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace estiba::testing
