#include "client/cli/delivery_tracker.h"

#include <initializer_list>

#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

DeliveryTracker Received(std::initializer_list<uint64_t> numbers) {
  DeliveryTracker tracker;
  for (const uint64_t number : numbers) tracker.Receive(number);
  return tracker;
}

TEST_CASE("everything once and in order is flawless") {
  const DeliveryTracker tracker = Received({0, 1, 2, 3});
  CHECK(tracker.Missing(4) == 0);
  CHECK(tracker.duplicates() == 0);
  CHECK(tracker.late() == 0);
}

TEST_CASE("what never comes is missing, in the middle and at the end") {
  const DeliveryTracker tracker = Received({0, 3, 4});
  CHECK(tracker.Missing(5) == 2);
  CHECK(tracker.Missing(8) == 5);
  CHECK(tracker.late() == 0);
}

TEST_CASE("what comes later than a later one is late, and no longer missing") {
  const DeliveryTracker tracker = Received({0, 3, 1, 2, 4});
  CHECK(tracker.Missing(5) == 0);
  CHECK(tracker.late() == 2);
  CHECK(tracker.duplicates() == 0);
}

TEST_CASE("what comes again is a duplicate, also after it was late") {
  const DeliveryTracker tracker = Received({0, 1, 1, 3, 2, 2, 0});
  CHECK(tracker.Missing(4) == 0);
  CHECK(tracker.duplicates() == 3);
  CHECK(tracker.late() == 1);
}

}  // namespace
}  // namespace estiba::cli
