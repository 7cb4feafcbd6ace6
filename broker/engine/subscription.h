#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "broker/engine/actor.h"
#include "broker/engine/attachment.h"
#include "broker/engine/backoff.h"
#include "broker/engine/config.h"
#include "broker/engine/consumer.h"
#include "broker/engine/consumer_update.h"
#include "broker/engine/control.h"
#include "broker/engine/dead_letter.h"
#include "broker/engine/last_look.h"
#include "broker/engine/lease_table.h"
#include "broker/engine/ordering.h"
#include "broker/engine/retry_queue.h"
#include "broker/engine/stats.h"
#include "broker/engine/topic.h"

namespace estiba {

// A place in a topic, shared by consumers: what has been sent, what has been consumed, what must be
// sent again. Hands out the log's messages to its consumers as they have credit, redeliveries
// first.
//
// Threads: any, for every public member; state changes in the subscription's turns.
// Lifetime: reference-counted; its topic holds it from Attach to Detach, the registry while it has
// a name. Holds its topic and its consumers.
class Subscription final : public Actor {
 public:
  // A private subscription has an empty name, and ends with its last consumer.
  // frame_bytes: most bytes in one delivery, unless a single message is larger.
  Subscription(std::string name, TopicPtr topic, const SubscriptionConfig& config,
               const Topic::Surroundings& surroundings, uint32_t frame_bytes);

  const std::string& name() const { return name_; }
  const TopicPtr& topic() const { return topic_; }
  const SubscriptionConfig& config() const { return config_; }
  int64_t create_time_ms() const { return create_time_ms_; }

  // Adds a consumer; its first send is SendStarted.
  void Add(ConsumerPtr consumer);
  // The consumer's stream is gone. What it held goes to others, as the retry policy says; at once
  // if the stream ended in order, with an OK status. Harmless after OnEnd.
  void Remove(ConsumerPtr consumer);
  // The same for one whose stream is to be ended: also calls OnEnd, unless that was done before.
  void Remove(ConsumerPtr consumer, absl::Status status);
  // The consumer's last send has been accepted by its stream, or never will be.
  void Sent(Consumer* consumer, bool ok);
  // In an exactly-once subscription an update that has entries counts for what the consumer holds
  // at that moment, and Consumer::OnVerdicts says what has come of it.
  void Update(ConsumerPtr consumer, ConsumerUpdate update);
  // Ends the subscription and the streams of its consumers.
  void End(absl::Status status);

  // Sought: every message before the place counts as consumed, what is there or later as not
  // consumed, whatever was so before. Leases end, and acks for them are passed over. What is wanted
  // but no longer kept becomes a gap. ABORTED: the subscription has ended.
  void Seek(const StartPosition& to, SeekDone done);
  void SeekTo(SnapshotPtr snapshot, SeekDone done);
  // Keeps in the snapshot, which must be of its topic, what is not consumed at this moment.
  void Capture(SnapshotPtr snapshot, ControlDone done);
  // Drops everything, for good: its streams end with FAILED_PRECONDITION, and so does whatever is
  // asked of it from now on.
  void DetachForGood();
  // Paused: it keeps its consumers and its backlog, and delivers nothing. Sends under way end as
  // they would, and so do leases. ABORTED: the subscription has ended.
  void SetPaused(bool paused, ControlDone done);

  SubscriptionStats Stats() const;
  // Whether it has been without consumers, and nothing was asked of it, for as long as its
  // configuration allows.
  bool IdleExpired(int64_t steady_ms) const;

  // --- For its topic ---
  // Called once, in the topic's turn.
  void Attached(Attachment attachment);
  // Answers Topic::Seek.
  void Sought(Attachment to, SeekDone done);
  // The log has grown since Topic::AwaitMessages, perhaps. One call for each of those.
  void MessagesArrived() { messages_arrived_.Send(); }
  // Something may have to be let go of.
  void Poke() { poke_.SendOnce(); }
  // The first sequence not yet sent. Goes back only when the subscription is sought.
  uint64_t position() const { return position_.load(std::memory_order_acquire); }
  // The first sequence not yet consumed.
  uint64_t floor() const { return counters_.floor_sequence.Get(); }
  uint64_t consumers() const { return counters_.consumers.Get(); }
  // The poke (Topic::pokes) up to which this subscription has let go of what it could.
  uint64_t followed() const { return followed_.load(std::memory_order_acquire); }

  Subscription* next_waiter = nullptr;  // for WaitList

 private:
  friend struct Consumer::SentCommand;

  void EndTurn() override;

