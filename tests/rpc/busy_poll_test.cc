// When a thread looks for its next event, and when it sleeps.
#include "broker/rpc/busy_poll.h"

#include <random>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

// How many of so many waits it looks in, where so many in a hundred of those find something.
int Looks(BusyPoll& poll, int waits, int percent, std::mt19937_64& random) {
  int looks = 0;
  for (int i = 0; i < waits; ++i) {
    bool found = false;
    if (poll.Worth()) {
      ++looks;
      found = static_cast<int>(random() % 100) < percent;
      poll.Looked(found);
    }
    if (!found) poll.Slept();
  }
  return looks;
}

TEST_CASE("BusyPoll: looks as long as it finds what it looks for") {
  std::mt19937_64 random(Seed());
  BusyPoll poll;
  CHECK(Looks(poll, 10'000, 100, random) == 10'000);
  CHECK(Looks(poll, 10'000, 95, random) > 9'000);
}

TEST_CASE("BusyPoll: what comes later costs a few looks in a thousand") {
  std::mt19937_64 random(Seed());
  BusyPoll poll;
  CHECK(Looks(poll, 10'000, 0, random) < 100);
  // Also after a time when all were found.
  BusyPoll other;
  Looks(other, 10'000, 100, random);
  CHECK(Looks(other, 10'000, 0, random) < 100);
}

TEST_CASE("BusyPoll: where half is found it mostly sleeps") {
  std::mt19937_64 random(Seed());
  BusyPoll poll;
  CHECK(Looks(poll, 100'000, 50, random) < 3'000);
}

TEST_CASE("BusyPoll: begins to look within a thousand waits of events coming soon") {
  std::mt19937_64 random(Seed());
  BusyPoll poll;
  Looks(poll, 100'000, 0, random);
  Looks(poll, 1'100, 100, random);
  CHECK(Looks(poll, 1'000, 100, random) == 1'000);
  // And is as quick to leave off as it was at first.
  CHECK(Looks(poll, 1'000, 0, random) < 40);
}

}  // namespace
}  // namespace estiba::testing
