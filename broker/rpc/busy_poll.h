#pragma once

#include <algorithm>

namespace estiba {

// Whether a thread that has nothing to do goes on looking for its next event before it sleeps.
// Being woken takes 5 us on some machines and 50 on others; but looking for what does not come
// costs as well. So it looks while that finds four times in five what it looks for, and otherwise
// tries again from time to time, four times in a thousand.
//
// One for each thread; not thread-safe.
class BusyPoll {
 public:
  bool Worth() const { return score_ > 0; }
  // How a look ended. What had been there already needed none.
  void Looked(bool found) {
    if (found) {
      score_ = std::min(score_ + 1, kMost);
      if (score_ == kMost) next_pause_ = kShortPause;
      return;
    }
    score_ = std::max(score_ - kMiss, 0);
    if (score_ > 0) return;
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, kLongPause);
  }
  // The thread has slept.
  void Slept() {
    if (score_ == 0 && --pause_ < 0) score_ = kTrial;
  }

 private:
  // What one miss costs in hits, and how many misses end it: at most, and of a trial.
  static constexpr int kMiss = 4;
  static constexpr int kMost = 8 * kMiss;
  static constexpr int kTrial = 4 * kMiss;
  // Sleeps between two trials. They come less often the more of them were in vain.
  static constexpr int kShortPause = 64;
  static constexpr int kLongPause = 1024;

  int score_ = kTrial;
  int pause_ = 0;
  int next_pause_ = kShortPause;
};

}  // namespace estiba
