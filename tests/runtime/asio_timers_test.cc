#include "broker/runtime/asio_timers.h"

#include <atomic>
#include <mutex>

#include "broker/runtime/thread_executor.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

class Target final : public Actor {
 public:
  using Actor::Actor;
};

struct Alarm final : Command {
  void Run() override {
    fired_ms = clock->SteadyMillis();
    ++fired;
  }
  const Clock* clock = nullptr;
  std::atomic<int64_t> fired_ms{0};
  std::atomic<int> fired{0};
};

struct Fixture {
  ~Fixture() {
    timers.Stop();
    executor.Stop();
  }
  SystemClock clock;
  ThreadExecutor executor{2};
  AsioTimers timers{executor.pool(), clock};
  boost::intrusive_ptr<Target> target{new Target(executor)};
};

TEST_CASE("AsioTimers: each fires once, not early, in whatever order they were set") {
  Alarm alarms[6];
  Fixture f;
  const int64_t now = f.clock.SteadyMillis();
  const int64_t due[6] = {now + 60, now + 5, now - 10, now + 30, now + 5, now + 90};
  for (int i = 0; i < 6; ++i) {
    alarms[i].clock = &f.clock;
    f.timers.At(due[i], f.target, &alarms[i]);
  }
  for (int i = 0; i < 6; ++i) {
    REQUIRE(Eventually([&] { return alarms[i].fired == 1; }));
    CHECK(alarms[i].fired_ms >= due[i]);
  }
  // After an idle time it goes on.
  f.timers.At(f.clock.SteadyMillis() + 1, f.target, &alarms[0]);
  REQUIRE(Eventually([&] { return alarms[0].fired == 2; }));
  for (int i = 1; i < 6; ++i) CHECK(alarms[i].fired == 1);
}

TEST_CASE("AsioTimers: stopping forgets the rest and lets go of the actors") {
  Alarm alarm;
  Fixture f;
  alarm.clock = &f.clock;
  f.timers.At(f.clock.SteadyMillis() + 3'600'000, f.target, &alarm);
  CHECK(f.target->use_count() == 2);
  f.timers.Stop();
  CHECK(f.target->use_count() == 1);
  f.timers.At(f.clock.SteadyMillis(), f.target, &alarm);
  f.executor.Stop();
  CHECK(alarm.fired == 0);
}

}  // namespace
}  // namespace estiba::testing
