// Topic: messages that have outlived their time to live. Subscriptions pass over them by themselves
// when they deliver; here it is seen to that they do so also where nobody consumes.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {
namespace {

// Looks in the shortest time to live, and how far apart they are.
constexpr int64_t kLooks = 10;
constexpr int64_t kLeastLookMs = 100;
constexpr int64_t kMostLookMs = 60'000;
// Most messages that a turn tests before others get theirs: a millisecond or two.
constexpr uint32_t kTestMessages = 8'192;

}  // namespace

void Topic::NoteTimesToLive(const TimesToLive& ttl) {
  ttl_.Add(ttl.shortest_ms);
  ttl_.Add(ttl.longest_ms);
  last_expiry_ms_ = std::max(last_expiry_ms_, log_.last_publish_ms() + ttl.longest_ms);
  ScheduleExpiry();
}

void Topic::ScheduleExpiry() {
  if (std::exchange(expiry_timer_, true)) return;
  const int64_t look_ms = std::clamp(ttl_.shortest_ms / kLooks, kLeastLookMs, kMostLookMs);
  around_.timers.At(around_.clock.SteadyMillis() + look_ms, this, &expiry_due_);
}

void Topic::HandleExpiry() {
  expiry_timer_ = false;
  if (deleted()) return;
  const bool last = around_.clock.WallMillis() >= last_expiry_ms_;
  if (!PassExpired()) {
    expiry_timer_ = true;
    expiry_due_.Send();
    return YieldTurn();
  }
  PokeSubscriptions();
  HandleMoved();
  if (!last) return ScheduleExpiry();
  ttl_ = {};
}

bool Topic::PassExpired() {
  const int64_t now = around_.clock.WallMillis();
  uint64_t expired = 0;
  IntervalMap<Redelivery> left;
  left_behind_.Carve(1, std::numeric_limits<uint64_t>::max(), [&](Redelivery&& r) {
    SplitExpired(std::move(r.run), now, [&](Run run, bool too_old) {
      if (too_old) {
        expired += run.count;
      } else {
        left.Insert({std::move(run), r.attempt});
      }
    });
  });
  left_behind_ = std::move(left);
  bool done = !keep_;
  for (uint32_t tested = 0; !done && tested < kTestMessages;) {
    Run run = keep_.Peek(std::numeric_limits<uint32_t>::max(), kTestMessages - tested);
    tested += run.count;
    done = run.empty();
    SplitExpired(std::move(run), now, [&](const Run& part, bool too_old) {
      done |= !too_old;
      if (done) return;
      expired += part.count;
      keep_.Advance(part);
    });
  }
  counters_.expired_messages.Add(expired);
  return done;
}

}  // namespace estiba
