#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "broker/engine/subscription.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"
#include "broker/rpc/stream_table.h"
#include "broker/rpc/subscribe_request.h"

namespace estiba {

// Broker.Subscribe: deliveries out, acks and credit in.
//
// The subscription drives what is sent, one frame at a time (see Consumer); this turns frames into
// writes and completions into Subscription::Sent. Of an exactly-once subscription it reads no
// further while kMostUnanswered entries wait for their verdicts to be written: what a client that
// does not read can pile up is that and one request.
class SubscribeStream final : public CallHandler {
 public:
  SubscribeStream(RpcContext& context, CallPtr call);
  ~SubscribeStream() override;

  void OnStart() override;
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool ok) override;
  void OnClosed(bool cancelled) override;
  void End(const absl::Status& status) override;

 private:
  // The stream as its subscription sees it, and the other way round: of a topic, or of a pattern.
  class Sink;
  class TopicSink;
  class PatternSink;

  // Nothing is written, a write is under way, the call is to be finished when it is through, the
  // call has been finished.
  enum class Output { kIdle, kWriting, kFinishing, kFinished };

  static constexpr size_t kMostUnanswered = 10'000;

  absl::Status Start(grpc::ByteBuffer* message);
  // Finds or makes the subscription, and the sink for it.
  absl::StatusOr<boost::intrusive_ptr<Sink>> MakeSink(const SubscribeStart& start);
  // Entries whose verdicts are to come.
  void Expect(const Sink& sink, size_t entries);
  // Unless too much is to be answered. sink null: perhaps it has been made just now.
  void ReadOn(const Sink* sink);
  // In turns of the subscription, or before there is one. answers: entries it has the verdicts of.
  void Write(const grpc::ByteBuffer& message, size_t answers = 0);
  void WriteVerdicts(const std::vector<Verdicts>& verdicts);
  void Finish(const absl::Status& status);

  RpcContext& context_;
  const CallPtr call_;
  uint64_t id_ = 0;
  StreamActivity activity_;

  absl::Mutex mutex_;
  Output output_ ABSL_GUARDED_BY(mutex_) = Output::kIdle;
  absl::Status end_status_ ABSL_GUARDED_BY(mutex_);
  // Set once, when the stream has been started; null before and after.
  boost::intrusive_ptr<Sink> sink_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Exactly once: entries without a verdict, or whose verdicts are not written.
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t answering_ ABSL_GUARDED_BY(mutex_) = 0;  // by the write under way
  bool read_paused_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace estiba
