// Answers for the gRPC server reflection protocol, from the descriptors that are linked in.
//
// grpc.reflection.v1 and v1alpha have the same encoding, so one answer serves both. Knows nothing
// of gRPC: rpc/ carries the encoded messages.
//
// Immutable after construction; any thread may call it.
#ifndef BROKER_OPS_REFLECTION_H_
#define BROKER_OPS_REFLECTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace grpc::reflection::v1 {
class ServerReflectionRequest;
class ServerReflectionResponse;
}  // namespace grpc::reflection::v1

namespace estiba {

class Reflection {
 public:
  // The full names of the services that the server has; listed in alphabetical order.
  explicit Reflection(std::vector<std::string> service_names);

  // The encoded answer to an encoded ServerReflectionRequest. INVALID_ARGUMENT, which ends the
  // call: not such a message, or larger than kLargestRequest. A question without an answer
  // (NOT_FOUND) is an answer: its error_response says so.
  absl::StatusOr<std::string> Answer(std::string_view encoded_request) const;

  // The same, decoded. Descriptors asked for come with every file they depend on.
  void Answer(const grpc::reflection::v1::ServerReflectionRequest& request,
              grpc::reflection::v1::ServerReflectionResponse* response) const;

  // A request is names, and comes back in the answer.
  static constexpr size_t kLargestRequest = 8192;

 private:
  std::vector<std::string> service_names_;
};

}  // namespace estiba

#endif  // BROKER_OPS_REFLECTION_H_
