// Random programs against the engine, under a seeded scheduler. One that fails is made short and
// printed, step by step.
//
//   ESTIBA_TEST_SEED=N ESTIBA_SIMULATION_PROGRAMS=1   runs the program of seed N alone
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_join.h"
#include "tests/engine/simulation/program.h"
#include "tests/engine/simulation/shrink.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

constexpr int kSteps = 500;

std::vector<int> AllSteps() {
  std::vector<int> steps(kSteps);
  std::iota(steps.begin(), steps.end(), 1);
  return steps;
}

// Programs with the seeds from `first` on, until one fails: its seed, or 0.
uint64_t FirstFailing(uint64_t first, uint64_t programs) {
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> failing{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (uint64_t n; failing == 0 && (n = next.fetch_add(1)) < programs;) {
        if (!Program(first + n, nullptr).Run(AllSteps()).empty()) failing = first + n;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return failing;
}

TEST_CASE("Simulation: ten thousand programs lose, repeat, reorder and leak nothing") {
  const char* const wanted = std::getenv("ESTIBA_SIMULATION_PROGRAMS");
  const int programs = wanted != nullptr ? std::atoi(wanted) : 10'000 / kSlowdown;
  const uint64_t seed = FirstFailing(Seed(), static_cast<uint64_t>(programs));
  if (seed == 0) {
    SUCCEED(programs << " programs");
    return;
  }
  const std::vector<int> steps = Shrink(AllSteps(), [&](const std::vector<int>& some) {
    return !Program(seed, nullptr).Run(some).empty();
  });
  const std::string failure = Program(seed, &std::cerr).Run(steps);
  FAIL("the program with seed " << seed << " fails by its steps " << absl::StrJoin(steps, " ")
                                << ": " << failure);
}

TEST_CASE("Shrink: what is left is what it takes") {
  const auto has = [](const std::vector<int>& steps, int n) {
    return std::find(steps.begin(), steps.end(), n) != steps.end();
  };
  CHECK(Shrink(AllSteps(), [&](const std::vector<int>& s) { return has(s, 17); }) ==
        std::vector<int>{17});
  CHECK(Shrink(AllSteps(), [&](const std::vector<int>& s) {
          return has(s, 1) && has(s, kSteps);
        }) == std::vector<int>{1, kSteps});
  CHECK(Shrink(AllSteps(), [&](const std::vector<int>& s) { return s.size() >= 3; }).size() == 3);
  CHECK(Shrink({1}, [](const std::vector<int>&) { return true; }).empty());
  int tries = 0;
  CHECK(Shrink(
            AllSteps(), [&](const std::vector<int>&) { return ++tries < 0; }, 10)
            .size() == kSteps);
  CHECK(tries == 10);
}

TEST_CASE("Simulation: the same seed is the same program") {
  std::string traces[2];
  for (std::string& trace : traces) {
    std::ostringstream out;
    CHECK(Program(Seed(), &out).Run(AllSteps()) == "");
    trace = out.str();
  }
  CHECK(traces[0] == traces[1]);
}

}  // namespace
}  // namespace estiba::testing
