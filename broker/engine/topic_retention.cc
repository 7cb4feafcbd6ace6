// Topic: giving up what is too old or too much, and giving memory back.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/engine/snapshot.h"
#include "broker/engine/stragglers.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {
namespace {

// Marks that are kept over the retention age, roughly.
constexpr int64_t kMostAgeMarks = 64;

}  // namespace

bool Topic::AllFollowed() const {
  return seeks_under_way_.load(std::memory_order_acquire) == 0 &&
         std::all_of(subscriptions_.begin(), subscriptions_.end(),
                     [&](const SubscriptionPtr& s) { return s->followed() >= pokes(); });
}

bool Topic::TryDropOldest() {
  const uint64_t to = left_behind_.empty() ? log_.SecondSegment()
                                           : left_behind_.entries().begin()->second.run.end();
  if (to <= trim_to()) return false;
  TrimTo(to, GapReason::kDroppedOldest);
  return true;
}

void Topic::TrimTo(uint64_t sequence, GapReason reason) {
  if (sequence <= trim_to()) return;
  const uint64_t unsent = EarliestUnsent();
  uint64_t given_up = sequence > unsent ? sequence - unsent : 0;
  left_behind_.Carve(1, sequence - 1, [&](Redelivery&& r) { given_up += r.run.count; });
  (reason == GapReason::kRetention ? counters_.expired_messages : counters_.dropped_messages)
      .Add(given_up);
  trim_reason_.store(reason, std::memory_order_relaxed);
  trim_to_.store(sequence, std::memory_order_release);
  if (keep_) keep_.SkipTo(sequence);
  if (history_) history_.SkipTo(sequence);
  for (const SnapshotPtr& snapshot : snapshots_) snapshot->Trim(sequence);
  PokeSubscriptions();
  log_.Reclaim();
  NoteHeld();
}

void Topic::ExpireBySize() {
  // Not at every append, because it walks the segments.
  const uint64_t published = counters_.published_bytes.Get();
  if (published - size_checked_bytes_ < config_.retention_bytes / 64) return;
  size_checked_bytes_ = published;
  TrimTo(log_.BeginOfLast(config_.retention_bytes), GapReason::kRetention);
}

void Topic::ScheduleRetention() {
  if (retention_timer_) return;
  retention_timer_ = true;
  const int64_t step = std::clamp<int64_t>(config_.retention_age_ms / 10, 100, 60'000);
  around_.timers.At(around_.clock.SteadyMillis() + step, this, &retention_due_);
}

void Topic::HandleRetention() {
  retention_timer_ = false;
  if (deleted()) return;
  const int64_t now = around_.clock.WallMillis();
  const int64_t cutoff = now - config_.retention_age_ms;
  // The log tells the times of what is still in it. Before that come leases and redeliveries of any
  // age; for those, marks tell what has been published by when.
  const uint64_t in_log = log_.AtTime(cutoff).sequence();
  uint64_t to = in_log > log_.begin_sequence() ? in_log : 0;
  for (; !age_marks_.empty() && age_marks_.front().wall_ms <= cutoff; age_marks_.pop_front()) {
    to = std::max(to, age_marks_.front().sequence);
  }
  const uint64_t end = log_.end_sequence();
  if (age_marks_.empty() ||
      (age_marks_.back().sequence < end &&
       now - age_marks_.back().wall_ms >= config_.retention_age_ms / kMostAgeMarks)) {
    age_marks_.push_back({end, now});
  }
  TrimTo(to, GapReason::kRetention);
  if (trim_to() < end) ScheduleRetention();
}

void Topic::StepOn() {
  if (keep_) keep_.SkipTo(keep_.sequence());
  if (history_) history_.SkipTo(history_.sequence());
  for (const SnapshotPtr& snapshot : snapshots_) snapshot->StepOn();
}

void Topic::Rest() {
  // Only what has stood still since the last look.
  const uint64_t end = log_.end_sequence();
  if (rest_end_.exchange(end, std::memory_order_relaxed) != end) return;
  if (counters_.held_bytes.Get() <= 2 * sizeof(Segment)) return;
  Post([self = TopicPtr(this)] { self->HandleRest(); });
}

bool Topic::IdleExpired(int64_t steady_ms) {
  if (config_.idle_expiry_ms == 0) return false;
  const uint64_t end = log_.end_sequence();
  bool used = used_end_.exchange(end, std::memory_order_relaxed) != end ||
              counters_.snapshots.Get() != 0 || counters_.scheduled_messages.Get() != 0;
  {
    absl::MutexLock lock(&subscriptions_mutex_);
    used |= !subscriptions_.empty();
  }
  if (used) used_ms_.store(steady_ms, std::memory_order_relaxed);
  return steady_ms - used_ms_.load(std::memory_order_relaxed) >= config_.idle_expiry_ms;
}

void Topic::HandleRest() {
  dedup_.Expire(around_.clock.SteadyMillis());
  ChargeProducers();
  const uint64_t end = log_.end_sequence();
  const bool consumed =
      keep_ ? keep_.sequence() == end
            : std::all_of(subscriptions_.begin(), subscriptions_.end(),
                          [&](const SubscriptionPtr& s) { return s->position() == end; });
  if (consumed && log_.HasOpenBlock()) log_.Seal();
  StepOn();
  Stragglers stragglers(storage_, std::numeric_limits<uint64_t>::max());
  stragglers.Count(left_behind_);
  stragglers.Move(left_behind_, [](const Redelivery&) { return true; });
  PokeSubscriptions();
  log_.Reclaim();
  NoteHeld();
}

void Topic::NoteHeld() {
  left_behind_charge_.Set(left_behind_.size() * kEntryBytes);
  counters_.held_bytes.Set(log_.held_bytes() + producers_charge_.bytes());
  counters_.kept_messages.Set(left_behind_.messages() +
                              (keep_ ? log_.end_sequence() - keep_.sequence() : 0));
}

}  // namespace estiba
