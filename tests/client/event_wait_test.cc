#include "client/src/event_wait.h"

#include <grpcpp/alarm.h>

#include <memory>
#include <vector>

#include "tests/support/catch.h"

namespace estiba::internal {
namespace {

// Waits for `events` that come `apart` from each other, then for the end of the queue.
void CheckAllCome(EventWait& wait, size_t events, absl::Duration apart) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<grpc::Alarm>> alarms;
  std::vector<size_t> numbers(events);
  void* tag = nullptr;
  bool ok = false;
  for (size_t i = 0; i < events; ++i) {
    numbers[i] = i;
    alarms.push_back(std::make_unique<grpc::Alarm>(&queue, absl::ToChronoTime(absl::Now() + apart),
                                                   &numbers[i]));
    if (i % 10 != 0) wait.Expect();
    REQUIRE(wait.Next(queue, &tag, &ok));
    CHECK(ok);
    CHECK(*static_cast<size_t*>(tag) == i);
  }
  queue.Shutdown();
  CHECK_FALSE(wait.Next(queue, &tag, &ok));
}

TEST_CASE("Every event comes, and the end of the queue, whether or not it is looked for") {
  for (const absl::Duration busy_poll :
       {absl::ZeroDuration(), absl::Microseconds(20), absl::Milliseconds(1)}) {
    EventWait wait(busy_poll);
    CheckAllCome(wait, 50, absl::ZeroDuration());
    CheckAllCome(wait, 5, absl::Milliseconds(5));
    CheckAllCome(wait, 50, absl::ZeroDuration());
  }
}

}  // namespace
}  // namespace estiba::internal
