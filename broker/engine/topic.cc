#include "broker/engine/topic.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/snapshot.h"
#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// What a publisher is told to wait when memory is full.
constexpr int64_t kRetryAfterMs = 100;
// What a topic remembers of its producers takes at most this part of its limit; so do its ids.
constexpr uint64_t kProducerShare = 8;
// A batch that takes more than the limit without this part of it is not waited with.
constexpr uint64_t kBlockReserve = 4;

}  // namespace

void PublishCommand::Run() { topic_->Take(this); }

Topic::Topic(std::string name, const TopicConfig& config, const Surroundings& surroundings)
    : Actor(surroundings.executor),
      config_(config),
      around_(surroundings),
      name_(std::move(name)),
      storage_(std::make_shared<Storage>(around_.memory, config.budget_bytes)),
      log_(storage_),
      create_time_ms_(around_.clock.WallMillis()),
      keep_(log_.At(1)),
      left_behind_charge_(storage_),
      producers_charge_(storage_),
      incarnation_(around_.incarnations->Next()),
      producers_(Limit() == 0 ? std::numeric_limits<uint64_t>::max() : Limit() / kProducerShare),
      dedup_(config.dedup_window_ms,
             Limit() == 0 ? std::numeric_limits<uint64_t>::max() : Limit() / kProducerShare) {
  NoteHeld();
}

Topic::~Topic() = default;

uint64_t Topic::Limit() const {
  const uint64_t own = storage_->budget.limit();
  const uint64_t broker = around_.memory->budget.limit();
  return own == 0 || broker == 0 ? std::max(own, broker) : std::min(own, broker);
}

// --- Publishing ---------------------------------------------------------------------------------

void Topic::Prefetch() const {
  PrefetchLines(this, 2 * kCacheLine);
  PrefetchLines(&log_, kCacheLine);
  PrefetchLines(&answered_, 3 * kCacheLine);
  PrefetchLines(&waiting_publishes_, sizeof(waiting_publishes_));
}

void Topic::Publish(PublishCommand* command) {
  command->topic_ = this;
  Send(command);
}

void Topic::Take(PublishCommand* command) {
  // Nobody looks at the place of one that is abandoned.
  if ((waiting_publishes_.empty() || command->IsAbandoned()) && TryTake(command)) return;
  const bool refused = !command->result.status.ok();
  if (config_.full_policy == FullPolicy::kBlock && !refused) counters_.blocked_batches.Add(1);
  waiting_publishes_.push_back(command);
  command->Waits(*this);
  RetryWaiting();
}

bool Topic::TryTake(PublishCommand* command) {
  if (!command->result.status.ok()) {
    answered_.push_back(command);
    return true;
  }
  if (deleted()) {
    Answer(command, absl::AbortedError(absl::StrCat("topic \"", name_, "\" was deleted")));
    return true;
  }
  if (command->IsAbandoned()) {
    Answer(command, absl::CancelledError("the caller went away"));
    return true;
  }
  if (RecogniseDuplicate(command) || TryAppend(command)) return true;

  const auto append = [&] { return TryAppend(command); };
  if (TryReclaimFor(append)) return true;
  // What waits has to fit one day, beside all the bookkeeping there may be.
  const bool block = config_.full_policy == FullPolicy::kBlock;
  const uint64_t most = block ? Limit() - Limit() / kBlockReserve : Limit();
  const bool never_fits = Limit() != 0 && SpaceFor(*command) > most;
  if (config_.full_policy == FullPolicy::kReject || never_fits) {
    AnswerFull(command);
    return true;
  }
  if (block) return false;
  const Dropped dropped = TryDropFor(append);
  if (dropped == Dropped::kNothingLeft) AnswerFull(command);
  return dropped != Dropped::kNotFollowed;
}

bool Topic::TryReclaimFor(absl::FunctionRef<bool()> append) {
  // The open segment may be consumed already; ended, it can be freed.
  if (log_.HasOpenBlock()) {
    log_.Seal();
    StepOn();
    PokeSubscriptions();
  }
  if (log_.Reclaim() && append()) return true;
  while (TryYieldHistory()) {
    if (log_.Reclaim() && append()) return true;
  }
  return false;
}

Topic::Dropped Topic::TryDropFor(absl::FunctionRef<bool()> append) {
  while (AllFollowed()) {
    if (log_.Reclaim() && append()) return Dropped::kDone;
    if (!TryDropOldest()) return Dropped::kNothingLeft;
    if (append()) return Dropped::kDone;
  }
  return Dropped::kNotFollowed;  // until the subscriptions have let go of what was just given up
}

