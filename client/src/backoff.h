// How long to wait before the next try: doubling from a minimum to a maximum, with jitter so that
// many clients do not come back at once. Not thread-safe.
#ifndef ESTIBA_CLIENT_SRC_BACKOFF_H_
#define ESTIBA_CLIENT_SRC_BACKOFF_H_

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/time.h"

namespace estiba::internal {

class Backoff {
 public:
  Backoff(absl::Duration min, absl::Duration max) : min_(min), max_(std::max(min, max)) {}

  // Between half and all of the present step; the next step is twice as long.
  absl::Duration Next() {
    const absl::Duration step = step_;
    step_ = std::min(step_ * 2, max_);
    return step * absl::Uniform(bits_, 0.5, 1.0);
  }
  // After a success.
  void Reset() { step_ = min_; }

 private:
  absl::Duration min_;
  absl::Duration max_;
  absl::Duration step_ = min_;
  absl::BitGen bits_;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_BACKOFF_H_
