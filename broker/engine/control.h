#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace estiba {

// What a seek has done.
struct SeekResult {
  // Everything before is consumed; everything from here on is not, as far as it is kept.
  uint64_t from = 0;
  // The first sequence that is delivered as new.
  uint64_t next_sequence = 0;
  // What had not been consumed and counts as consumed now.
  uint64_t skipped_messages = 0;
};

// Answers to what a subscription is asked besides what its consumers say. Called once, in a turn of
// the subscription or its topic, after what was asked has taken effect and before it shows in
// deliveries; must be quick.
using ControlDone = std::function<void(const absl::Status&)>;
using SeekDone = std::function<void(const absl::StatusOr<SeekResult>&)>;

}  // namespace estiba
