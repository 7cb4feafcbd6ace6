#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "broker/engine/config.h"

namespace estiba {

// Messages first..last, which a subscription will not get.
struct Gap {
  uint64_t first = 0;
  uint64_t last = 0;
  GapReason reason = GapReason::kRetention;
};

// Gaps that are remembered one by one; more of them are run together.
inline constexpr size_t kMaxGaps = 1'000;

inline void AppendGap(std::vector<Gap>& gaps, const Gap& gap) {
  if (!gaps.empty() && gaps.back().reason == gap.reason && gaps.back().last + 1 == gap.first) {
    gaps.back().last = gap.last;
  } else if (gaps.size() < kMaxGaps) {
    gaps.push_back(gap);
  } else {
    gaps.back().first = std::min(gaps.back().first, gap.first);
    gaps.back().last = std::max(gaps.back().last, gap.last);
  }
}

}  // namespace estiba