  void HandleAttached(Attachment attachment);
  void HandleSought(Attachment to, const SeekDone& done);
  void HandleMessages();
  void HandlePoke();
  void HandleTimer();
  void HandleRetry();
  void HandleAdd(const ConsumerPtr& consumer);
  void HandleRemove(const ConsumerPtr& consumer, bool in_order);
  void HandleSent(Consumer* consumer, bool ok);
  void HandleUpdate(const ConsumerPtr& consumer, ConsumerUpdate& update);
  // What it says of messages.
  void Settle(const Consumer& consumer, const ConsumerUpdate& update);
  void HandleEnd(const absl::Status& status);
  // Goes on from there.
  void Begin(Attachment at);
  SnapshotContents Unconsumed() const;
  // A delay: what the retry policy says.
  static constexpr int64_t kByPolicy = -1;
  // Takes out everything that is held besides the log, so that nobody holds it any more. `gone`:
  // what of it has been given up.
  IntervalMap<Redelivery> TakeHeld(std::vector<Gap>* gone);
  void NoteUse() { used_ms_.store(around_.clock.SteadyMillis(), std::memory_order_relaxed); }
  // A private subscription ends with its consumer.
  void EndIfPrivate();

  // Gives every consumer that can take something its next send.
  void Dispatch();
  // True: something was sent to it.
  bool SendNext(Consumer& consumer, uint32_t ready);
  // The next messages for a consumer; empty: nothing to deliver.
  Delivery NextDelivery(const Consumer& consumer, uint32_t ready);
  uint32_t MostMessages(const Consumer& consumer, uint32_t ready) const;
  // From the log; where nothing is filtered or ordered.
  Delivery TakeNext(uint32_t max_messages, uint64_t max_bytes);
  // From the front of the redeliveries, which are not empty, what has the same attempt and fits.
  Delivery TakeRedeliveries(uint32_t max_messages, uint32_t ready, uint64_t max_bytes);

  // The messages are to be delivered again, after a time, except those that the topic has given up.
  void Redeliver(Run run, uint32_t attempt, int64_t delay_ms);
  void Redeliver(Lease lease, int64_t delay_ms);
  // Takes out what waits to be delivered again, at once or later.
  template <typename F>
  void CarveWaiting(uint64_t first, uint64_t last, F&& f) {
    redeliveries_.Carve(first, last, f);
    if (retries_ != nullptr) retries_->Carve(first, last, f);
    if (ordering_ != nullptr) {
      ordering_->Carve(first, last, /*only_delivered=*/false, [&](Blocked&& b) {
        f(Redelivery{std::move(b.run), b.attempt});
      });
    }
    if (dead_ == nullptr) return;
    dead_->waiting.Carve(first, last, [&](DeadLetter&& letter) {
      f(Redelivery{std::move(letter.run), letter.attempts});
    });
  }
  // Takes away from the front what the topic has given up: a gap.
  void CutGivenUp(Run* run);
  // A delivery has failed: the message comes again, or leaves for the dead-letter topic. In an
  // ordered subscription, with the next SettleFailures.
  void Failed(Lease lease, int64_t delay_ms);
  // A message goes to others, without having failed; the rest as in Failed.
  void Release(Lease lease);
  // Delivered no more, for a reason that a consumer gave.
  void Terminate(Lease lease, std::shared_ptr<const std::string> reason);

  // With ordering (subscription_ordering.cc).
  struct Failure {
    Lease lease;
    int64_t delay_ms = 0;
    bool counts = true;                         // as a failed attempt
    std::shared_ptr<const std::string> reason;  // terminated
  };
  Delivery TakeBlocked(const Consumer& consumer, uint32_t max_messages, uint64_t max_bytes);
  Delivery TakeOrdered(const Consumer& consumer, uint32_t max_messages, uint64_t max_bytes);
  void AckOrdered(const SequenceRange& range);
  // An automatic consumer's frame has been accepted by its stream, or never will be.
  void SentOrdered(const Delivery& delivery, bool ok);
  void SettleFailures();
  // Nothing is in flight; takes what is to be redelivered.
  void BeginOrder();
  void MoveIdleKeys();

  // Exactly once (subscription_exactly_once.cc).
  class HeldSettler;
  Verdicts SettleHeld(const Consumer& consumer, const ConsumerUpdate& update);
  void CountRefusedAcks(const Verdicts& verdicts);
  // Acks a message, unless an earlier one of its key is not acked.
  bool AckInOrder(uint64_t sequence);
  // Whether the consumer has verdicts to be sent before its stream may end; the rest follows from
  // HandleSent.
  bool EndsWithVerdicts(Consumer& consumer);

