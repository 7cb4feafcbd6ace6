#include "broker/base/clock.h"

#include <chrono>

#include "tests/support/catch.h"

namespace estiba {
namespace {

TEST_CASE("SystemClock: wall time is UTC milliseconds, steady time does not go back") {
  const SystemClock clock;
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const int64_t before = now();
  const int64_t wall = clock.WallMillis();
  CHECK(wall >= before);
  CHECK(wall <= now());
  int64_t last = clock.SteadyMillis();
  for (int i = 0; i < 1'000; ++i) {
    const int64_t next = clock.SteadyMillis();
    REQUIRE(next >= last);
    last = next;
  }
}

}  // namespace
}  // namespace estiba
