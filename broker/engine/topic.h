#pragma once

#include <atomic>
#include <boost/container/deque.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "broker/base/clock.h"
#include "broker/base/prefetch.h"
#include "broker/engine/actor.h"
#include "broker/engine/bookkeeping.h"
#include "broker/engine/config.h"
#include "broker/engine/control.h"
#include "broker/engine/dedup_table.h"
#include "broker/engine/expiry.h"
#include "broker/engine/incarnations.h"
#include "broker/engine/lease_table.h"
#include "broker/engine/notice.h"
#include "broker/engine/producer_table.h"
#include "broker/engine/publish.h"
#include "broker/engine/schedule.h"
#include "broker/engine/stats.h"
#include "broker/engine/timers.h"
#include "broker/queue/log.h"
#include "broker/queue/wait_list.h"

namespace estiba {

struct Attachment;
class Snapshot;
struct SnapshotContents;
class Subscription;
using SnapshotPtr = boost::intrusive_ptr<Snapshot>;
using SubscriptionPtr = boost::intrusive_ptr<Subscription>;

// A topic: its log, the subscriptions that follow it, and the publishers that wait for room in it.
//
// Threads: any, for every public member; state changes in the topic's turns.
// Lifetime: reference-counted; the registry holds it until it is deleted, publishers and
// subscriptions may hold it longer and are then answered with ABORTED.
class alignas(kCacheLine) Topic final : public Actor, private BudgetWaiter {
 public:
  struct Surroundings {
    Executor& executor;
    const Clock& clock;
    Timers& timers;
    std::shared_ptr<Memory> memory;
    std::shared_ptr<Incarnations> incarnations;
    uint64_t seed = 0;  // of what is decided by chance: jitter
    // A topic by its name; null if there is none. Any thread.
    std::function<boost::intrusive_ptr<Topic>(absl::string_view)> find_topic = nullptr;
  };

  Topic(std::string name, const TopicConfig& config, const Surroundings& surroundings);
  ~Topic() override;

  const std::string& name() const { return name_; }
  const TopicConfig& config() const { return config_; }
  int64_t create_time_ms() const { return create_time_ms_; }
  // No other topic's, not even of one that had or will have this name.
  uint64_t incarnation() const { return incarnation_; }
  bool deleted() const { return deleted_.load(std::memory_order_acquire); }

  // Has what a publish looks at brought into the cache. Reads nothing, so any thread.
  void Prefetch() const;
  void PrefetchTurn() const override { log_.Prefetch(); }
  // Appends the batch and answers it (PublishCommand::Done): before this returns if the topic is
  // idle and has room; later if it is busy or, under kBlock, full.
  void Publish(PublishCommand* command);
  // Answers waiting batches that have been abandoned, with CANCELLED.
  void DropAbandoned();

  // Begins to keep messages for a subscription, from a position on; answers Subscription::Attached.
  void Attach(SubscriptionPtr subscription, const StartPosition& start);
  // The same, but nothing of it runs on the caller's stack. What is published after this call is
  // published after it.
  void AttachSoon(SubscriptionPtr subscription, const StartPosition& start);
  // The subscription has ended, at `place`. A private one leaves what it has not consumed to the
  // next, should it have been the last: `unconsumed`, and what comes from `place` on.
  void Detach(SubscriptionPtr subscription, Cursor place, IntervalMap<Redelivery> unconsumed);
  // Moves a subscription that has a name; see Subscription::Sought.
  void Seek(SubscriptionPtr subscription, const StartPosition& to, SeekDone done);
  // To what a snapshot of this topic kept.
  void SeekTo(SubscriptionPtr subscription, SnapshotPtr snapshot, SeekDone done);
  // It has followed.
  void SeekFollowed() { seeks_under_way_.fetch_sub(1, std::memory_order_release); }
  // Keeps what a subscription holds, until it is dropped. Begun by ContentsUnderWay, in the
  // subscription's turn, before the contents are taken.
  void Keep(SnapshotPtr snapshot, SnapshotContents contents, ControlDone done);
  void ContentsUnderWay() { seeks_under_way_.fetch_add(1, std::memory_order_relaxed); }
  void Drop(SnapshotPtr snapshot);
  // A subscription has left segments behind that may now be free, or has followed a poke.
  void SubscriptionMoved() { moved_.SendOnce(); }

  // Gives up everything: subscriptions end with ABORTED, as do waiting publishes.
  void Delete();
  // Housekeeping, every few seconds: frees the open segment of a topic at rest.
  void Rest();

  // Lets go of what is kept only for seeks, because other topics have no room.
  void YieldHistory();

