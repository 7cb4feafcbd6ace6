#include "client/src/status.h"

#include <google/protobuf/duration.pb.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "client/src/duration_codec.h"
#include "client/src/wire.h"
#include "estiba/client.h"

namespace estiba {
namespace {

constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

}  // namespace

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryInfoUrl);
  if (!payload) return std::nullopt;
  const std::string encoded(*payload);
  internal::wire::Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == internal::wire::Tag(1, internal::wire::Type::kBytes)) {
      return internal::ParseDuration(reader.bytes());
    }
  }
  return std::nullopt;
}

namespace internal {

using wire::Reader;
using wire::Tag;
using wire::Type;

namespace {

// Debian builds abseil with a string_view of its own.
absl::string_view ToAbsl(std::string_view view) {
  return absl::string_view(view.data(), view.size());
}

// google.rpc.Status.details: each a google.protobuf.Any.
void AddDetails(std::string_view encoded, absl::Status& status) {
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() != Tag(3, Type::kBytes)) continue;
    std::string_view url;
    std::string_view value;
    Reader any(reader.bytes());
    while (any.Next()) {
      if (any.tag() == Tag(1, Type::kBytes)) url = any.bytes();
      if (any.tag() == Tag(2, Type::kBytes)) value = any.bytes();
    }
    if (any.ok() && !url.empty()) {
      status.SetPayload(ToAbsl(url), absl::Cord(ToAbsl(value)));
    }
  }
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (!status.error_details().empty()) AddDetails(status.error_details(), result);
  return result;
}

absl::Status MakeStatus(int code, std::string_view message,
                        std::optional<absl::Duration> retry_after) {
  absl::Status result(static_cast<absl::StatusCode>(code), ToAbsl(message));
  if (retry_after) {
    google::protobuf::Duration duration;
    ToProto(*retry_after, duration);
    const std::string value = duration.SerializeAsString();
    std::string info(wire::BytesFieldSize(value.size()), '\0');
    wire::WriteBytesField(info.data(), 1, value);
    result.SetPayload(kRetryInfoUrl, absl::Cord(info));
  }
  return result;
}

absl::Status ParseError(std::string_view encoded) {
  int code = static_cast<int>(absl::StatusCode::kUnknown);
  std::string_view message;
  std::optional<absl::Duration> retry_after;
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kVarint)) code = static_cast<int>(reader.number());
    if (reader.tag() == Tag(2, Type::kBytes)) message = reader.bytes();
    if (reader.tag() == Tag(3, Type::kBytes)) retry_after = ParseDuration(reader.bytes());
  }
  if (!reader.ok() || code == 0) return absl::InternalError("the broker's error is unreadable");
  return MakeStatus(code, message, retry_after);
}

bool IsConnectionLoss(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace internal
}  // namespace estiba
