// Random programs against the engine, under a seeded scheduler.
//
// A failing one is repeated, alone and with a trace, by
//   ESTIBA_TEST_SEED=N ESTIBA_SIMULATION_PROGRAMS=1 .../engine_simulation_test
#include <cstdlib>
#include <string>

#include "tests/engine/simulation/program.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

int Programs(int usual) {
  const char* wanted = std::getenv("ESTIBA_SIMULATION_PROGRAMS");
  return wanted != nullptr ? std::atoi(wanted) : usual / kSlowdown;
}

void RunPrograms(int programs, int steps) {
  for (int i = 0; i < programs; ++i) {
    const uint64_t seed = Seed() + static_cast<uint64_t>(i);
    const std::string failure = Program(seed, programs == 1).Run(steps);
    if (!failure.empty()) {
      FAIL("program with seed " << seed << ", " << steps << " steps: " << failure);
    }
  }
  SUCCEED(programs << " programs");
}

TEST_CASE("Simulation: many short programs lose, repeat, reorder and leak nothing") {
  RunPrograms(Programs(3'000), 60);
}

TEST_CASE("Simulation: some long programs lose, repeat, reorder and leak nothing") {
  RunPrograms(Programs(300), 600);
}

}  // namespace
}  // namespace estiba::testing
