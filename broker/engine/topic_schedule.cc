// Topic: messages that are published later. What has been taken is published at its time, whatever
// the full policy says: where memory is full, it waits for room, first in line.
#include <algorithm>
#include <string>
#include <utility>

#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {
namespace {

// Longest time that a timer, and with it a topic that has been deleted, is kept.
constexpr int64_t kMostLookMs = 10'000;
// Batches that a turn publishes before others get theirs: a few milliseconds.
constexpr int kMostBatches = 16;

// Calls f(record, times) with each record.
template <typename F>
void ForEachRecord(const PublishCommand& command, F&& f) {
  const char* p = command.records;
  for (uint32_t i = 0; i < command.count; ++i) {
    const std::string_view message = RecordBody(p);
    const char* const end = message.data() + message.size();
    f(std::string_view(p, static_cast<size_t>(end - p)), ReadTimes(message));
    p = end;
  }
}

}  // namespace

bool Topic::TrySchedule(PublishCommand* command) {
  std::string now;  // what is published at once
  uint32_t now_count = 0;
  TimesToLive ttl;
  uint64_t charge = 0;
  ForEachRecord(*command, [&](std::string_view record, const MessageTimes& times) {
    if (times.scheduled()) {
      charge += Schedule::ChargeFor(record.size());
      return;
    }
    now.append(record);
    ++now_count;
    ttl.Add(times.time_to_live_ms);
  });
  const int64_t steady_ms = around_.clock.SteadyMillis();
  if (schedule_ == nullptr) schedule_ = std::make_unique<Schedule>(storage_, steady_ms);
  scheduled_ = true;
  // All or nothing: what the log may need is charged along.
  const uint32_t now_bytes = static_cast<uint32_t>(now.size());
  uint64_t prepaid = now_count == 0 ? 0 : Segment::CapacityFor(now_bytes) + sizeof(Segment);
  if (!schedule_->TryReserve(charge, prepaid)) return false;
  const uint64_t first = now_count == 0 ? 0 : log_.end_sequence();
  const bool stored = now_count == 0 || TryStore(now.data(), now_bytes, now_count, ttl, &prepaid);
  if (prepaid > 0) storage_->budget.Release(prepaid);
  if (!stored) {
    schedule_->Return(charge);
    return false;
  }
  const int64_t wall_ms = around_.clock.WallMillis();
  ForEachRecord(*command, [&](std::string_view record, const MessageTimes& times) {
    if (!times.scheduled()) return;
    const int64_t wait_ms =
        times.deliver_at_ms == 0 ? times.deliver_after_ms : times.deliver_at_ms - wall_ms;
    // Part of the clock's present millisecond is over.
    schedule_->Add(record, wait_ms <= 0 ? steady_ms : steady_ms + wait_ms + 1);
  });
  Taken(command, first, now_count);
  return true;
}

void Topic::PublishDue() {
  due_waits_ = false;
  if (schedule_ == nullptr) return;
  const int64_t now = around_.clock.SteadyMillis();
  for (int batches = 0; schedule_->TakeDue(now); ++batches) {
    if (batches == kMostBatches) {
      publish_due_.SendOnce();
      YieldTurn();
      break;
    }
    if (TryStoreDue()) continue;
    due_waits_ = true;
    if (waiting_for_budget_) break;
    // And try again: memory may have come free just before.
    const uint64_t needed =
        Segment::CapacityFor(static_cast<uint32_t>(schedule_->due().records.size())) +
        sizeof(Segment);
    WaitForBudget(needed - std::min(needed, schedule_->prepaid()));
  }
  counters_.scheduled_messages.Set(schedule_->messages());
  if (schedule_->empty()) {
    schedule_.reset();
  } else if (!due_waits_) {
    ArmSchedule();
  }
}

bool Topic::TryStoreDue() {
  const Schedule::Due& due = schedule_->due();
  const auto store = [&] {
    uint64_t prepaid = schedule_->prepaid();
    if (!TryStore(due.records.data(), static_cast<uint32_t>(due.records.size()), due.count, due.ttl,
                  &prepaid)) {
      return false;
    }
    schedule_->Stored(prepaid);
    return true;
  };
  if (store() || TryReclaimFor(store)) return true;
  return config_.full_policy == FullPolicy::kDropOldest && TryDropFor(store) == Dropped::kDone;
}

void Topic::ArmSchedule() {
  const int64_t next = schedule_->NextDue();
  if (next == TimerWheel::kNever) return;
  const int64_t now = around_.clock.SteadyMillis();
  const int64_t at = std::clamp(next, now + 1, now + kMostLookMs);
  if (!schedule_timers_.empty() && schedule_timers_.begin()->first <= at) return;
  auto timer = std::make_unique<ScheduleTimer>(this, at);
  around_.timers.At(at, this, timer.get());
  schedule_timers_.emplace(at, std::move(timer));
}

void Topic::HandleScheduleTimer(int64_t at_ms) {
  schedule_timers_.erase(at_ms);
  PublishDue();
}

void Topic::DropSchedule() {
  schedule_.reset();
  due_waits_ = false;
  counters_.scheduled_messages.Set(0);
}

}  // namespace estiba
