#include "estiba/client.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <string_view>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "client/src/connection.h"
#include "client/src/wire.h"

namespace estiba {

using internal::Connection;
using internal::wire::Reader;
using internal::wire::Tag;
using internal::wire::Type;

Client::Client(ClientOptions options) {
  // Debian's abseil checks the order of locks, and aborts where it sees a cycle; but code that is
  // compiled with NDEBUG does not tell it when a mutex is gone, so the next at that address may
  // look like one.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  connection_ = std::make_shared<Connection>(std::move(options));
}

Client::~Client() = default;

absl::Status Client::WaitReady(absl::Time deadline) const {
  return connection_->WaitReady(deadline);
}

absl::StatusOr<HealthStatus> Client::Health(const std::string& service,
                                            absl::Duration timeout) const {
  // HealthCheckRequest { string service = 1; }; HealthCheckResponse { ServingStatus status = 1; }.
  std::string request(internal::wire::BytesFieldSize(service.size()), '\0');
  internal::wire::WriteBytesField(request.data(), 1, service);
  grpc::Slice slice(request);
  grpc::ByteBuffer response;
  const absl::Status status = connection_->Unary(
      "/grpc.health.v1.Health/Check", grpc::ByteBuffer(&slice, 1), response, absl::Now() + timeout);
  if (absl::IsNotFound(status)) return HealthStatus::kServiceUnknown;
  if (!status.ok()) return status;
  if (!response.DumpToSingleSlice(&slice).ok()) return HealthStatus::kUnknown;
  Reader reader(std::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()));
  HealthStatus health = HealthStatus::kUnknown;
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kVarint) &&
        reader.number() <= static_cast<uint64_t>(HealthStatus::kServiceUnknown)) {
      health = static_cast<HealthStatus>(reader.number());
    }
  }
  return health;
}

const ClientOptions& Client::options() const { return connection_->options(); }

}  // namespace estiba
