#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/container/btree_set.h"
#include "broker/engine/topic.h"
#include "broker/queue/mailbox.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"
#include "broker/rpc/stream_table.h"

namespace estiba {

// Broker.Publish: batches in, answers out.
//
// Two sides that run beside each other: the reading side (the call's thread) takes requests apart
// and hands batches to topics; the answering side collects what topics answer, through a mailbox,
// and writes it, one response at a time. While a response is being written answers pile up and go
// into the next one. Bound: kMaxUnanswered bytes of batches are read ahead of their answers.
class PublishStream final : public CallHandler, private Runnable {
 public:
  PublishStream(RpcContext& context, CallPtr call);

  void OnStart() override;
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool ok) override;
  void OnClosed(bool cancelled) override;
  void End(const absl::Status& status) override;

 private:
  static constexpr uint32_t kMaxUnanswered = 256 << 10;

  // Something for the answering side.
  struct Event {
    virtual ~Event() = default;
    // Runs on the answering side and deletes itself.
    virtual void Apply(PublishStream& stream) = 0;
    Event* next = nullptr;
  };
  class Batch;
  class ReadsDone;
  class Ending;

  void Submit(grpc::ByteBuffer* message);
  // Null and batch->result set: refused before it reached a topic.
  TopicPtr Route(Batch* batch);
  void LeaveTopic();
  void Push(Event* event);
  void RunTurn() override;

  RpcContext& context_;
  const CallPtr call_;
  uint64_t id_ = 0;
  StreamActivity activity_;

  // Reading side.
  TopicPtr topic_;
  // Used before it, where batches may still wait for room.
  absl::btree_set<TopicPtr> left_topics_;
  std::string topic_name_;
  std::string producer_;
  bool first_request_ = true;

  // Both sides.
  std::atomic<uint32_t> unanswered_bytes_{0};
  std::atomic<uint32_t> unanswered_{0};
  std::atomic<bool> read_paused_{false};
  std::atomic<bool> abandoned_{false};
  Mailbox<Event> events_;

  // Answering side.
  std::string response_;
  bool reads_done_ = false;
  bool broken_ = false;
  bool ending_ = false;
  absl::Status end_status_;
};

}  // namespace estiba
