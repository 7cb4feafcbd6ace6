#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "broker/engine/broker.h"
#include "broker/queue/mailbox.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"
#include "broker/rpc/publish_request.h"
#include "broker/rpc/stream_table.h"

namespace estiba {

// Broker.Publish: batches in, answers out.
//
// Two sides that run beside each other: the reading side (the call's thread) takes requests apart
// and hands batches to topics; the answering side collects what topics answer, through a mailbox,
// and writes it, one response at a time. While a response is being written answers pile up and go
// into the next one; a client may ask that they gather longer. Bounds: kMaxUnanswered bytes of
// batches are read ahead of their answers, and kMostGathered answers wait for others, or
// those to kMostGatheredBytes.
class PublishStream final : public CallHandler, private Runnable {
 public:
  PublishStream(RpcContext& context, CallPtr call);

  void OnStart() override;
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool ok) override;
  void OnClosed(bool cancelled) override;
  void OnWake() override;
  void End(const absl::Status& status) override;

 private:
  static constexpr uint32_t kMaxUnanswered = 256 << 10;
  // Batches of this size seldom come alone, and looking for the next costs little beside them.
  static constexpr uint32_t kWorthGathering = 4 << 10;
  // Half of what clients have on the wire, a producer's last 256 batches being known: the others
  // are under way meanwhile.
  static constexpr uint32_t kMostGathered = 128;
  static constexpr uint32_t kMostGatheredBytes = 64 << 10;

  // Something for the answering side.
  struct Event {
    virtual ~Event() = default;
    // Runs on the answering side and deletes itself.
    virtual void Apply(PublishStream& stream) = 0;
    Event* next = nullptr;
  };
  class Batch;
  class AnswerAll;
  class AnswersDue;
  class ReadsDone;
  class Ending;

  // Calls Forward, once.
  class Forwarder;

  // Reads a batch, which Forward hands on to its topic together with others that have come.
  void Submit(grpc::ByteBuffer* message);
  void Forward();
  bool GoesElsewhere(std::string_view topic) const {
    return !topic.empty() && topic != topic_name_;
  }
  // The topic that it goes to, also if it is refused (batch->result is set then), as answers keep
  // their order. Null: refused, and there is no such topic.
  TopicPtr Route(Batch* batch);
  // Takes over what only a stream's first request may say, and refuses it in others.
  void ReadFirst(PublishRequestView& request);
  // The topic by the stream's present name, for a batch that is refused and may have others before
  // it there; null: it has none, or there is no such topic.
  TopicPtr TopicOfOthers();
  // A batch waits for room in its topic, to be dropped should the stream end; and does so no more.
  void Enter(Batch* batch);
  void Leave(Batch* batch);
  // Whether topics have answered all batches before the one that is being submitted.
  bool IsAlone() const;
  // later: after what else has come; see RunAfterEvents.
  void Push(Event* event, bool later = false);
  void RunTurn() override;
  bool AnswersAreDue() const;

  RpcContext& context_;
  const CallPtr call_;
  uint64_t id_ = 0;
  StreamActivity activity_;

  // Reading side.
  std::vector<Batch*> to_forward_;
  std::vector<Broker::WantedTopic*> wanted_topics_;  // of those
  TopicPtr topic_;
  std::string topic_name_;
  std::string producer_;
  bool first_request_ = true;
  bool wake_awaited_ = false;

  // Both sides.
  std::atomic<uint32_t> unanswered_bytes_{0};
  std::atomic<uint32_t> unanswered_{0};
  std::atomic<uint32_t> in_topics_{0};  // batches that have not come back from their topic
  std::atomic<bool> read_paused_{false};
  std::atomic<bool> abandoned_{false};
  // Set with the first request.
  std::atomic<uint32_t> max_answer_delay_ms_{0};
  // When the first of the answers that are held back came; 0: none is.
  std::atomic<int64_t> gathered_since_ms_{0};
  Mailbox<Event> events_;
  absl::Mutex waiting_mutex_;
  absl::flat_hash_set<Batch*> waiting_ ABSL_GUARDED_BY(waiting_mutex_);

  // Answering side.
  std::string response_;
  uint32_t gathered_ = 0;        // answers in it
  uint32_t gathered_bytes_ = 0;  // of their batches
  bool answers_due_ = false;
  // A batch has been taken. Its answer waits for no others: clients hold back until they know.
  bool welcomed_ = false;
  bool answer_all_ = false;  // until none is outstanding
  bool reads_done_ = false;
  bool broken_ = false;
  bool ending_ = false;
  absl::Status end_status_;
};

}  // namespace estiba
