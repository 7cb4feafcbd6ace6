#pragma once

#include <algorithm>
#include <cstdint>

#include "broker/engine/config.h"

namespace estiba {

// How long a message waits before it is delivered again: the policy's least time, doubled with each
// attempt up to its most, with jitter, so that what failed together does not come back together.
//
// Threads: one at a time. The same seed gives the same times.
class Backoff {
 public:
  Backoff(const RetryPolicy& policy, uint64_t seed) : policy_(policy), state_(seed) {}

  // After the failure of this attempt, 1 or more. Between policy.min_ms and policy.max_ms: up to a
  // quarter more than the exponential value, or, at the top, up to a fifth less.
  int64_t After(uint32_t attempt) {
    if (policy_.max_ms == 0) return 0;
    const uint32_t doublings = std::min<uint32_t>(attempt > 0 ? attempt - 1 : 0, 30);
    const int64_t base = std::max<int64_t>(policy_.min_ms, 1) << doublings;
    if (base < policy_.max_ms) return std::min(base + Below(base / 4), policy_.max_ms);
    return std::max(policy_.min_ms, policy_.max_ms - Below(policy_.max_ms / 5));
  }

 private:
  // SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
  int64_t Below(int64_t limit) {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return static_cast<int64_t>(z % (static_cast<uint64_t>(limit) + 1));
  }

  const RetryPolicy policy_;
  uint64_t state_;
};

}  // namespace estiba
