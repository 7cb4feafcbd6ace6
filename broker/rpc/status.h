#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace estiba {

// The same code and message; with retry_after_ms > 0 also a google.rpc.RetryInfo in the details.
grpc::Status ToGrpcStatus(const absl::Status& status, int64_t retry_after_ms = 0);

// What publishers and consumers are told when the broker shuts down.
absl::Status ShuttingDown();

}  // namespace estiba
