#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "broker/engine/interval_map.h"
#include "broker/queue/segment.h"

namespace estiba {

// Copies what is left of nearly dead segments out of them, so that one straggling message does not
// pin a whole segment. First Count everything that refers to segments, then Move.
//
// A copy needs room in the budget; without it the run stays where it is, until the next try.
// Threads: one at a time. Lifetime: one round; entries stay as they are meanwhile.
class Stragglers {
 public:
  // sent_to: segments that end at this sequence or later are needed anyway.
  Stragglers(std::shared_ptr<Storage> storage, uint64_t sent_to)
      : storage_(std::move(storage)), sent_to_(sent_to) {}

  template <typename Entry>
  void Count(const IntervalMap<Entry>& map) {
    for (const auto& [first, entry] : map.entries()) Count(entry.run);
  }
  void Count(const Run& run) {
    if (run.segment != nullptr) used_[run.segment.get()] += run.bytes;
  }

  // Moves the entries that have been there long enough, as `old` says.
  template <typename Entry, typename Old>
  void Move(IntervalMap<Entry>& map, Old&& old) {
    for (auto& [first, entry] : map.entries()) {
      if (old(entry)) Move(entry.run);
    }
  }
  void Move(Run& run) {
    const Segment* segment = run.segment.get();
    if (segment == nullptr || segment->end_sequence() >= sent_to_) return;
    if (used_[segment] * kNearlyDead > segment->capacity()) return;
    if (SegmentPtr copy = Segment::TryCopy(storage_, run)) {
      run.offset = 0;
      run.segment = std::move(copy);
    }
  }

 private:
  // A segment is nearly dead when less than this share of it is used.
  static constexpr uint64_t kNearlyDead = 8;

  const std::shared_ptr<Storage> storage_;
  const uint64_t sent_to_;
  absl::flat_hash_map<const Segment*, uint64_t> used_;
};

}  // namespace estiba
