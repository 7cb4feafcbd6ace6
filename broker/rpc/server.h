#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"
#include "broker/rpc/stream_table.h"

namespace grpc {
class Server;
}

namespace estiba {

struct ServerOptions {
  // "127.0.0.1:8085", "[::]:0".
  std::string listen_target;
  // Completion queues, each with a thread of its own.
  uint32_t threads = 1;
  uint32_t max_streams = 10'000;
  absl::Duration min_ping_interval = absl::Seconds(10);
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
class Server final : private Call::Acceptor {
 public:
  Server(const ServerOptions& options, Broker& broker, Executor& executor, const Clock& clock,
         Health& health, const Reflection& reflection);
  ~Server() override;

  // UNAVAILABLE when the address cannot be listened on.
  absl::Status Start();
  // The port in use, after Start.
  int port() const { return port_; }

  // Refuses publishes and new streams from now on.
  void StopTaking() { context_.draining.store(true, std::memory_order_relaxed); }
  // Ends every stream with UNAVAILABLE, then the server. Streams that do not take their status in
  // `patience` are cut. Returns when all of it is over; false if something still holds a call,
  // which then must stay alive: the process may only exit.
  bool Shutdown(absl::Duration patience);

  StreamTable& streams() { return streams_; }

 private:
  CallHandlerPtr Accept(const CallPtr& call) override;
  bool Accepting() const override { return accepting_.load(std::memory_order_relaxed); }
  void Count(int difference) override;
  static void Serve(grpc::ServerCompletionQueue& queue);

  const ServerOptions options_;
  StreamTable streams_;
  RpcContext context_;
  grpc::AsyncGenericService service_;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
  int port_ = 0;
  std::atomic<bool> accepting_{true};
  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace estiba
