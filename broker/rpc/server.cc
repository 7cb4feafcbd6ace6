#include "broker/rpc/server.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "broker/engine/limits.h"
#include "broker/engine/request_table.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"
#include "broker/rpc/event_loop.h"
#include "broker/rpc/reply_address.h"
#include "broker/rpc/router.h"
#include "broker/rpc/status.h"
#include "broker/rpc/stream_table.h"

namespace estiba {
namespace {

// Calls waited for on each queue.
constexpr int kAwaited = 16;
// Lets a batch travel in one HTTP/2 frame, and arrive in few pieces of memory.
constexpr int kHttp2FrameBytes = 1 << 20;
constexpr int kReadChunkBytes = 64 << 10;
// What a stream's client may send ahead of what is read. Fixed: left to gRPC, it grows with the
// bandwidth to many megabytes for each connection, outside the budget.
constexpr int kWindowBytes = 256 << 10;
constexpr absl::Duration kAgeGrace = absl::Seconds(10);
// How long calls may take to be let go of after their streams have ended.
constexpr absl::Duration kLastCalls = absl::Seconds(5);

int Millis(absl::Duration d) {
  const int64_t ms = absl::ToInt64Milliseconds(d);
  return static_cast<int>(std::min<int64_t>(ms, INT_MAX));
}

}  // namespace

class Server::Impl final : public Call::Acceptor {
 public:
  Impl(const ServerOptions& options, Broker& broker, Executor& executor, const Clock& clock,
       Timers& timers, Health& health, const Reflection& reflection)
      : options_(options),
        streams_(options.max_streams),
        requests_(new RequestTable(executor, clock, timers, options.max_pending_requests,
                                   &MakeReplyAddress)),
        context_{broker, executor,   clock,      streams_,
                 health, reflection, *requests_, clock.SteadyMillis()} {}

  absl::Status Start();
  int port() const { return port_; }
  void StopTaking() { context_.draining.store(true, std::memory_order_relaxed); }
  bool Shutdown(absl::Duration patience);

  CallHandlerPtr Accept(const CallPtr& call) override { return Route(context_, call); }
  bool Accepting() const override { return accepting_.load(std::memory_order_relaxed); }
  void Count(int difference) override;

 private:
  const ServerOptions options_;
  StreamTable streams_;
  const boost::intrusive_ptr<RequestTable> requests_;
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

absl::Status Server::Impl::Start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options_.listen_target, grpc::InsecureServerCredentials(), &port_);
  builder.RegisterAsyncGenericService(&service_);
  grpc::ResourceQuota transit("estiba");
  transit.Resize(options_.transit_bytes);
  builder.SetResourceQuota(transit);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytes);
  builder.AddChannelArgument(GRPC_ARG_TCP_READ_CHUNK_SIZE, kReadChunkBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  // Clients that ping to keep their connection through proxies are not to be cut off.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Millis(options_.min_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  if (options_.keepalive_time < absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options_.keepalive_time));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options_.keepalive_timeout));
  }
  if (options_.max_connection_age < absl::InfiniteDuration()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Millis(options_.max_connection_age));
    // Streams are long-lived: after this they are cut, and reconnect.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Millis(kAgeGrace));
  }
  for (uint32_t i = 0; i < options_.threads; ++i) queues_.push_back(builder.AddCompletionQueue());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    server_ = nullptr;
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options_.listen_target,
                     ": is the port in use, or the address not of this machine?"));
  }
  for (const auto& queue : queues_) {
    for (int i = 0; i < kAwaited; ++i) Call::Await(service_, *queue, *this);
    threads_.emplace_back([this, &queue] {
      ServeEvents(*queue, context_.executor, absl::ToChronoNanoseconds(options_.busy_poll));
    });
  }
  return absl::OkStatus();
}

void Server::Impl::Count(int difference) {
  absl::MutexLock lock(&mutex_);
  calls_ += difference;
}

bool Server::Impl::Shutdown(absl::Duration patience) {
  if (server_ == nullptr) return true;
  StopTaking();
  accepting_.store(false, std::memory_order_relaxed);
  streams_.EndAll(ShuttingDown());
  requests_->EndAll(ShuttingDown());
  // Streams take their status at once unless their client does not read; those are cut at the
  // deadline.
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(patience));
  {
    // No operation may begin on a queue that has been shut down, so every call must be over.
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ == 0; };
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&none), kLastCalls)) return false;
  }
  for (const auto& queue : queues_) queue->Shutdown();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  queues_.clear();
  server_ = nullptr;
  return true;
}

Server::Server(const ServerOptions& options, Broker& broker, Executor& executor, const Clock& clock,
               Timers& timers, Health& health, const Reflection& reflection)
    : impl_(std::make_unique<Impl>(options, broker, executor, clock, timers, health, reflection)) {}

Server::~Server() { impl_->Shutdown(absl::ZeroDuration()); }

absl::Status Server::Start() { return impl_->Start(); }

int Server::port() const { return impl_->port(); }

void Server::StopTaking() { impl_->StopTaking(); }

bool Server::Shutdown(absl::Duration patience) { return impl_->Shutdown(patience); }

}  // namespace estiba