bool Topic::TryAppend(PublishCommand* command) {
  if (command->scheduled) return TrySchedule(command);
  TimesToLive ttl;
  if (command->expires) ttl = TimesToLive::Of(command->records, command->count);
  const uint64_t first = log_.end_sequence();
  if (!TryStore(command->records, command->bytes, command->count, ttl, nullptr)) return false;
  Taken(command, first, command->count);
  return true;
}

bool Topic::TryStore(const char* records, uint32_t bytes, uint32_t count, const TimesToLive& ttl,
                     uint64_t* prepaid) {
  if (!log_.Append(records, bytes, count, around_.clock.SteadyMillis(), around_.clock.WallMillis(),
                   {ttl.shortest_ms, prepaid})) {
    return false;
  }
  appended_ = true;
  counters_.published_messages.Add(count);
  counters_.published_bytes.Add(bytes);
  if (ttl.longest_ms != 0) NoteTimesToLive(ttl);
  return true;
}

void Topic::Taken(PublishCommand* command, uint64_t first, uint32_t count) {
  command->result.first_sequence = first;
  command->result.count = count;
  command->result.scheduled = command->count - count;
  const ProducerTable::Taken taken = {first, count, command->result.scheduled};
  if (!command->dedup_id.empty()) {
    dedup_.Record(command->producer == nullptr ? std::string_view() : *command->producer,
                  command->dedup_id, taken, around_.clock.SteadyMillis());
    counters_.forgotten_ids.Set(dedup_.forgotten());
    ChargeProducers();
  } else if (command->producer != nullptr) {
    producers_.Record(*command->producer, command->batch, taken);
    ChargeProducers();
  }
  answered_.push_back(command);
}

uint64_t Topic::SpaceFor(const PublishCommand& command) {
  const uint64_t space = Segment::CapacityFor(command.bytes);
  if (!command.scheduled) return space;
  return space + command.count * Schedule::kMostBeside + Schedule::kReserve;
}

void Topic::AnswerDuplicate(PublishCommand* command, const ProducerTable::Taken& taken) {
  counters_.duplicate_batches.Add(1);
  command->result.first_sequence = taken.first_sequence;
  command->result.count = taken.count;
  command->result.scheduled = taken.scheduled;
  command->result.duplicate = true;
  answered_.push_back(command);
}

bool Topic::RecogniseDuplicate(PublishCommand* command) {
  if (!command->dedup_id.empty()) {
    const uint64_t before = dedup_.bytes();
    const auto taken =
        dedup_.Look(command->producer == nullptr ? std::string_view() : *command->producer,
                    command->dedup_id, around_.clock.SteadyMillis());
    if (dedup_.bytes() != before) ChargeProducers();  // some were over
    if (taken) AnswerDuplicate(command, *taken);
    return taken.has_value();
  }
  if (command->producer == nullptr) return false;
  const ProducerTable::Answer answer = producers_.Look(*command->producer, command->batch);
  switch (answer.verdict) {
    case ProducerTable::Verdict::kNew:
      return false;
    case ProducerTable::Verdict::kDuplicate:
      AnswerDuplicate(command, answer.taken);
      return true;
    case ProducerTable::Verdict::kForgotten:
      Answer(command, absl::AbortedError(absl::StrCat("batch: ", command->batch,
                                                      ": was taken before, more than ",
                                                      ProducerTable::kBatches, " batches ago")));
      return true;
    case ProducerTable::Verdict::kSkipped:
      Answer(command, absl::AbortedError(absl::StrCat("batch: ", command->batch, ": batch ",
                                                      answer.expected, " must come first")));
      return true;
  }
  return false;
}

void Topic::Answer(PublishCommand* command, absl::Status status) {
  command->result.status = std::move(status);
  answered_.push_back(command);
}

void Topic::AnswerFull(PublishCommand* command) {
  counters_.rejected_batches.Add(1);
  counters_.rejected_messages.Add(command->count);
  const Budget& own = storage_->budget;
  const bool own_full = OwnFull(command->scheduled ? SpaceFor(*command) : command->bytes);
  if (!own_full) around_.memory->wanted.store(true, std::memory_order_relaxed);
  const Budget& full = own_full ? own : around_.memory->budget;
  command->result.retry_after_ms = kRetryAfterMs;
  Answer(command,
         absl::ResourceExhaustedError(absl::StrCat(
             own_full ? "the budget of topic \"" : "the broker's memory budget, for topic \"",
             name_, "\", has no room for ", command->bytes, " bytes: ", full.UsedApprox(), " of ",
             full.limit(), " are held; consume messages, or try again later")));
}

