// gRPC's and the broker's errors as absl::Status; the one place that knows how they map.
#ifndef ESTIBA_CLIENT_SRC_STATUS_H_
#define ESTIBA_CLIENT_SRC_STATUS_H_

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace estiba::internal {

// Codes have the same numbers; google.rpc.Status details become payloads under their type URLs.
absl::Status FromGrpc(const grpc::Status& status);

// A code and message as estiba.v1.Error has them; `retry_after` is kept for RetryAfter().
absl::Status MakeStatus(int code, std::string_view message,
                        std::optional<absl::Duration> retry_after = std::nullopt);

// From an encoded estiba.v1.Error.
absl::Status ParseError(std::string_view encoded);

// The connection or the broker went away, rather than the broker refusing what was asked: opening
// the stream again may help. The broker itself ends streams so with UNAVAILABLE only; the other
// codes come from gRPC when a connection is torn.
bool IsConnectionLoss(const absl::Status& status);

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_STATUS_H_
