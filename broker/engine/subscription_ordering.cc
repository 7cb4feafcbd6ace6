// Subscription: messages with an ordering key, one after the other.
#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "broker/engine/expiry.h"
#include "broker/engine/filter.h"
#include "broker/engine/subscription.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

constexpr int64_t kNeverMs = std::numeric_limits<int64_t>::max();
constexpr uint32_t kPeekMessages = 8'192;

// Calls f with each message of a run; those whose memory is given up, too.
template <typename F>
void ForEachMessage(Run run, F&& f) {
  while (!run.empty()) f(run.TakeFront(1));
}

uint64_t KeyOf(const Run& message) { return Ordering::KeyOf(RecordBody(message.data())); }

}  // namespace

Delivery Subscription::TakeBlocked(const Consumer& consumer, uint32_t max_messages,
                                   uint64_t max_bytes) {
  const int64_t now = around_.clock.WallMillis();
  for (;;) {
    Delivery taken = ordering_->Take(&consumer, max_messages, max_bytes);
    Delivery left;
    left.attempt = taken.attempt;
    for (const Run& run : taken.runs()) {
      SplitExpired(run, now, [&](Run part, bool expired) {
        // They are not more than kMaxRuns, however they are parted.
        if (!expired) return left.Add(std::move(part));
        counters_.expired_messages.Add(part.count);
        ForEachMessage(
            part, [&](const Run& message) { ordering_->Gone(message.first, [](uint64_t) {}); });
      });
    }
    if (taken.empty() || !left.empty()) return left;
  }
}

Delivery Subscription::TakeOrdered(const Consumer& consumer, uint32_t max_messages,
                                   uint64_t max_bytes) {
  Delivery delivery = TakeBlocked(consumer, max_messages, max_bytes);
  if (!delivery.empty()) return delivery;
  bool full = false;
  while (!full && scan_left_ > 0 && ordering_->HasRoom()) {
    Run rest = cursor_.Peek(std::numeric_limits<uint32_t>::max(), kPeekMessages);
    if (rest.empty() || rest.first < pass_over_) break;
    Run done = rest;
    std::optional<ExpiryCheck> expiry;
    if (MayHaveExpired(*rest.segment)) {
      expiry.emplace(*rest.segment, around_.clock.WallMillis());
    }
    while (!full && !rest.empty() && scan_left_ > 0 && ordering_->HasRoom()) {
      const std::string_view body = RecordBody(rest.data());
      const uint64_t bytes = static_cast<uint64_t>(body.data() + body.size() - rest.data());
      full = delivery.full() || (!delivery.empty() && delivery.bytes() + bytes > max_bytes);
      if (full) break;
      --scan_left_;
      Run message = rest.TakeFront(1);
      if (expiry && expiry->Expired(message.first, body)) {
        counters_.expired_messages.Add(1);
        continue;
      }
      if (config_.filter != nullptr && !config_.filter->Matches(body)) {
        counters_.filtered_messages.Add(1);
        continue;
      }
      const uint64_t key = Ordering::KeyOf(body);
      if (key == 0 || ordering_->Admit(&consumer, key, message)) {
        delivery.Add(std::move(message));
        full = delivery.messages() >= max_messages || delivery.bytes() >= max_bytes;
      } else {
        blocked_some_ = true;
      }
    }
    done.count -= rest.count;
    done.bytes -= rest.bytes;
    cursor_.Advance(done);
    if (!rest.empty()) break;
  }
  return delivery;
}

void Subscription::AckOrdered(const SequenceRange& range) {
  uint64_t acked = 0;
  std::vector<Lease> leases;
  leases_.Take(range.first, range.last, [&](Lease&& lease) { leases.push_back(std::move(lease)); });
  for (Lease& lease : leases) {
    if (lease.acked) {
      // Unless an earlier one of this range has settled it.
      if (ordering_->InFlight(lease.run.first)) leases_.Grant(std::move(lease));
      continue;
    }
    lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
    ForEachMessage(lease.run, [&](Run message) {
      const uint64_t sequence = message.first;
      if (!ordering_->InFlight(sequence)) {
        ++acked;
        return;
      }
      ordering_->Acked(sequence, [&](uint64_t s) {
        ++acked;
        if (s != sequence) leases_.Take(s, s, [](Lease&&) {});
      });
      if (!ordering_->InFlight(sequence)) return;
      Lease early = lease;
      early.run = std::move(message);
      early.acked = true;
      early.deadline_ms = kNeverMs;
      leases_.Grant(std::move(early));
    });
  }
  // An ack after the deadline still counts if the message has not gone out again; one for a message
  // that never went out does not.
  const auto late = [&](const Run& run) { acked += run.count; };
  redeliveries_.Carve(range.first, range.last, [&](Redelivery&& r) { late(r.run); });
  if (retries_ != nullptr) {
    retries_->Carve(range.first, range.last, [&](Redelivery&& r) { late(r.run); });
  }
  ordering_->Carve(range.first, range.last, /*only_delivered=*/true,
                   [&](Blocked&& b) { late(b.run); });
  if (dead_ != nullptr) {
    dead_->waiting.Carve(range.first, range.last, [&](DeadLetter&& letter) { late(letter.run); });
  }
  counters_.acked_messages.Add(acked);
}