bool Topic::OwnFull(uint64_t bytes) const {
  const Budget& own = storage_->budget;
  return own.limit() != 0 && own.UsedApprox() + bytes > own.limit();
}

void Topic::RetryWaiting() {
  if (due_waits_) PublishDue();
  for (;;) {
    while (!waiting_publishes_.empty() && TryTake(waiting_publishes_.front())) {
      waiting_publishes_.pop_front();
    }
    if (waiting_publishes_.empty() || waiting_for_budget_) return;
    // And look again: memory may have come free just before.
    const PublishCommand& first = *waiting_publishes_.front();
    WaitForBudget(first.scheduled ? SpaceFor(first) : first.bytes);
  }
}

void Topic::WaitForBudget(uint64_t bytes) {
  if (!OwnFull(bytes)) around_.memory->wanted.store(true, std::memory_order_relaxed);
  waiting_for_budget_ = true;
  intrusive_ptr_add_ref(this);  // until HandleBudgetFreed
  storage_->budget.Wait(this);
}

void Topic::HandleBudgetFreed() {
  const TopicPtr self(this, /*add_ref=*/false);
  waiting_for_budget_ = false;
  log_.Reclaim();
  RetryWaiting();
}

void Topic::DropAbandoned() {
  Post([self = TopicPtr(this)] {
    auto& waiting = self->waiting_publishes_;
    const auto abandoned = [](const PublishCommand* c) { return c->IsAbandoned(); };
    const auto kept = std::stable_partition(waiting.begin(), waiting.end(), std::not_fn(abandoned));
    const std::vector<PublishCommand*> dropped(kept, waiting.end());
    waiting.erase(kept, waiting.end());
    for (PublishCommand* c : dropped) self->Answer(c, absl::CancelledError("the caller went away"));
    self->RetryWaiting();  // those behind may fit
  });
}

void Topic::EndTurn() {
  earliest_ = 0;
  if (std::exchange(scheduled_, false)) PublishDue();
  if (appended_) {
    appended_ = false;
    if (config_.retention_bytes != 0) ExpireBySize();
    if (config_.retention_age_ms != 0) ScheduleRetention();
    NoteHeld();
    // Consumers first: their latency counts for more than the publisher's answer.
    WakeSubscriptions();
  }
  for (size_t i = 0; i < answered_.size(); ++i) answered_[i]->Done();
  answered_.clear();
}

// --- Subscriptions ------------------------------------------------------------------------------

void Topic::Attach(SubscriptionPtr subscription, const StartPosition& start) {
  Post([self = TopicPtr(this), subscription = std::move(subscription), start] {
    self->HandleAttach(subscription, start);
  });
}

void Topic::AttachSoon(SubscriptionPtr subscription, const StartPosition& start) {
  PostDeferred([self = TopicPtr(this), subscription = std::move(subscription), start] {
    self->HandleAttach(subscription, start);
  });
}

void Topic::HandleAttach(const SubscriptionPtr& subscription, const StartPosition& start) {
  if (deleted()) {
    return subscription->End(absl::AbortedError(absl::StrCat("topic \"", name_, "\" was deleted")));
  }
  Attachment attachment =
      Find(start, [this] { return history_ ? history_.sequence() : EarliestUnconsumed(); });
  attachment.TakeWanted(left_behind_);
  if (attachment.place.sequence() < earliest_ || !attachment.again.empty()) earliest_ = 0;
  earliest_holders_ += attachment.place.sequence() == earliest_;
  {
    absl::MutexLock lock(&subscriptions_mutex_);
    subscriptions_.push_back(subscription);
  }
  if (subscription->config().retain_acked && retaining_++ == 0) history_ = log_.At(Kept());
  keep_.Reset();
  left_behind_ = {};
  subscription->Attached(std::move(attachment));
  log_.Reclaim();
  NoteHeld();
}

uint64_t Topic::EarliestUnsent() const {
  if (keep_) return keep_.sequence();
  uint64_t earliest = log_.end_sequence();
  for (const SubscriptionPtr& s : subscriptions_) earliest = std::min(earliest, s->position());
  return std::max(earliest, trim_to());
}

uint64_t Topic::EarliestUnconsumed() {
  if (keep_) return EarliestUnsent();
  if (earliest_ == 0) {
    earliest_ = log_.end_sequence();
    earliest_holders_ = 0;
    for (const SubscriptionPtr& s : subscriptions_) {
      const uint64_t held = std::min(s->position(), s->floor());
      if (held < earliest_) earliest_holders_ = 0;
      earliest_ = std::min(earliest_, held);
      earliest_holders_ += held == earliest_;
    }
  }
  return std::max(earliest_, trim_to());
}

