#include "broker/engine/topic.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// What a publisher is told to wait when memory is full.
constexpr int64_t kRetryAfterMs = 100;

}  // namespace

void PublishCommand::Run() { topic_->Take(this); }

Topic::Topic(std::string name, const TopicConfig& config, const Surroundings& surroundings)
    : Actor(surroundings.executor),
      name_(std::move(name)),
      config_(config),
      around_(surroundings),
      create_time_ms_(around_.clock.WallMillis()),
      storage_(std::make_shared<Storage>(around_.memory, config.budget_bytes)),
      log_(storage_),
      keep_(log_.At(1)) {
  budget_freed_.topic = moved_.topic = retention_due_.topic = this;
  budget_freed_.function = &Topic::HandleBudgetFreed;
  moved_.function = &Topic::HandleMoved;
  retention_due_.function = &Topic::HandleRetention;
  NoteHeld();
}

Topic::~Topic() { storage_->budget.Release(producers_charged_); }

void Topic::SendOnce(TurnCommand& command) {
  if (!command.pending.exchange(true, std::memory_order_acq_rel)) Send(&command);
}

// --- Publishing ---------------------------------------------------------------------------------

void Topic::Publish(PublishCommand* command) {
  command->topic_ = this;
  Send(command);
}

void Topic::Take(PublishCommand* command) {
  if (waiting_publishes_.empty() && TryTake(command)) return;
  counters_.blocked_batches.Add(1);
  waiting_publishes_.push_back(command);
  RetryWaiting();
}

bool Topic::TryTake(PublishCommand* command) {
  if (deleted()) {
    Answer(command, absl::AbortedError(absl::StrCat("topic \"", name_, "\" was deleted")));
    return true;
  }
  if (command->cancelled.load(std::memory_order_relaxed)) {
    Answer(command, absl::CancelledError("the caller went away"));
    return true;
  }
  if (RecogniseDuplicate(command) || TryAppend(command)) return true;

  // Full. The open segment may be consumed already; ended, it can be freed.
  if (log_.HasOpenBlock()) {
    log_.Seal();
    keep_ ? keep_.SkipTo(keep_.sequence()) : PokeSubscriptions();
    if (log_.Reclaim() && TryAppend(command)) return true;
  }
  const uint64_t limit =
      config_.budget_bytes != 0 ? config_.budget_bytes : around_.memory->budget.limit();
  const bool never_fits = limit != 0 && Segment::CapacityFor(command->bytes) > limit;
  if (config_.full_policy == FullPolicy::kReject || never_fits) {
    AnswerFull(command);
    return true;
  }
  if (config_.full_policy == FullPolicy::kBlock) return false;
  while (AllFollowed()) {
    if (!TryDropOldest()) {
      AnswerFull(command);
      return true;
    }
    if (TryAppend(command)) return true;
  }
  return false;  // until the subscriptions have let go of what was just given up
}

bool Topic::TryAppend(PublishCommand* command) {
  const uint64_t first = log_.end_sequence();
  if (!log_.Append(command->records, command->bytes, command->count, around_.clock.SteadyMillis(),
                   around_.clock.WallMillis())) {
    return false;
  }
  appended_ = true;
  counters_.published_messages.Add(command->count);
  counters_.published_bytes.Add(command->bytes);
  command->result.first_sequence = first;
  command->result.count = command->count;
  if (command->producer != nullptr) {
    producers_.Record(*command->producer, command->batch, first, command->count);
    if (producers_.bytes() > producers_charged_) {
      storage_->budget.ForceCharge(producers_.bytes() - producers_charged_);
      producers_charged_ = producers_.bytes();
    }
  }
  answered_.push_back(command);
  return true;
}

