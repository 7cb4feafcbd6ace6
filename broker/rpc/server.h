#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace estiba {

class Broker;
class Clock;
class Executor;
class Health;
class Reflection;
class Timers;

struct ServerOptions {
  // "127.0.0.1:8085", "[::]:0".
  std::string listen_target;
  // Completion queues, each with a thread of its own; at least 1.
  uint32_t threads = 1;
  // See ServeEvents.
  absl::Duration busy_poll = absl::ZeroDuration();
  uint32_t max_streams = 10'000;
  uint32_t max_pending_requests = 10'000;
  // Most bytes of requests on their way in, and of connections. Beyond, gRPC ends streams with
  // RESOURCE_EXHAUSTED: better than being killed for memory, with all that is held.
  uint64_t transit_bytes = uint64_t{1} << 62;
  absl::Duration min_ping_interval = absl::Seconds(5);
  absl::Duration keepalive_time = absl::InfiniteDuration();
  absl::Duration keepalive_timeout = absl::Seconds(20);
  absl::Duration max_connection_age = absl::InfiniteDuration();
};

// The gRPC side of the daemon: one port, every service on gRPC's generic API, calls spread over
// completion queues with one thread each.
//
// Threads: Start, Shutdown and the destructor from one thread, which is none of its own; the rest
// from any.
// Lifetime: what it is made with outlives it.
class Server {
 public:
  Server(const ServerOptions& options, Broker& broker, Executor& executor, const Clock& clock,
         Timers& timers, Health& health, const Reflection& reflection);
  ~Server();

  // UNAVAILABLE when the address cannot be listened on.
  absl::Status Start();
  // The port in use, after Start.
  int port() const;

  // Refuses publishes and new streams from now on.
  void StopTaking();
  // Ends every stream with UNAVAILABLE, then the server. Streams that do not take their status in
  // `patience` are cut. Returns when all of it is over; false if something still holds a call,
  // which then must stay alive: the process may only exit.
  bool Shutdown(absl::Duration patience);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace estiba