  // Dead letters (subscription_dead_letter.cc). They stay with this subscription until their topic
  // has taken them.
  struct DeadLetters {
    DeadLetters(Actor* owner, Command* answered) : batch(owner, answered) {}
    IntervalMap<DeadLetter> waiting;
    DeadLetterBatch batch;
    bool sending = false;
    TopicPtr topic;  // while sending
    uint32_t most = DeadLetterBatch::kMostMessages;
    bool timer_armed = false;
    int64_t retry_at_ms = 0;
    int64_t wait_ms = 0;
  };
  bool IsDead(const Lease& lease) const;
  // reason null: too many attempts.
  void Bury(Lease lease, std::shared_ptr<const std::string> reason);
  void KeepLetter(DeadLetter letter);
  void SendDeadLetters();
  void HandleDeadLettersAnswered();
  void WaitForDeadLetterTopic();
  void ArmDeadLetterTimer();
  void HandleDeadLetterTimer();
  // What is on its way is not to leave any more. It may arrive all the same, if it has been taken.
  void TakeSentLetters(IntervalMap<Redelivery>* to);
  // At the end: what has not left goes the way of the other redeliveries.
  void LeaveDeadLetters();
  void ArmRetryTimer();
  uint64_t BookkeepingBytes() const;

  // What is wanted: what the filter lets through, and has not outlived its time to live
  // (subscription_filter.cc). A turn tests so many messages and no more.
  void BeginScan();
  void EndScan();
  Run Sift(const Run& run, uint32_t max_messages, uint64_t max_bytes, Delivery* delivery);
  Delivery TakeMatching(uint32_t max_messages, uint64_t max_bytes);
  // Goes on to the next message that matches, for nobody in particular: nothing else is kept.
  void PassUnwanted();
  void DropUnwanted(IntervalMap<Redelivery>* map);
  bool MayHaveExpired(const Segment& segment) const;
  // What has expired of messages that are taken for delivery is consumed by that.
  Delivery WithoutExpired(Delivery delivery);
  // The same for what waits to be delivered again.
  void DropExpired();
  void HandleScan() {}  // the end of the turn goes on with it

  // At the beginning, for one that begins with the last messages (subscription_last.cc). Until
  // these are found, nothing is delivered.
  void BeginLook(uint64_t until, bool of_each_key);
  void LookOn();
  void AbandonLook();

  void AwaitMessages();
  void AddGap(uint64_t first, uint64_t last, GapReason reason);
  void FollowTrim();
  // Leaves a segment that has ended, and what is to be passed over.
  void StepOn();
  void ArmTimer();
  void UpdateFigures();
  uint64_t Floor() const;
  void Detach();

  const std::string name_;
  const TopicPtr topic_;
  const SubscriptionConfig config_;
  Topic::Surroundings around_;
  const uint32_t frame_bytes_;
  const int64_t create_time_ms_;

  // Turn state.
  Cursor cursor_;
  bool attached_ = false;
  bool ended_ = false;
  bool paused_ = false;
  uint64_t seeks_ = 0;
  absl::Status end_status_;
  uint64_t pass_over_ = 0;
  std::vector<ConsumerPtr> consumers_;
  std::vector<Consumer*> leaving_;  // removed, with an automatic send under way
  size_t next_consumer_ = 0;        // round robin
  LeaseTable leases_;
  IntervalMap<Redelivery> redeliveries_;
  std::unique_ptr<RetryQueue> retries_;  // null until something has to wait
  bool retry_timer_armed_ = false;
  Backoff backoff_;
  std::unique_ptr<DeadLetters> dead_;   // null until there is one
  std::unique_ptr<Ordering> ordering_;  // null: not ordered
  std::vector<Failure> failures_;
  bool blocked_some_ = false;       // perhaps for a consumer that has been asked already
  std::unique_ptr<LastLook> look_;  // while it looks for the last messages
  uint32_t scan_left_ = 1;          // messages that this turn may still test
  uint64_t wanted_at_ = 0;          // this one matches
  std::vector<Gap> gaps_;           // not yet told to anybody, for want of consumers
  bool awaiting_ = false;
  bool timer_armed_ = false;
  uint64_t trimmed_to_ = 1;  // Topic::trim_to, as far as followed
  Bookkeeping bookkeeping_;

  Notice<Subscription> messages_arrived_{this, &Subscription::HandleMessages};
  Notice<Subscription> poke_{this, &Subscription::HandlePoke};
  Notice<Subscription> timer_due_{this, &Subscription::HandleTimer};
  Notice<Subscription> retry_due_{this, &Subscription::HandleRetry};
  Notice<Subscription> dead_letters_answered_{this, &Subscription::HandleDeadLettersAnswered};
  Notice<Subscription> dead_letter_due_{this, &Subscription::HandleDeadLetterTimer};
  Notice<Subscription> scan_on_{this, &Subscription::HandleScan};

  std::atomic<uint64_t> position_{0};
  std::atomic<uint64_t> followed_{0};
  // When it was in use last; says nothing while it has consumers.
  std::atomic<int64_t> used_ms_;
  SubscriptionCounters counters_;
};

}  // namespace estiba
