// Waiting for something that another thread or process does. The only place where tests sleep.
#ifndef TESTS_SUPPORT_EVENTUALLY_H_
#define TESTS_SUPPORT_EVENTUALLY_H_

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace estiba::testing {

// How much longer things take in this build. Deadlines given to the helpers in tests/support are
// multiplied by it; deadlines of the thing under test are not.
#if defined(__SANITIZE_THREAD__)
#define ESTIBA_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define ESTIBA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ESTIBA_TSAN 1
#elif __has_feature(address_sanitizer)
#define ESTIBA_ASAN 1
#endif
#endif
#if defined(ESTIBA_TSAN) || defined(ESTIBA_ASAN)
inline constexpr int kSlowdown = 10;
#else
inline constexpr int kSlowdown = 1;
#endif

// Calls `predicate` until it returns true, and returns true; or returns false when it was still
// false after `deadline`. The deadline only bounds a failing test: a passing one returns at once,
// so be generous.
//
//   REQUIRE(Eventually([&] { return received.load() == 100; }));
template <typename Predicate>
[[nodiscard]] bool Eventually(Predicate predicate, absl::Duration deadline = absl::Seconds(20)) {
  const absl::Time end = absl::Now() + deadline * kSlowdown;
  absl::Duration pause = absl::Microseconds(200);
  while (!predicate()) {
    if (absl::Now() >= end) return predicate();
    absl::SleepFor(pause);
    pause = std::min(pause * 2, absl::Milliseconds(20));
  }
  return true;
}

}  // namespace estiba::testing

#endif  // TESTS_SUPPORT_EVENTUALLY_H_
