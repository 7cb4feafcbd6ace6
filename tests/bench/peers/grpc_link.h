// Streams of bare gRPC: its generic API, encoded messages, and nothing else.
#ifndef TESTS_BENCH_PEERS_GRPC_LINK_H_
#define TESTS_BENCH_PEERS_GRPC_LINK_H_

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace estiba::bench {

// What completes, on the link's thread.
struct GrpcTag {
  virtual void Done(bool ok) = 0;

 protected:
  ~GrpcTag() = default;
};

// A step that its owner waits for.
class GrpcStep final : public GrpcTag {
 public:
  void Done(bool ok) override {
    ok_ = ok;
    done_.Notify();
  }
  bool Wait(absl::Duration timeout) { return done_.WaitForNotificationWithTimeout(timeout) && ok_; }

 private:
  bool ok_ = false;
  absl::Notification done_;
};

// As in Estiba's client there is one connection for each direction, and one thread that completes
// all that is under way. Owned by the peer, outlives its streams. Call from any thread.
class GrpcLink {
 public:
  explicit GrpcLink(const std::string& server);
  ~GrpcLink();

  enum class Direction { kPublish, kSubscribe };
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> Call(grpc::ClientContext& context,
                                                             Direction direction,
                                                             const std::string& method);

 private:
  void Serve();

  grpc::GenericStub publish_;
  grpc::GenericStub subscribe_;
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEERS_GRPC_LINK_H_
