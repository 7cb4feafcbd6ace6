// Publishes encoded messages in frames, on one bare gRPC stream: to the relay, or, with topics and
// answers, to Estiba.
#ifndef TESTS_BENCH_PEERS_FRAME_PUBLISHER_H_
#define TESTS_BENCH_PEERS_FRAME_PUBLISHER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/peer.h"
#include "tests/bench/peers/grpc_link.h"

namespace estiba::bench {

// One thread at a time.
class FramePublisher final : public PeerPublisher {
 public:
  // Whether each frame says its topic, as in estiba.v1.PublishRequest, and is answered with a
  // result.
  enum class Protocol { kBare, kEstiba };

  FramePublisher(GrpcLink& link, const PeerSettings& settings, std::string method,
                 Protocol protocol = Protocol::kBare);
  ~FramePublisher() override;

  absl::Status Connect() override;
  absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) override;
  absl::Status Flush() override;

 private:
  struct Written final : GrpcTag {
    explicit Written(FramePublisher* owner) : publisher(owner) {}
    void Done(bool ok) override { publisher->OnWritten(ok); }
    FramePublisher* const publisher;
  };
  struct Answered final : GrpcTag {
    explicit Answered(FramePublisher* owner) : publisher(owner) {}
    void Done(bool ok) override { publisher->OnAnswered(ok); }
    FramePublisher* const publisher;
  };

  // Begins a frame for so many messages.
  void Renew(size_t topic, size_t messages);
  // Hands the frame over; waits while many wait. False: the stream broke.
  bool Send();
  void OnWritten(bool ok);
  void OnAnswered(bool ok);

  GrpcLink& link_;
  const PeerSettings& settings_;
  const std::string method_;
  const Protocol protocol_;
  const size_t frame_bytes_;
  const size_t most_messages_;
  const size_t data_bytes_;
  const size_t record_bytes_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
  Written written_{this};
  Answered answered_{this};
  // The frame that is being filled.
  grpc::Slice slice_;
  char* frame_ = nullptr;
  size_t frame_size_ = 0;
  size_t frame_used_ = 0;
  size_t frame_messages_ = 0;
  std::optional<size_t> topic_;

  absl::Mutex mutex_;
  std::deque<grpc::ByteBuffer> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEERS_FRAME_PUBLISHER_H_