  // The housekeeper's, who looks every few seconds: whether there has been neither a publish, nor a
  // subscription, nor a snapshot, for as long as its configuration allows.
  bool IdleExpired(int64_t steady_ms);

  // Counts the pokes of all subscriptions; see Subscription::followed.
  uint64_t pokes() const { return pokes_.load(std::memory_order_acquire); }
  // What lies before is given up; see Gap. Subscriptions follow when poked.
  uint64_t trim_to() const { return trim_to_.load(std::memory_order_acquire); }
  GapReason trim_reason() const { return trim_reason_.load(std::memory_order_relaxed); }
  // The sequence that the next message gets.
  uint64_t end_sequence() const { return log_.end_sequence(); }
  // Asks for one call of Subscription::MessagesArrived, when the log has grown or earlier. Look
  // again after the call. The caller keeps the subscription alive until then.
  void AwaitMessages(Subscription* subscription) { waiting_.Add(subscription); }

  TopicStats Stats() const;
  // Whether something is held that a consumer connected now could still take, or is taking.
  bool Consumable() const;
  // Whether any of its subscriptions has a consumer connected.
  bool HasConsumers() const;
  TopicCounters& counters() { return counters_; }
  const std::shared_ptr<Storage>& storage() const { return storage_; }

 private:
  friend class PublishCommand;
  // All messages before `sequence` are from `wall_ms` or earlier.
  struct AgeMark {
    uint64_t sequence;
    int64_t wall_ms;
  };

  void OnBudgetFreed() override { budget_freed_.SendDeferred(); }  // any thread
  void EndTurn() override;

  void Take(PublishCommand* command);
  // False: it has to wait.
  bool TryTake(PublishCommand* command);
  bool TryAppend(PublishCommand* command);
  // Appends to the log; see Log::Append.
  bool TryStore(const char* records, uint32_t bytes, uint32_t count, const TimesToLive& ttl,
                uint64_t* prepaid);
  // It is stored, or scheduled: from `first` on so many, the rest to be published later.
  void Taken(PublishCommand* command, uint64_t first, uint32_t count);
  // What storing it takes, at most, from an empty log on.
  static uint64_t SpaceFor(const PublishCommand& command);
  // Tries again with the room that can be made without giving up anything; by giving up the oldest.
  bool TryReclaimFor(absl::FunctionRef<bool()> append);
  enum class Dropped { kDone, kNothingLeft, kNotFollowed };
  Dropped TryDropFor(absl::FunctionRef<bool()> append);
  bool RecogniseDuplicate(PublishCommand* command);
  void AnswerDuplicate(PublishCommand* command, const ProducerTable::Taken& taken);
  void ChargeProducers() { producers_charge_.Set(producers_.bytes() + dedup_.bytes()); }
  void AnswerFull(PublishCommand* command);
  void Answer(PublishCommand* command, absl::Status status);
  // Whether it is this topic's own budget that has no room.
  bool OwnFull(uint64_t bytes) const;
  // The least of the limits that hold for this topic; 0: none.
  uint64_t Limit() const;
  // Whether every subscription has let go of what it could when it was poked last.
  bool AllFollowed() const;
  void PokeSubscriptions();
  void WakeSubscriptions();
  // To be told when `bytes` may find room.
  void WaitForBudget(uint64_t bytes);
  void RetryWaiting();
  void HandleMoved();
  void HandleRetention();
  void HandleRest();
  void HandleDelete();
  void HandleAttach(const SubscriptionPtr& subscription, const StartPosition& start);
  void HandleDetach(const SubscriptionPtr& subscription, Cursor place,
                    IntervalMap<Redelivery> unconsumed);
  void HandleBudgetFreed();
  void HandleSeek(const SubscriptionPtr& subscription, Attachment to, const SeekDone& done);
  // What a start means in the log. `earliest`: what EARLIEST means.
  Attachment Find(const StartPosition& start, absl::FunctionRef<uint64_t()> earliest) const;
  // The first sequence that is in the log and not given up.
  uint64_t Kept() const;
  // Keeps some less of it. False: there is nothing that only history keeps.
  bool TryYieldHistory();
  // Steps out of segments that have ended.
  void StepOn();

  // Messages that are published later (topic_schedule.cc).
  struct ScheduleTimer final : Command {
    ScheduleTimer(Topic* t, int64_t at) : topic(t), at_ms(at) {}
    void Run() override { topic->HandleScheduleTimer(at_ms); }  // deletes this

