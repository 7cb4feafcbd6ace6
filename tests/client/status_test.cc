#include "client/src/status.h"

#include <grpcpp/support/status.h>

#include "absl/strings/str_cat.h"
#include "estiba/client.h"
#include "estiba/v1/message.pb.h"
#include "tests/support/catch.h"

namespace estiba::internal {
namespace {

TEST_CASE("Every gRPC code becomes the absl code of the same name, with its text") {
  REQUIRE(FromGrpc(grpc::Status::OK).ok());
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status =
        FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(code), "what happened"));
    REQUIRE(static_cast<int>(status.code()) == code);
    REQUIRE(status.message() == "what happened");
  }
}

TEST_CASE("RetryInfo in the details of a status is what RetryAfter returns") {
  // google.rpc.Status { code: 8, details: [Any { RetryInfo { retry_delay: 2.5 s } }] }, by hand.
  const auto field = [](const char* tag, const std::string& bytes) {
    return absl::StrCat(tag, std::string(1, static_cast<char>(bytes.size())), bytes);
  };
  const std::string info = field("\x0a", absl::StrCat("\x08\x02\x10", "\x80\xca\xb5\xee\x01"));
  const std::string any =
      absl::StrCat(field("\x0a", "type.googleapis.com/google.rpc.RetryInfo"), field("\x12", info));
  const std::string details = absl::StrCat("\x08\x08", field("\x1a", any));
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full", details));
  REQUIRE(RetryAfter(status) == absl::Milliseconds(2500));
}

TEST_CASE("A status without RetryInfo has no time to retry after") {
  REQUIRE_FALSE(RetryAfter(absl::OkStatus()));
  REQUIRE_FALSE(RetryAfter(absl::ResourceExhaustedError("full")));
  REQUIRE_FALSE(
      RetryAfter(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "odd", "\xff not protobuf"))));
}

TEST_CASE("A broker's error that is unreadable is an internal error, not success") {
  REQUIRE(absl::IsInternal(ParseError("\x08")));
  v1::Error nothing;
  nothing.set_code(0);
  REQUIRE_FALSE(ParseError(nothing.SerializeAsString()).ok());
}

TEST_CASE("Only what a torn connection leads to counts as connection loss") {
  REQUIRE(IsConnectionLoss(absl::UnavailableError("shutting down")));
  REQUIRE(IsConnectionLoss(absl::CancelledError("reset")));
  REQUIRE_FALSE(IsConnectionLoss(absl::OkStatus()));
  REQUIRE_FALSE(IsConnectionLoss(absl::AbortedError("topic deleted")));
  REQUIRE_FALSE(IsConnectionLoss(absl::NotFoundError("no such topic")));
  REQUIRE_FALSE(IsConnectionLoss(absl::InvalidArgumentError("topic: \"\"")));
}

}  // namespace
}  // namespace estiba::internal
