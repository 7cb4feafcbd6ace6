// The seed of this run's random tests.
#ifndef TESTS_SUPPORT_SEED_H_
#define TESTS_SUPPORT_SEED_H_

#include <cstdint>

namespace estiba::testing {

// The same number during the whole process: the environment's ESTIBA_TEST_SEED (decimal), or else a
// random one. A failing test case prints it, in the form that repeats the run. Any thread.
uint64_t Seed();

}  // namespace estiba::testing

#endif  // TESTS_SUPPORT_SEED_H_
