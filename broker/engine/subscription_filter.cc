// Subscription: what its filter lets through, and has not outlived its time to live. What does not
// match, or has expired, is consumed as it is passed.
#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "broker/engine/expiry.h"
#include "broker/engine/filter.h"
#include "broker/engine/subscription.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

// Most messages that a turn tests before others get theirs: a millisecond or two.
constexpr uint32_t kScanMessages = 8'192;

}  // namespace

bool Subscription::MayHaveExpired(const Segment& segment) const {
  return segment.first_expiry_ms() != Segment::kNeverExpires &&
         ExpiryCheck::Needed(segment, around_.clock.WallMillis());
}

// Tests messages of `run` and adds those that match to the delivery; stops before what does not fit
// in, and when it is full. Returns the part of the run that is dealt with.
Run Subscription::Sift(const Run& run, uint32_t max_messages, uint64_t max_bytes,
                       Delivery* delivery) {
  Run done = run;
  done.bytes = done.count = 0;
  Run match = done;  // those that matched last, without a hole
  const auto keep = [&] {
    if (match.count > 0) delivery->Add(match);
    match.count = match.bytes = 0;
  };
  std::optional<ExpiryCheck> expiry;
  if (MayHaveExpired(*run.segment)) expiry.emplace(*run.segment, around_.clock.WallMillis());
  const char* p = run.data();
  uint64_t filtered = 0;
  uint64_t expired = 0;
  bool full = false;
  while (done.count < run.count && scan_left_ > 0 && !full) {
    const std::string_view message = RecordBody(p);
    const char* const next = message.data() + message.size();
    const uint32_t bytes = static_cast<uint32_t>(next - p);
    --scan_left_;
    if (expiry && expiry->Expired(run.first + done.count, message)) {
      ++expired;
      keep();
    } else if (config_.filter == nullptr || config_.filter->Matches(message)) {
      if (match.count == 0) {
        if (delivery->full()) break;
        match.offset = run.offset + done.bytes;
        match.first = run.first + done.count;
      }
      const uint64_t so_far = delivery->bytes() + match.bytes;
      if (so_far > 0 && so_far + bytes > max_bytes) break;
      match.bytes += bytes;
      ++match.count;
      full = delivery->messages() + match.count >= max_messages || so_far + bytes >= max_bytes;
    } else {
      ++filtered;
      keep();
    }
    done.bytes += bytes;
    ++done.count;
    p = next;
  }
  keep();
  counters_.filtered_messages.Add(filtered);
  counters_.expired_messages.Add(expired);
  return done;
}

Delivery Subscription::TakeMatching(uint32_t max_messages, uint64_t max_bytes) {
  Delivery delivery;
  while (scan_left_ > 0 && delivery.messages() < max_messages && delivery.bytes() < max_bytes) {
    const Run run = cursor_.Peek(std::numeric_limits<uint32_t>::max(), kScanMessages);
    if (run.empty() || run.first < pass_over_) break;
    const Run done = Sift(run, max_messages, max_bytes, &delivery);
    cursor_.Advance(done);
    if (done.count < run.count) break;
  }
  return delivery;
}

void Subscription::PassUnwanted() {
  const auto is_wanted = [&] {
    return !MayHaveExpired(cursor_.segment()) &&
           (config_.filter == nullptr || cursor_.sequence() == wanted_at_);
  };
  for (; !is_wanted(); StepOn()) {
    const Run run = cursor_.Peek(std::numeric_limits<uint32_t>::max(), kScanMessages);
    if (run.empty() || run.first < pass_over_) {
      if (config_.filter == nullptr || awaiting_) return;
      AwaitMessages();
      if (cursor_.Peek(1, 1).empty()) return;
      continue;
    }
    if (scan_left_ == 0) return;
    Delivery wanted;
    Run passed = Sift(run, 1, 1, &wanted);
    if (!wanted.empty()) {
      // It stays where it is.
      wanted_at_ = wanted.first();
      --passed.count;
      passed.bytes -= wanted.runs().front().bytes;
    }
    cursor_.Advance(passed);
    if (!wanted.empty()) return;
  }
}

void Subscription::BeginScan() { scan_left_ = kScanMessages; }

void Subscription::EndScan() {
  PassUnwanted();
  if (scan_left_ > 0) return;
  scan_on_.SendOnce();
  YieldTurn();
}

void Subscription::DropUnwanted(IntervalMap<Redelivery>* map) {
  if (config_.filter == nullptr || map->empty()) return;
  IntervalMap<Redelivery> wanted;
  map->Carve(1, std::numeric_limits<uint64_t>::max(), [&](Redelivery&& r) {
    while (!r.run.empty()) {
      Delivery matching;
      BeginScan();
      const Run done = Sift(r.run, std::numeric_limits<uint32_t>::max(),
                            std::numeric_limits<uint64_t>::max(), &matching);
      for (const Run& run : matching.runs()) wanted.Insert({run, r.attempt});
      r.run.offset += done.bytes;
      r.run.bytes -= done.bytes;
      r.run.first += done.count;
      r.run.count -= done.count;
    }
  });
  *map = std::move(wanted);
}

Delivery Subscription::WithoutExpired(Delivery delivery) {
  const auto fresh = [&](const Run& run) { return !MayHaveExpired(*run.segment); };
  if (std::all_of(delivery.runs().begin(), delivery.runs().end(), fresh)) return delivery;
  Delivery left;
  left.attempt = delivery.attempt;
  const int64_t now = around_.clock.WallMillis();
  for (const Run& run : delivery.runs()) {
    SplitExpired(run, now, [&](Run part, bool expired) {
      if (!expired && !left.full()) return left.Add(std::move(part));
      if (!expired) return redeliveries_.Insert({std::move(part), delivery.attempt});
      counters_.expired_messages.Add(part.count);
    });
  }
  return left;
}

void Subscription::DropExpired() {
  const int64_t now = around_.clock.WallMillis();
  std::vector<std::pair<uint64_t, uint64_t>> expired;
  const auto look = [&](const Run& run) {
    if (run.segment == nullptr || !ExpiryCheck::Needed(*run.segment, now)) return;
    SplitExpired(run, now, [&](const Run& part, bool too_old) {
      if (too_old) expired.emplace_back(part.first, part.end() - 1);
    });
  };
  for (const auto& [first, entry] : redeliveries_.entries()) look(entry.run);
  if (retries_ != nullptr) retries_->ForEach([&](const Redelivery& r) { look(r.run); });
  if (ordering_ != nullptr) {
    for (const auto& [first, entry] : ordering_->blocked().entries()) look(entry.run);
  }
  const auto drop = [&](uint64_t count) { counters_.expired_messages.Add(count); };
  for (const auto& [first, last] : expired) {
    redeliveries_.Carve(first, last, [&](Redelivery&& r) { drop(r.run.count); });
    if (retries_ != nullptr) {
      retries_->Carve(first, last, [&](Redelivery&& r) { drop(r.run.count); });
    }
    if (ordering_ != nullptr) {
      ordering_->Carve(first, last, /*only_delivered=*/false,
                       [&](Blocked&& b) { drop(b.run.count); });
    }
  }
}

}  // namespace estiba
