#include "client/cli/pacer.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "absl/time/clock.h"
#include "client/cli/interrupt.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::cli {
namespace {

TEST_CASE("without a rate everything may go at once") {
  const Interrupt interrupt;
  Pacer pacer(std::nullopt, interrupt);
  CHECK(pacer.Take(1'000'000) == 1'000'000);
}

TEST_CASE("a rate is not exceeded") {
  const Interrupt interrupt;
  const absl::Time start = absl::Now();
  Pacer pacer(1000, interrupt);
  size_t taken = 0;
  while (taken < 50) taken += pacer.Take(50 - taken);
  // The first goes at once, the fiftieth is due 49 ms later. Slower is the machine's affair.
  CHECK(absl::Now() - start >= absl::Milliseconds(49));
}

TEST_CASE("an interrupt ends the waiting, and calls its handler once") {
  Interrupt interrupt;
  std::atomic<int> called = 0;
  interrupt.OnInterrupt([&] { ++called; });
  Pacer pacer(0.001, interrupt);
  REQUIRE(pacer.Take(1) == 1);
  REQUIRE_FALSE(interrupt.interrupted());
  kill(getpid(), SIGTERM);
  CHECK(pacer.Take(1) == 0);
  CHECK(interrupt.interrupted());
  CHECK(testing::Eventually([&] { return called == 1; }));
  // Too late to be warned: told at once.
  interrupt.OnInterrupt([&] { ++called; });
  CHECK(called == 2);
}

}  // namespace
}  // namespace estiba::cli
