#include "client/src/connection.h"

#include <google/protobuf/message_lite.h>
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "client/src/event_wait.h"
#include "client/src/status.h"

namespace estiba::internal {
namespace {

thread_local const Connection* current_connection = nullptr;
thread_local EventWait* current_wait = nullptr;

ClientOptions Checked(ClientOptions options) {
  options.threads = std::clamp(options.threads, 1, 64);
  options.busy_poll = std::clamp(options.busy_poll, absl::ZeroDuration(), absl::Milliseconds(1));
  // What is looked for could not happen meanwhile.
  if (std::thread::hardware_concurrency() == 1) options.busy_poll = absl::ZeroDuration();
  options.min_backoff = std::max(options.min_backoff, absl::Milliseconds(1));
  options.max_backoff = std::max(options.max_backoff, options.min_backoff);
  options.max_message_bytes = std::clamp<size_t>(options.max_message_bytes, 1024, 1u << 30);
  return options;
}

grpc::ChannelArguments Arguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  // Room for what frames a message of the largest size.
  const int message_bytes = static_cast<int>(options.max_message_bytes) + (64 << 10);
  arguments.SetMaxReceiveMessageSize(message_bytes);
  arguments.SetMaxSendMessageSize(message_bytes);
  // A frame of the broker's in one piece and one read.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  arguments.SetInt(GRPC_ARG_TCP_READ_CHUNK_SIZE, 256 << 10);
  // Connections are not shared with other channels to the same broker.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Notices a dead peer within 40 s, also while nothing is sent.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  const int min_backoff = static_cast<int>(absl::ToInt64Milliseconds(options.min_backoff));
  const int max_backoff = static_cast<int>(absl::ToInt64Milliseconds(options.max_backoff));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, min_backoff);
  // This one is how long an attempt may take, whatever its name says.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, max_backoff);
  // A broker that comes back may have another address (a pod always has). Names are looked up again
  // when a connection fails, but only after this long; gRPC's own 30 s is half a retry_timeout.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1'000);
  // Retrying is done here, with knowledge of what may be sent twice; gRPC's own only costs time.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // The environment's http_proxy is meant for the web, and seldom knows the way to a broker.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

std::shared_ptr<grpc::Channel> OpenChannel(const ClientOptions& options) {
  return grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(),
                                   Arguments(options));
}

// The end of an operation on its way to one of the Connection's threads. Deletes itself there.
class Transfer final : public QueueTag {
 public:
  Transfer(grpc::CompletionQueue& queue, QueueTag& tag, bool ok) : tag_(tag), ok_(ok) {
    absl::MutexLock lock(&mutex_);
    alarm_.Set(&queue, gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<QueueTag*>(this));
  }
  void OnEvent(bool) override {
    // gRPC does not promise that Set is through with the alarm before it goes off.
    { absl::MutexLock lock(&mutex_); }
    tag_.OnEvent(ok_);
    delete this;
  }

 private:
  QueueTag& tag_;
  const bool ok_;
  absl::Mutex mutex_;
  grpc::Alarm alarm_;
};

}  // namespace

Connection::Connection(ClientOptions options)
    : options_(Checked(std::move(options))),
      channel_(OpenChannel(options_)),
      calls_(channel_),
      deliveries_(OpenChannel(options_)) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { RunQueue(); });
}

Connection::~Connection() {
  RequireForeignThread(*this, "the last object of an estiba::Client");
  queue_.Shutdown();
  for (std::thread& thread : threads_) thread.join();
}

void Connection::RunQueue() {
  current_connection = this;
  EventWait wait(options_.busy_poll);
  current_wait = &wait;
  void* tag = nullptr;
  bool ok = false;
  while (wait.Next(queue_, &tag, &ok)) static_cast<QueueTag*>(tag)->OnEvent(ok);
}

bool Connection::CompletesHere(absl::FunctionRef<void()> start, QueueTag& tag) {
  // As CompletionQueue::DoThenAsyncNext, but without a look at the sockets if nothing has ended.
  grpc_completion_queue_thread_local_cache_init(queue_.cq());
  start();
  void* done = nullptr;
  int result = 0;
  if (grpc_completion_queue_thread_local_cache_flush(queue_.cq(), &done, &result) == 0)
    return false;
  bool ok = result == 1;
  if (!static_cast<grpc::internal::CompletionQueueTag*>(done)->FinalizeResult(&done, &ok)) {
    return false;
  }
  if (ok && done == &tag) return true;
  // It failed, or this thread has come by the end of something else.
  CompleteThere(*static_cast<QueueTag*>(done), ok);
  return false;
}

void Connection::CompleteThere(QueueTag& tag, bool ok) { new Transfer(queue_, tag, ok); }

void Connection::ExpectEvent() {
  if (current_wait != nullptr) current_wait->Expect();
}

void Connection::Prepare(grpc::ClientContext& context) const {
  if (!options_.client_name.empty()) {
    context.AddMetadata("estiba-client-name", options_.client_name);
  }
}

absl::Status Connection::WaitReady(absl::Time deadline) {
  if (channel_->WaitForConnected(absl::ToChronoTime(deadline))) return absl::OkStatus();
  return absl::DeadlineExceededError("no connection to " + options_.target);
}

absl::Status Connection::Unary(const std::string& method, const grpc::ByteBuffer& request,
                               grpc::ByteBuffer& response, absl::Time deadline) {
  grpc::ClientContext context;
  Prepare(context);
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
  grpc::CompletionQueue queue;
  grpc::Status status;
  auto call = calls_.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return FromGrpc(status);
}

absl::Status Connection::Unary(const std::string& method,
                               const google::protobuf::MessageLite& request,
                               google::protobuf::MessageLite& response, absl::Time deadline) {
  grpc::ByteBuffer answer;
  absl::Status status = Unary(method, Serialize(request), answer, deadline);
  if (status.ok() && !Parse(answer, response)) {
    return absl::InternalError("the answer to " + method + " is unreadable");
  }
  return status;
}

bool Connection::OnOwnThread() const { return current_connection == this; }

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

bool Parse(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  grpc::Slice slice;
  if (!buffer.TrySingleSlice(&slice).ok() && !buffer.DumpToSingleSlice(&slice).ok()) return false;
  return message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

void RequireForeignThread(const Connection& connection, const char* destroyed) {
  if (!connection.OnOwnThread()) return;
  std::fprintf(stderr, "%s must not be destroyed inside a callback of its Client\n", destroyed);
  std::abort();
}

}  // namespace estiba::internal