void Subscription::SentOrdered(const Delivery& delivery, bool ok) {
  for (const Run& run : delivery.runs()) {
    if (ok) {
      ForEachMessage(run, [&](const Run& message) {
        if (ordering_->InFlight(message.first)) ordering_->Acked(message.first, [](uint64_t) {});
      });
    } else {
      // Never accepted, so never delivered: it goes out again as the same attempt.
      failures_.push_back({{run, delivery.attempt - 1, nullptr, 0, 0, false}, 0, false, nullptr});
    }
  }
  SettleFailures();
}

void Subscription::SettleFailures() {
  if (ordering_ == nullptr || failures_.empty()) return;
  // By sequence, because a message brings back those behind it.
  absl::btree_map<uint64_t, Failure> failing;
  for (Failure& failure : std::exchange(failures_, {})) {
    ForEachMessage(failure.lease.run, [&](Run message) {
      Failure one = failure;
      one.lease.run = std::move(message);
      failing.emplace(one.lease.run.first, std::move(one));
    });
  }
  int64_t delay_ms = 0;
  const auto take = [&](uint64_t sequence) {
    Lease lease;
    if (const auto it = failing.find(sequence); it != failing.end()) {
      lease = std::move(it->second.lease);
      delay_ms = std::max(delay_ms, it->second.delay_ms);
      failing.erase(it);
    } else {
      leases_.Take(sequence, sequence, [&](Lease&& taken) { lease = std::move(taken); });
    }
    if (lease.consumer != nullptr && !lease.acked) {
      lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
    }
    return lease;
  };
  const auto settled = [&](uint64_t sequence) {
    counters_.acked_messages.Add(1);
    take(sequence);
  };
  const int64_t now = around_.clock.SteadyMillis();
  while (!failing.empty()) {
    const uint64_t sequence = failing.begin()->first;
    Failure& failure = failing.begin()->second;
    const bool keyed = ordering_->InFlight(sequence);
    if (failure.lease.acked) {
      // Only an earlier one brings it back.
      if (keyed) leases_.Grant(std::move(failure.lease));
      failing.erase(failing.begin());
      continue;
    }
    if (failure.reason != nullptr || (failure.counts && IsDead(failure.lease))) {
      Bury(std::move(failure.lease), std::move(failure.reason));
      failing.erase(failing.begin());
      if (keyed) ordering_->Gone(sequence, settled);
      continue;
    }
    delay_ms = 0;  // of those taken
    if (!keyed) {
      Lease lease = take(sequence);
      Redeliver(std::move(lease.run), lease.attempt + 1, delay_ms);
      continue;
    }
    uint64_t key = 0;
    std::vector<Blocked> back;
    for (const uint64_t s : ordering_->Fail(sequence, &key)) {
      Lease lease = take(s);
      CutGivenUp(&lease.run);
      if (!lease.run.empty()) back.push_back({std::move(lease.run), lease.attempt + 1});
    }
    ordering_->Return(key, std::move(back), now, delay_ms > 0 ? now + delay_ms : 0);
  }
}

void Subscription::BeginOrder() {
  if (!config_.ordered) return;
  ordering_ = std::make_unique<Ordering>(around_.seed);
  for (const ConsumerPtr& consumer : consumers_) ordering_->Join(consumer.get());
  IntervalMap<Redelivery> unkeyed;
  redeliveries_.Carve(1, std::numeric_limits<uint64_t>::max(), [&](Redelivery&& r) {
    ForEachMessage(r.run, [&](const Run& message) {
      if (const uint64_t key = KeyOf(message); key != 0) {
        ordering_->Restore(message, r.attempt, key);
      } else {
        unkeyed.Insert({message, r.attempt});
      }
    });
  });
  redeliveries_ = std::move(unkeyed);
}

void Subscription::MoveIdleKeys() {
  if (ordering_ == nullptr || ordering_->blocked().empty()) return;
  std::vector<const Consumer*> able;
  std::vector<const Consumer*> idle;
  for (const ConsumerPtr& consumer : consumers_) {
    const bool took = ordering_->TookSome(consumer.get());
    if (consumer->CanTakeMore() && consumer->HasCredit()) {
      able.push_back(consumer.get());
    } else if (!took) {
      idle.push_back(consumer.get());
    }
  }
  for (const Consumer* const consumer : idle) ordering_->Yield(consumer, able);
}

}  // namespace estiba
