#include "tests/support/seed.h"

#include <cstdlib>
#include <iostream>
#include <random>

#include "absl/strings/numbers.h"

namespace estiba::testing {
namespace {

uint64_t Choose() {
  const char* given = std::getenv("ESTIBA_TEST_SEED");
  uint64_t seed = 0;
  if (given != nullptr) {
    if (absl::SimpleAtoi(given, &seed)) return seed;
    std::cerr << "ESTIBA_TEST_SEED is not a number: '" << given << "'\n";
    std::exit(2);
  }
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

}  // namespace

uint64_t Seed() {
  static const uint64_t seed = Choose();
  return seed;
}

}  // namespace estiba::testing
