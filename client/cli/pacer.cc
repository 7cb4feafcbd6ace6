#include "client/cli/pacer.h"

#include <algorithm>
#include <cmath>

#include "absl/time/clock.h"
#include "client/cli/interrupt.h"

namespace estiba::cli {
namespace {

// At high rates several messages go each time; waking up for every one would cost more than
// sending.
constexpr absl::Duration kShortestSleep = absl::Milliseconds(2);

}  // namespace

Pacer::Pacer(std::optional<double> per_second, const Interrupt& interrupt)
    : per_second_(per_second), interrupt_(interrupt), start_(absl::Now()) {}

size_t Pacer::Take(size_t wanted) {
  if (interrupt_.interrupted()) return 0;
  if (!per_second_) return wanted;
  while (true) {
    const absl::Time now = absl::Now();
    // The first message is due at the start, the next one 1/rate later.
    double due = std::floor(absl::ToDoubleSeconds(now - start_) * *per_second_) + 1;
    if (due - taken_ > *per_second_ + 1) {
      start_ = now;
      taken_ = 0;
      due = 1;
    }
    if (due > taken_) {
      const size_t granted = std::min(wanted, static_cast<size_t>(due - taken_));
      taken_ += static_cast<double>(granted);
      return granted;
    }
    const absl::Time next = start_ + absl::Seconds(taken_ / *per_second_);
    if (!interrupt_.SleepUntil(std::max(next, now + kShortestSleep))) return 0;
  }
}

}  // namespace estiba::cli
