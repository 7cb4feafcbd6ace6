#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "broker/engine/gap.h"
#include "broker/engine/lease_table.h"
#include "broker/queue/log.h"

namespace estiba {

// Where a subscription begins, or is sought to, as its topic found it: it gets what the log has
// from `place` on; before that, what is held outside of the log and is wanted.
struct Attachment {
  Cursor place;
  uint64_t pass_over = 0;  // what comes before is not wanted, even where it comes after `place`
  // What lies before, or was published before, is not wanted.
  uint64_t from = 1;
  int64_t since_ms = std::numeric_limits<int64_t>::min();
  // Whether what is wanted but no longer kept is to be told as a gap.
  bool tell_not_kept = false;
  // Not 0: of what comes before, only the last messages are wanted, and still to be found.
  uint64_t look_until = 0;
  bool look_for_keys = false;
  IntervalMap<Redelivery> again;
  std::vector<Gap> gaps;  // others to be told

  // Moves what is wanted of `held` to `again`, as first deliveries. What is left in `held` is not
  // wanted, and lies before `place`: what comes later comes by the log.
  void TakeWanted(IntervalMap<Redelivery>& held) {
    constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();
    held.Carve(place.sequence(), kEnd, [](Redelivery&&) {});
    if (from >= place.sequence()) return;
    IntervalMap<Redelivery> unwanted;
    held.Carve(from, place.sequence() - 1, [&](Redelivery&& r) {
      r.attempt = 1;
      const uint64_t base = r.run.segment->base_sequence();
      const uint64_t first = base + r.run.segment->IndexAtTime(since_ms);
      if (first > r.run.first) {
        Redelivery old = r;
        const uint64_t count = std::min<uint64_t>(first - r.run.first, r.run.count);
        old.run = r.run.TakeFront(static_cast<uint32_t>(count));
        unwanted.Insert(std::move(old));
      }
      if (!r.run.empty()) again.Insert(std::move(r));
    });
    unwanted.Carve(1, kEnd, [&](Redelivery&& r) { held.Insert(std::move(r)); });
  }
};

}  // namespace estiba