void Topic::Detach(SubscriptionPtr subscription, Cursor place, IntervalMap<Redelivery> unconsumed) {
  Post([self = TopicPtr(this), subscription = std::move(subscription), place = std::move(place),
        unconsumed = std::move(unconsumed)]() mutable {
    self->HandleDetach(subscription, std::move(place), std::move(unconsumed));
    self->HandleMoved();
  });
}

void Topic::HandleDetach(const SubscriptionPtr& subscription, Cursor place,
                         IntervalMap<Redelivery> unconsumed) {
  const auto found = std::find(subscriptions_.begin(), subscriptions_.end(), subscription);
  if (found == subscriptions_.end()) return;
  {
    absl::MutexLock lock(&subscriptions_mutex_);
    subscriptions_.erase(found);
  }
  const uint64_t held = std::min(subscription->position(), subscription->floor());
  if (subscriptions_.empty() || (held <= earliest_ && earliest_holders_-- <= 1)) earliest_ = 0;
  if (subscription->config().retain_acked && --retaining_ == 0) history_.Reset();
  // It may still be waiting for messages, and has to be woken to be freed. Not each time, because
  // that wakes all of them.
  if (++detached_ > subscriptions_.size()) WakeSubscriptions();
  if (!subscriptions_.empty()) return;
  if (subscription->name().empty() && !deleted()) {
    keep_ = log_.At(std::max(place.sequence(), trim_to()));
    left_behind_ = std::move(unconsumed);
    if (trim_to() > 1) left_behind_.Carve(1, trim_to() - 1, [](Redelivery&&) {});
    if (last_expiry_ms_ != 0) ScheduleExpiry();
  } else {
    if (deleted()) log_.Seal();
    keep_ = log_.At(log_.end_sequence());
  }
}

void Topic::HandleMoved() {
  log_.Reclaim();
  NoteHeld();
  RetryWaiting();
}

void Topic::WakeSubscriptions() {
  detached_ = 0;
  for (Subscription* s = waiting_.TakeAll(); s != nullptr;) {
    Subscription* next = s->next_waiter;
    s->MessagesArrived();
    s = next;
  }
}

void Topic::PokeSubscriptions() {
  pokes_.fetch_add(1, std::memory_order_release);
  for (const SubscriptionPtr& s : subscriptions_) s->Poke();
}

void Topic::Delete() {
  deleted_.store(true, std::memory_order_release);
  Post([self = TopicPtr(this)] { self->HandleDelete(); });
}

void Topic::HandleDelete() {
  DropSchedule();
  RetryWaiting();  // answers them all
  for (const SubscriptionPtr& s : subscriptions_) {
    s->End(absl::AbortedError(absl::StrCat("topic \"", name_, "\" was deleted")));
  }
  history_.Reset();
  for (const SnapshotPtr& snapshot : std::exchange(snapshots_, {})) snapshot->Drop();
  if (keep_) {
    log_.Seal();
    keep_ = log_.At(log_.end_sequence());
    left_behind_ = {};
  }
  log_.Reclaim();
  NoteHeld();
}

// --- Figures ------------------------------------------------------------------------------------

TopicStats Topic::Stats() const {
  TopicStats stats;
  stats.figures = counters_.Read();
  stats.next_sequence = log_.end_sequence();
  stats.held_bytes = storage_->budget.UsedApprox();  // also what only leases and frames hold
  stats.held_messages = counters_.kept_messages.Get();
  stats.scheduled_messages = counters_.scheduled_messages.Get();
  absl::MutexLock lock(&subscriptions_mutex_);
  stats.subscriptions = static_cast<uint32_t>(subscriptions_.size());
  for (const SubscriptionPtr& s : subscriptions_) {
    stats.held_messages = std::max(stats.held_messages, s->Stats().unconsumed());
  }
  return stats;
}

bool Topic::Consumable() const {
  absl::MutexLock lock(&subscriptions_mutex_);
  return std::any_of(subscriptions_.begin(), subscriptions_.end(), [](const SubscriptionPtr& s) {
    const SubscriptionStats stats = s->Stats();
    return stats.figures.consumers > 0 && stats.figures.paused == 0 &&
           stats.unconsumed() > stats.figures.dead_letter_waiting;
  });
}

bool Topic::HasConsumers() const {
  absl::MutexLock lock(&subscriptions_mutex_);
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [](const SubscriptionPtr& s) { return s->consumers() > 0; });
}

}  // namespace estiba
