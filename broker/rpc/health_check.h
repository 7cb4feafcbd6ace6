#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/ops/health.h"

namespace estiba {

// Asks the broker at `server` ("HOST:PORT") for the health of `service`, once, by grpc.health.v1.
// Blocks until the answer is there, or there can be none, or the timeout has passed: then an error
// that says why. A service that the broker does not know is kServiceUnknown.
absl::StatusOr<ServingStatus> AskHealth(const std::string& server, const std::string& service,
                                        absl::Duration timeout);

}  // namespace estiba
