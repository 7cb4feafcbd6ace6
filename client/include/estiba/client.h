// The connections to a broker (one for deliveries, one for the rest), shared by any number of
// Publishers, Subscribers and Admins.
//
// Owner and lifetime: the application makes a Client and hands it to the others, each of which
// keeps the connection alive for itself. So they may be destroyed in any order; the connection
// closes and its threads are joined when the last of them goes. None of them may be destroyed
// inside one of its own callbacks.
//
// Threads: every method may be called from any thread. A Client runs `ClientOptions::threads`
// threads of its own (one by default), and every callback of every object made from it runs on
// them. A callback that blocks therefore holds up everything that shares the Client: use more
// threads, or a second Client, for slow work. Callbacks of one Subscriber never overlap, nor do
// those of one Publisher.
//
// Failure: nothing throws; making a Client cannot fail. The connection is opened when something
// needs it and opened again, with back-off, when it breaks; an unreachable broker shows as
// UNAVAILABLE.
//
//   estiba::Client client({.target = "localhost:8085", .client_name = "billing"});
//   if (absl::Status ready = client.WaitReady(absl::Now() + absl::Seconds(5)); !ready.ok()) ...
#ifndef ESTIBA_CLIENT_H_
#define ESTIBA_CLIENT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace estiba {

namespace internal {
class Connection;
}  // namespace internal

struct ClientOptions {
  // Where the broker listens: "host:port", or any other gRPC target ("unix:/run/estiba.sock",
  // "dns:///broker.example:8085"). Connected to directly, whatever http_proxy says.
  std::string target = "localhost:8085";
  // What Admin::ListConnections shows and Admin::CloseConnections takes: 1-255 printable ASCII
  // characters. Empty: the broker shows the peer's address.
  std::string client_name = {};
  // How long to wait before connecting again, at first and at most. It doubles between the two,
  // with jitter; Publishers and Subscribers use the same for their streams.
  absl::Duration min_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(5);
  // Largest message of the protocol to send or accept. The broker's own limit is 16 MiB.
  size_t max_message_bytes = size_t{16} << 20;
  // Threads that run callbacks, 1-64. One is fastest unless callbacks are slow.
  int threads = 1;
  // How long a thread goes on looking for the next event before it sleeps, 0 - 1 ms; it offers the
  // processor to others meanwhile. Spares waking up, some 5 us for each delivery in a chain of
  // callbacks that publish. It looks only after one of these, and while events come this soon after
  // one another, and not where there is only one processor. Zero: not at all.
  absl::Duration busy_poll = absl::Microseconds(20);
};

enum class HealthStatus { kUnknown, kServing, kNotServing, kServiceUnknown };

class Client {
 public:
  // Starts the threads; connects when first needed. Values outside their limits are brought inside.
  explicit Client(ClientOptions options = {});
  // Gives up this hold of the connection; see the lifetime rule above.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Connects, and waits until the connection stands. DEADLINE_EXCEEDED, naming the target, if it
  // does not by then. May be called from any thread but the Client's own.
  absl::Status WaitReady(absl::Time deadline) const;

  // Asks grpc.health.v1 for `service` (empty: the broker as a whole). UNAVAILABLE: nobody answers.
  // A service the broker does not know is kServiceUnknown, not an error.
  absl::StatusOr<HealthStatus> Health(const std::string& service = "",
                                      absl::Duration timeout = absl::Seconds(5)) const;

  const ClientOptions& options() const;

  // For the other classes of this library.
  const std::shared_ptr<internal::Connection>& connection() const { return connection_; }

 private:
  std::shared_ptr<internal::Connection> connection_;
};

// How long the broker asked to wait before trying again, if `status` (of a publish that found the
// topic full) says so.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace estiba

#endif  // ESTIBA_CLIENT_H_