bool Topic::RecogniseDuplicate(PublishCommand* command) {
  if (command->producer == nullptr) return false;
  const ProducerTable::Answer answer = producers_.Look(*command->producer, command->batch);
  switch (answer.verdict) {
    case ProducerTable::Verdict::kNew:
      return false;
    case ProducerTable::Verdict::kDuplicate:
      counters_.duplicate_batches.Add(1);
      command->result.first_sequence = answer.first_sequence;
      command->result.count = answer.count;
      command->result.duplicate = true;
      answered_.push_back(command);
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
  const bool own_full = own.limit() != 0 && own.UsedApprox() + command->bytes > own.limit();
  const Budget& full = own_full ? own : around_.memory->budget;
  command->result.retry_after_ms = kRetryAfterMs;
  Answer(command,
         absl::ResourceExhaustedError(absl::StrCat(
             own_full ? "the budget of topic \"" : "the broker's memory budget, for topic \"",
             name_, "\", is full: ", full.UsedApprox(), " of ", full.limit(),
             " bytes are held; consume messages, or try again later")));
}

void Topic::RetryWaiting() {
  for (;;) {
    while (!waiting_publishes_.empty() && TryTake(waiting_publishes_.front())) {
      waiting_publishes_.pop_front();
    }
    if (waiting_publishes_.empty() || waiting_for_budget_) return;
    WaitForBudget();  // and look again: memory may have come free just before
  }
}

void Topic::WaitForBudget() {
  waiting_for_budget_ = true;
  intrusive_ptr_add_ref(this);  // until HandleBudgetFreed
  storage_->budget.Wait(this);
}

void Topic::OnBudgetFreed() { SendDeferred(&budget_freed_); }

void Topic::HandleBudgetFreed() {
  const TopicPtr self(this, /*add_ref=*/false);
  waiting_for_budget_ = false;
  log_.Reclaim();
  RetryWaiting();
}

void Topic::DropCancelled() {
  Post([self = TopicPtr(this)] {
    auto& waiting = self->waiting_publishes_;
    const auto cancelled = [](const PublishCommand* c) {
      return c->cancelled.load(std::memory_order_relaxed);
    };
    const auto kept = std::stable_partition(waiting.begin(), waiting.end(), std::not_fn(cancelled));
    const std::vector<PublishCommand*> dropped(kept, waiting.end());
    waiting.erase(kept, waiting.end());
    for (PublishCommand* c : dropped) self->Answer(c, absl::CancelledError("the caller went away"));
  });
}

void Topic::EndTurn() {
  if (appended_) {
    appended_ = false;
    if (config_.retention_bytes != 0) ExpireBySize();
    if (config_.retention_age_ms != 0) ScheduleRetention();
    NoteHeld();
    // Consumers first: their latency counts for more than the publisher's answer.
    for (Subscription* s = waiting_.TakeAll(); s != nullptr;) {
      Subscription* next = s->next_waiter;
      s->MessagesArrived();
      s = next;
    }
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

void Topic::HandleAttach(const SubscriptionPtr& subscription, const StartPosition& start) {
  if (deleted()) {
    return subscription->End(absl::AbortedError(absl::StrCat("topic \"", name_, "\" was deleted")));
  }
  const uint64_t kept = std::max(log_.begin_sequence(), trim_to());
  Gap gap;
  Cursor place;
  uint64_t pass_over = 0;
  switch (start.kind) {
    case StartPosition::Kind::kEarliest:
      place = log_.At(EarliestUnsent());
      break;
    case StartPosition::Kind::kLatest:
      place = log_.At(log_.end_sequence());
      break;
    case StartPosition::Kind::kSequence:
      place = log_.At(std::max(start.sequence, kept));
      if (start.sequence < kept) gap = {start.sequence, kept - 1, GapReason::kNotKept};
      pass_over = start.sequence;
      break;
    case StartPosition::Kind::kTime:
      place = log_.AtTime(start.time_ms);
      place.SkipTo(kept);
      break;
  }
  {
    absl::MutexLock lock(&subscriptions_mutex_);
    subscriptions_.push_back(subscription);
  }
  keep_.Reset();
  subscription->Attached(std::move(place), pass_over, gap);
  log_.Reclaim();
  NoteHeld();
}

uint64_t Topic::EarliestUnsent() const {
  if (keep_) return keep_.sequence();
  uint64_t earliest = log_.end_sequence();
  for (const SubscriptionPtr& s : subscriptions_) earliest = std::min(earliest, s->position());
  return std::max(earliest, trim_to());
}

void Topic::Detach(SubscriptionPtr subscription, uint64_t unconsumed, std::vector<Cursor> places) {
  Post([self = TopicPtr(this), subscription = std::move(subscription), unconsumed,
        places = std::move(places)]() mutable {
    self->HandleDetach(subscription, unconsumed);
    places.clear();
    self->HandleMoved();
  });
}

void Topic::HandleDetach(const SubscriptionPtr& subscription, uint64_t unconsumed) {
  const auto found = std::find(subscriptions_.begin(), subscriptions_.end(), subscription);
  if (found == subscriptions_.end()) return;
  {
    absl::MutexLock lock(&subscriptions_mutex_);
    subscriptions_.erase(found);
  }
  if (!subscriptions_.empty()) return;
  if (deleted()) log_.Seal();
  keep_ = log_.At(deleted() ? log_.end_sequence() : std::max(unconsumed, trim_to()));
}

void Topic::SubscriptionMoved() { SendOnce(moved_); }

void Topic::HandleMoved() {
  moved_.pending.store(false, std::memory_order_release);
  log_.Reclaim();
  NoteHeld();
  RetryWaiting();
}

void Topic::PokeSubscriptions() {
  for (const SubscriptionPtr& s : subscriptions_) s->Poke();
}

void Topic::Delete() {
  deleted_.store(true, std::memory_order_release);
  Post([self = TopicPtr(this)] { self->HandleDelete(); });
}

void Topic::HandleDelete() {
  RetryWaiting();  // answers them all
  for (const SubscriptionPtr& s : subscriptions_) {
    s->End(absl::AbortedError(absl::StrCat("topic \"", name_, "\" was deleted")));
  }
  if (keep_) {
    log_.Seal();
    keep_ = log_.At(log_.end_sequence());
    log_.Reclaim();
  }
  NoteHeld();
}

// --- Giving up and giving back ------------------------------------------------------------------

bool Topic::AllFollowed() const {
  return std::all_of(subscriptions_.begin(), subscriptions_.end(),
                     [&](const SubscriptionPtr& s) { return s->followed_to() >= trim_to(); });
}

bool Topic::TryDropOldest() {
  const uint64_t to = log_.SecondSegment();
  if (to <= trim_to() && log_.begin_sequence() == log_.end_sequence()) return false;
  if (to <= trim_to()) return false;
  TrimTo(to, GapReason::kDroppedOldest);
  return true;
}

void Topic::TrimTo(uint64_t sequence, GapReason reason) {
  if (sequence <= trim_to()) return;
  const uint64_t unsent = EarliestUnsent();
  const uint64_t given_up = sequence > unsent ? sequence - unsent : 0;
  (reason == GapReason::kRetention ? counters_.expired_messages : counters_.dropped_messages)
      .Add(given_up);
  trim_reason_.store(reason, std::memory_order_relaxed);
  trim_to_.store(sequence, std::memory_order_release);
  if (keep_) keep_.SkipTo(sequence);
  PokeSubscriptions();
  log_.Reclaim();
  NoteHeld();
}

void Topic::ExpireBySize() {
  uint64_t excess = log_.message_bytes();
  if (excess <= config_.retention_bytes) return;
  TrimTo(log_.SecondSegment(), GapReason::kRetention);
}

void Topic::ScheduleRetention() {
  if (retention_timer_) return;
  retention_timer_ = true;
  const int64_t step = std::clamp<int64_t>(config_.retention_age_ms / 10, 100, 60'000);
  around_.timers.At(around_.clock.SteadyMillis() + step, this, &retention_due_);
}

void Topic::HandleRetention() {
  retention_timer_ = false;
  const Cursor place = log_.AtTime(around_.clock.WallMillis() - config_.retention_age_ms);
  TrimTo(place.sequence(), GapReason::kRetention);
  if (trim_to() < log_.end_sequence()) ScheduleRetention();
}

void Topic::Rest() {
  // Only what has stood still since the last look.
  const uint64_t end = log_.end_sequence();
  if (rest_end_.exchange(end, std::memory_order_relaxed) != end) return;
  if (counters_.held_bytes.Get() <= 2 * sizeof(Segment)) return;
  Post([self = TopicPtr(this)] { self->HandleRest(); });
}

void Topic::HandleRest() {
  const uint64_t end = log_.end_sequence();
  const bool consumed =
      keep_ ? keep_.sequence() == end
            : std::all_of(subscriptions_.begin(), subscriptions_.end(),
                          [&](const SubscriptionPtr& s) { return s->position() == end; });
  if (consumed && log_.HasOpenBlock()) {
    log_.Seal();
    if (keep_) keep_.SkipTo(end);
    PokeSubscriptions();
  }
  log_.Reclaim();
  NoteHeld();
}

void Topic::NoteHeld() {
  counters_.held_bytes.Set(log_.held_bytes() + producers_charged_);
  counters_.kept_messages.Set(keep_ ? log_.end_sequence() - keep_.sequence() : 0);
}

TopicStats Topic::Stats() const {
  TopicStats stats;
  stats.figures = counters_.Read();
  stats.next_sequence = log_.end_sequence();
  stats.held_bytes = counters_.held_bytes.Get();
  stats.held_messages = counters_.kept_messages.Get();
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
    return stats.figures.consumers > 0 && stats.unconsumed() > 0;
  });
}

}  // namespace estiba
