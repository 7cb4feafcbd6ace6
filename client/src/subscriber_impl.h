// A Subscriber's inside: the stream and its reconnects, the way in (callback or queue) and the way
// out (acks and credit).
//
// Owner: one Subscriber. Threads and guarantees: as subscriber.h promises. Frames come one at a
// time (the next read begins when the last frame is dealt with); everything else that changes is
// guarded by `mutex_`. No gRPC write and no callback runs under it.
#ifndef ESTIBA_CLIENT_SRC_SUBSCRIBER_IMPL_H_
#define ESTIBA_CLIENT_SRC_SUBSCRIBER_IMPL_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "client/src/ack_outbox.h"
#include "client/src/backoff.h"
#include "client/src/confirmations.h"
#include "client/src/connection.h"
#include "client/src/frame_buffer.h"
#include "client/src/frame_queue.h"
#include "client/src/stream.h"
#include "client/src/timer.h"
#include "estiba/subscriber.h"

namespace estiba::internal {

class SubscriberImpl final : private StreamListener {
 public:
  SubscriberImpl(std::shared_ptr<Connection> connection, SubscriberOptions options);
  ~SubscriberImpl();

  // With neither callback: for pulling. FAILED_PRECONDITION: started before.
  absl::Status Start(Subscriber::MessageCallback on_message, Subscriber::FrameCallback on_frame);

  absl::StatusOr<ReceivedMessage> Next(absl::Time deadline);
  absl::StatusOr<std::optional<ReceivedMessage>> TryNext();
  absl::StatusOr<ReceivedFrame> NextFrame(absl::Time deadline);

  // Lets `change` add to the outbox, and sends it if nothing is being sent.
  template <typename Change>
  void Say(Change change) ABSL_LOCKS_EXCLUDED(mutex_) {
    mutex_.Lock();
    if (state_ == State::kRunning) change(outbox_);
    SendNextAndUnlock();
  }
  // Lets `change` add to what is said of `messages` messages: `of` and others of its frame or
  // topic. Not if they are of an epoch before.
  template <typename Change>
  void Settle(const MessageId& of, uint64_t messages, Change change) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (!explicit_acks()) return;
    mutex_.Lock();
    if (state_ == State::kRunning && InHand(of, messages)) change(outbox_.Of(of.topic_));
    SendNextAndUnlock();
  }
  // Acks, and calls `done` when that is confirmed, or is known not to be.
  void AckConfirmed(const MessageId& of, std::vector<SequenceRange> ranges,
                    Subscriber::AckCallback done) ABSL_LOCKS_EXCLUDED(mutex_);
  // Acks a request, together with the reply to it (empty: there is none).
  void AckWithReply(const MessageId& request, std::string reply) ABSL_LOCKS_EXCLUDED(mutex_);
  bool explicit_acks() const { return options_.ack_mode == AckMode::kExplicit; }

  void SetCredit(Credit credit);
  absl::Status FlushAcks(absl::Time deadline);
  void Stop();
  absl::Status Wait(absl::Time deadline);
  SubscriberStats Stats() const;

 private:
  enum class State { kIdle, kRunning, kStopping, kEnded };
  enum class Mode { kMessages, kFrames, kPull };
  // Whether the stream's acks are answered: not known before it has started.
  enum class Confirms { kUnknown, kYes, kNo };

  void OnOpen() override;
  void OnRead(grpc::ByteBuffer& message) override;
  void OnWritten() override;
  void OnEnd(const absl::Status& status) override;
  void OnTimer();

  // Hands a parsed frame on. False: it was queued, and nothing may be read before it is taken.
  bool Dispatch(const std::shared_ptr<FrameBuffer>& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of a pattern: takes note of its topics, and says which the frame is of. False: an unknown one.
  bool Place(FrameBuffer& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  // While nothing is handed on any more: what else a frame says.
  void TakeRest(FrameBuffer& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  // Exactly once: what has come of requests.
  void TakeAnswers(const FrameBuffer& frame) ABSL_LOCKS_EXCLUDED(mutex_);
  void Deliver(const FrameBuffer& frame);
  // The stream has begun: what is in hand is of its epoch, or of one before.
  void TakeStarted(Started& started) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False: of an epoch before, and counted.
  bool InHand(const MessageId& of, uint64_t messages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (of.epoch_ == epoch_) return true;
    stats_.stale_acks += messages;
    return false;
  }
  void Count(const FrameBuffer& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Where a private subscription goes on when its stream breaks.
  void GoOnAfter(uint64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Waits until something is queued. An error: nothing is, and why.
  absl::Status Await(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After something was taken from the queue: returns credit and reads on.
  void TakenAndUnlock(size_t messages, size_t bytes) ABSL_UNLOCK_FUNCTION(mutex_);
  // Automatic acks: gives used credit back, in steps of a quarter of the limit.
  void ReturnCredit(size_t messages, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::string StartRequest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendNextAndUnlock() ABSL_UNLOCK_FUNCTION(mutex_);
  void End(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<Connection> connection_;
  const SubscriberOptions options_;
  Mode mode_ = Mode::kPull;  // does not change after Start
  Subscriber::MessageCallback on_message_;
  Subscriber::FrameCallback on_frame_;
  // The frame that callbacks look into, used again for each.
  std::shared_ptr<FrameBuffer> frame_;
  // Stopping, and what still comes is not handed on. (Relaxed: a loop of callbacks leaves off at
  // some point; that none begins after Stop comes from waiting for the stream's end.)
  std::atomic<bool> discard_{false};

  mutable absl::Mutex mutex_;
  absl::CondVar arrived_;  // something is queued, or the end has come
  absl::CondVar changed_;  // the outbox is written, or the stream or timer has ended
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  absl::Status final_status_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  bool stream_open_ ABSL_GUARDED_BY(mutex_) = false;
  // Its Started has come. Before that nobody knows whether what is in hand is the broker's.
  bool stream_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool failed_before_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the last stream that has started, and of its messages; 0: none has.
  uint64_t incarnation_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  // The next sequence that is new to us; 0: not known yet.
  uint64_t resume_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  // Last messages from before that are asked for, and none has come yet.
  bool lasts_to_come_ ABSL_GUARDED_BY(mutex_) = false;
  // Of a pattern: its topics on this stream by number, and when the last message was published.
  absl::flat_hash_map<uint32_t, std::shared_ptr<const PatternTopic>> topics_
      ABSL_GUARDED_BY(mutex_);
  int64_t resume_time_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  Credit credit_ ABSL_GUARDED_BY(mutex_);
  uint64_t used_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  AckOutbox outbox_ ABSL_GUARDED_BY(mutex_);
  Confirms confirms_ ABSL_GUARDED_BY(mutex_) = Confirms::kUnknown;
  Confirmations confirmations_ ABSL_GUARDED_BY(mutex_);
  FrameQueue queue_ ABSL_GUARDED_BY(mutex_);
  Backoff backoff_ ABSL_GUARDED_BY(mutex_);
  Timer timer_ ABSL_GUARDED_BY(mutex_);
  bool timer_set_ ABSL_GUARDED_BY(mutex_) = false;
  SubscriberStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_SUBSCRIBER_IMPL_H_
