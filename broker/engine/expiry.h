#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "broker/engine/message_times.h"
#include "broker/queue/record.h"
#include "broker/queue/segment.h"

namespace estiba {

// The times to live in a batch, of those records that have one; 0: none has.
struct TimesToLive {
  int64_t shortest_ms = 0;
  int64_t longest_ms = 0;

  void Add(int64_t ttl_ms) {
    if (ttl_ms == 0) return;
    shortest_ms = shortest_ms == 0 ? ttl_ms : std::min(shortest_ms, ttl_ms);
    longest_ms = std::max(longest_ms, ttl_ms);
  }
  static TimesToLive Of(const char* records, uint32_t count) {
    TimesToLive ttl;
    for (const char* p = records; count-- > 0;) {
      const std::string_view message = RecordBody(p);
      ttl.Add(ReadTimes(message).time_to_live_ms);
      p = message.data() + message.size();
    }
    return ttl;
  }
};

// Tells which messages of a segment have outlived their time to live, by the wall clock: it counts
// from a message's publish time.
// Threads: one at a time. Lifetime: the segment outlives it.
class ExpiryCheck {
 public:
  // Whether it is worth asking for messages of this segment. Costs nothing where none has a time to
  // live.
  static bool Needed(const Segment& segment, int64_t wall_ms) {
    return segment.first_expiry_ms() <= wall_ms;
  }

  ExpiryCheck(const Segment& segment, int64_t wall_ms) : segment_(segment), wall_ms_(wall_ms) {}

  // The sequences that it is asked for ascend.
  bool Expired(uint64_t sequence, std::string_view message) {
    const int64_t ttl_ms = ReadTimes(message).time_to_live_ms;
    if (ttl_ms == 0) return false;
    const uint32_t index = static_cast<uint32_t>(sequence - segment_.base_sequence());
    if (!known_ || index >= until_) {
      known_ = true;
      time_ms_ = segment_.TimeOf(index);
      until_ = segment_.NextTimeChange(index);
    }
    return time_ms_ + ttl_ms <= wall_ms_;
  }

 private:
  const Segment& segment_;
  const int64_t wall_ms_;
  bool known_ = false;
  int64_t time_ms_ = 0;  // of messages up to `until_`
  uint32_t until_ = 0;
};

// Calls f(Run&&, bool expired) with the parts of a run that have and have not expired, in order.
template <typename F>
void SplitExpired(Run run, int64_t wall_ms, F&& f) {
  if (run.segment == nullptr || !ExpiryCheck::Needed(*run.segment, wall_ms)) {
    if (!run.empty()) f(std::move(run), false);
    return;
  }
  ExpiryCheck check(*run.segment, wall_ms);
  const SegmentPtr segment = run.segment;  // `run` is moved from in the end
  while (!run.empty()) {
    const char* p = run.data();
    bool expired = false;
    uint32_t n = 0;
    for (; n < run.count; ++n) {
      const std::string_view message = RecordBody(p);
      const bool this_one = check.Expired(run.first + n, message);
      if (n > 0 && this_one != expired) break;
      expired = this_one;
      p = message.data() + message.size();
    }
    f(run.TakeFront(n), expired);
  }
}

}  // namespace estiba
