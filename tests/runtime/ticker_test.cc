#include "broker/runtime/ticker.h"

#include <atomic>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

TEST_CASE("Ticker: calls again and again, and not at once") {
  boost::asio::thread_pool pool(2);
  std::atomic<int> calls{0};
  const absl::Time start = absl::Now();
  absl::Duration first;
  Ticker ticker(pool, absl::Milliseconds(20), [&] {
    if (calls++ == 0) first = absl::Now() - start;
  });
  ticker.Start();
  REQUIRE(Eventually([&] { return calls >= 3; }));
  ticker.Stop();
  CHECK(first >= absl::Milliseconds(19));
  pool.join();
}

// A timer that is set again by a call under way would keep the pool busy for ever.
TEST_CASE(
    "Ticker: where it is stopped in the middle of a call, that is the last, and the pool ends") {
  for (int round = 0; round < 20; ++round) {
    boost::asio::thread_pool pool(2);
    absl::Notification in_call;
    std::atomic<int> calls{0};
    std::atomic<bool> in{false};
    Ticker ticker(pool, absl::Milliseconds(1), [&] {
      in = true;
      if (calls++ == 0) in_call.Notify();
      absl::SleepFor(absl::Milliseconds(3));
      in = false;
    });
    ticker.Start();
    in_call.WaitForNotification();
    ticker.Stop();
    CHECK_FALSE(in);
    const int stopped_at = calls;
    pool.join();
    CHECK(calls == stopped_at);
  }
}

TEST_CASE("Ticker: one that is stopped before it starts does nothing") {
  boost::asio::thread_pool pool(1);
  int calls = 0;
  Ticker ticker(pool, absl::ZeroDuration(), [&] { ++calls; });
  ticker.Stop();
  ticker.Start();
  pool.join();
  CHECK(calls == 0);
}

}  // namespace
}  // namespace estiba::testing
