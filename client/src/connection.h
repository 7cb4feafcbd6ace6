// The gRPC channels to one broker and the threads that complete their calls.
//
// Owner: shared by a Client and everything made from it. Destroyed by an application thread (never
// one of its own), after every stream and timer on it has ended; then it stops and joins its
// threads.
//
// Threads: every method may be called from any thread.
#ifndef ESTIBA_CLIENT_SRC_CONNECTION_H_
#define ESTIBA_CLIENT_SRC_CONNECTION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "estiba/client.h"

namespace google::protobuf {
class MessageLite;
}  // namespace google::protobuf

namespace estiba::internal {

// What a completion queue's tag points to. OnEvent runs on one of the Connection's threads.
class QueueTag {
 public:
  virtual void OnEvent(bool ok) = 0;

 protected:
  ~QueueTag() = default;
};

// Each has a TCP connection of its own: what is sent and what is received do not queue behind each
// other, and gRPC serves one connection on one thread at a time.
enum class Lane { kCalls, kDeliveries };

class Connection {
 public:
  explicit Connection(ClientOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const ClientOptions& options() const { return options_; }
  grpc::GenericStub& stub(Lane lane) { return lane == Lane::kCalls ? calls_ : deliveries_; }
  grpc::CompletionQueue* queue() { return &queue_; }

  // Adds the metadata that every call carries.
  void Prepare(grpc::ClientContext& context) const;

  absl::Status WaitReady(absl::Time deadline);

  // Calls and waits. It completes on the calling thread itself (no hand-over from the queue's
  // threads), so it is also allowed inside callbacks.
  absl::Status Unary(const std::string& method, const google::protobuf::MessageLite& request,
                     google::protobuf::MessageLite& response, absl::Time deadline);
  absl::Status Unary(const std::string& method, const grpc::ByteBuffer& request,
                     grpc::ByteBuffer& response, absl::Time deadline);

  // Starts an operation whose end would be told to `tag`, on an application's thread. True: it has
  // ended well already, and nothing will be told.
  bool CompletesHere(absl::FunctionRef<void()> start, QueueTag& tag);
  // Has `tag` told by one of the Connection's threads.
  void CompleteThere(QueueTag& tag, bool ok);

  // The calling thread, which runs callbacks, has sent something in one of them; see EventWait.
  static void ExpectEvent();

  // Whether the calling thread runs this Connection's callbacks, and so must not wait for one.
  bool OnOwnThread() const;

 private:
  void RunQueue();

  const ClientOptions options_;
  // They connect when first used.
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub calls_;
  grpc::GenericStub deliveries_;
  grpc::CompletionQueue queue_;
  std::vector<std::thread> threads_;
};

grpc::ByteBuffer Serialize(const google::protobuf::MessageLite& message);
bool Parse(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message);

// Ends the process, saying why, if the calling thread is one of the connection's: destroying what
// the thread is calling from would otherwise wait for itself for ever.
void RequireForeignThread(const Connection& connection, const char* destroyed);

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_CONNECTION_H_