    Topic* const topic;
    const int64_t at_ms;
  };
  bool TrySchedule(PublishCommand* command);
  // Publishes what has come due.
  void PublishDue();
  bool TryStoreDue();
  void ArmSchedule();
  void HandleScheduleTimer(int64_t at_ms);
  void DropSchedule();

  // Messages with a time to live (topic_expiry.cc).
  void NoteTimesToLive(const TimesToLive& ttl);
  void ScheduleExpiry();
  void HandleExpiry();
  // False: there is more to look at.
  bool PassExpired();

  // Gives up one segment more. False: there is nothing left to give up.
  bool TryDropOldest();
  void TrimTo(uint64_t sequence, GapReason reason);
  void ExpireBySize();
  void ScheduleRetention();
  // The first message that some subscription has not been sent, or has not consumed; without one:
  // the first that is kept in the log.
  uint64_t EarliestUnsent() const;
  uint64_t EarliestUnconsumed();
  void NoteHeld();

  // What every publish looks at lies in few cache lines, those that Prefetch asks for: the order is
  // of use. All but configuration is turn state.
  const TopicConfig config_;
  Surroundings around_;
  const std::string name_;
  const std::shared_ptr<Storage> storage_;
  Log log_;
  const int64_t create_time_ms_;
  absl::InlinedVector<PublishCommand*, 2> answered_;  // Done is due at the end of the turn
  std::atomic<bool> deleted_{false};
  bool appended_ = false;
  bool scheduled_ = false;  // in this turn
  WaitList<Subscription> waiting_;
  size_t detached_ = 0;  // since the last WakeSubscriptions
  // EarliestUnconsumed of this turn, for the next that comes in it, and how many have that place:
  // where subscriptions come and go in numbers, walking all of them for each would have them come
  // faster than they go. 0: not known.
  uint64_t earliest_ = 0;
  // Without subscriptions, what is kept for the first that comes: from a place on, and what the
  // last private subscription had been sent without consuming it.
  Cursor keep_;
  IntervalMap<Redelivery> left_behind_;
  Bookkeeping left_behind_charge_;
  Bookkeeping producers_charge_;  // and ids
  TopicCounters counters_;
  size_t earliest_holders_ = 0;
  // What is consumed is kept while a subscription asks for it: how many do, and where it begins.
  size_t retaining_ = 0;
  Cursor history_;
  boost::container::deque<PublishCommand*> waiting_publishes_;

  const uint64_t incarnation_;

  // Changed in turns only; the mutex is for Stats, which reads from outside.
  mutable absl::Mutex subscriptions_mutex_;
  std::vector<SubscriptionPtr> subscriptions_;
  std::vector<SnapshotPtr> snapshots_;
  bool waiting_for_budget_ = false;
  ProducerTable producers_;
  DedupTable dedup_;
  boost::container::deque<AgeMark> age_marks_;  // with retention by age, oldest first
  uint64_t size_checked_bytes_ = 0;  // published_bytes when retention by size was looked at last
  bool retention_timer_ = false;
  std::unique_ptr<Schedule> schedule_;  // null: nothing is scheduled
  // By their times. One that comes earlier than all is set beside the others, as they cannot be
  // taken back.
  std::map<int64_t, std::unique_ptr<ScheduleTimer>> schedule_timers_;
  bool due_waits_ = false;      // for room
  TimesToLive ttl_;             // of the messages that came until last_expiry_ms_
  int64_t last_expiry_ms_ = 0;  // wall clock, when they all will have expired
  bool expiry_timer_ = false;
  std::atomic<uint64_t> rest_end_{0};  // the housekeeper's
  std::atomic<uint64_t> used_end_{0};  // the housekeeper's: end_sequence() when in use last,
  std::atomic<int64_t> used_ms_{0};    // and when that was

  Notice<Topic> budget_freed_{this, &Topic::HandleBudgetFreed};
  Notice<Topic> moved_{this, &Topic::HandleMoved};
  Notice<Topic> retention_due_{this, &Topic::HandleRetention};
  Notice<Topic> expiry_due_{this, &Topic::HandleExpiry};
  Notice<Topic> publish_due_{this, &Topic::PublishDue};

  // Cursors on their way to subscriptions that are sought, or to snapshots: they hold memory that
  // no poke frees.
  std::atomic<uint32_t> seeks_under_way_{0};
  std::atomic<uint64_t> pokes_{1};
  std::atomic<uint64_t> trim_to_{1};
  std::atomic<GapReason> trim_reason_{GapReason::kRetention};
};

using TopicPtr = boost::intrusive_ptr<Topic>;

}  // namespace estiba
