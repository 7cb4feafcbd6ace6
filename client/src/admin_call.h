// One call of the Admin service.
#ifndef ESTIBA_CLIENT_SRC_ADMIN_CALL_H_
#define ESTIBA_CLIENT_SRC_ADMIN_CALL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/src/connection.h"

namespace estiba::internal {

// Blocks until it is answered, with a `Response`, or the timeout has passed. Any thread.
template <typename Response>
absl::StatusOr<Response> Call(Connection& connection, const std::string& name,
                              const google::protobuf::MessageLite& request,
                              absl::Duration timeout) {
  Response response;
  absl::Status status =
      connection.Unary("/estiba.v1.Admin/" + name, request, response, absl::Now() + timeout);
  if (!status.ok()) return status;
  return response;
}

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_ADMIN_CALL_H_
