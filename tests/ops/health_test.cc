#include "broker/ops/health.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba {
namespace {

using enum ServingStatus;
using History = std::vector<ServingStatus>;

Health::Callback AppendTo(History* history) {
  return [history](ServingStatus status) { history->push_back(status); };
}

TEST_CASE("A service that was never set is not known") {
  Health health;
  REQUIRE(health.Check("") == std::nullopt);
  REQUIRE(health.Check("readiness") == std::nullopt);
}

TEST_CASE("A service is what it was last set to, independently of others") {
  Health health;
  health.SetServing("", true);
  health.SetServing("readiness", false);
  CHECK(health.Check("") == true);
  CHECK(health.Check("readiness") == false);
  CHECK(health.Check("liveness") == std::nullopt);
  health.SetServing("readiness", true);
  CHECK(health.Check("readiness") == true);
}

TEST_CASE("A watch gets the status at once and after each change, and only of its service") {
  Health health;
  health.SetServing("readiness", false);
  History history;
  const Health::Watch watch = health.AddWatch("readiness", AppendTo(&history));
  CHECK(history == History{kNotServing});
  health.SetServing("readiness", true);
  health.SetServing("readiness", true);
  health.SetServing("liveness", true);
  health.SetServing("readiness", false);
  CHECK(history == History{kNotServing, kServing, kNotServing});
}

TEST_CASE("A watch of an unknown service learns when it becomes known, also as not serving") {
  Health health;
  History history;
  const Health::Watch watch = health.AddWatch("later", AppendTo(&history));
  CHECK(history == History{kServiceUnknown});
  health.SetServing("later", false);
  health.SetServing("later", true);
  CHECK(history == History{kServiceUnknown, kNotServing, kServing});
}

TEST_CASE("A watch that has ended gets nothing more, others go on") {
  Health health;
  History first;
  History second;
  auto watch = health.AddWatch("s", AppendTo(&first));
  const auto other = health.AddWatch("s", AppendTo(&second));
  watch = Health::Watch();
  health.SetServing("s", true);
  CHECK(first == History{kServiceUnknown});
  CHECK(second == History{kServiceUnknown, kServing});
}

TEST_CASE("A watch that is moved goes on until its last owner ends") {
  Health health;
  History history;
  {
    Health::Watch outer;
    {
      Health::Watch inner = health.AddWatch("s", AppendTo(&history));
      outer = std::move(inner);
    }
    health.SetServing("s", true);
    const Health::Watch last(std::move(outer));
    health.SetServing("s", false);
  }
  health.SetServing("s", true);
  CHECK(history == History{kServiceUnknown, kServing, kNotServing});
}

TEST_CASE("At shutdown everything known but the liveness stops serving for good") {
  Health health;
  health.SetServing("", true);
  health.SetServing("liveness", true);
  health.SetServing("readiness", false);
  History all;
  History readiness;
  const auto watch = health.AddWatch("", AppendTo(&all));
  const auto other = health.AddWatch("readiness", AppendTo(&readiness));
  health.StopServing();
  health.SetServing("", true);
  health.SetServing("new", true);
  CHECK(health.Check("") == false);
  CHECK(health.Check("liveness") == true);
  health.SetServing("liveness", false);
  CHECK(health.Check("liveness") == false);
  CHECK(health.Check("new") == std::nullopt);
  CHECK(all == History{kServing, kNotServing});
  CHECK(readiness == History{kNotServing});
}

TEST_CASE("A name that is too long is never known, and a watch of it holds nothing") {
  Health health;
  const std::string name(Health::kLongestName + 1, 'n');
  health.SetServing(name, true);
  CHECK(health.Check(name) == std::nullopt);
  auto captured = std::make_shared<int>(0);
  History history;
  const auto watch = health.AddWatch(
      name, [captured, &history](ServingStatus status) { history.push_back(status); });
  CHECK(history == History{kServiceUnknown});
  CHECK(captured.use_count() == 1);
}

TEST_CASE("No callback runs after its watch has ended, with threads changing and watching") {
  Health health;
  std::atomic<bool> stop{false};
  std::atomic<int> late{0};
  std::thread changer([&] {
    for (bool serving = true; !stop.load(); serving = !serving) health.SetServing("s", serving);
  });
  std::vector<std::thread> watchers;
  for (int t = 0; t < 3; ++t) {
    watchers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        std::atomic<bool> alive{true};
        {
          const auto watch = health.AddWatch("s", [&](ServingStatus) {
            if (!alive.load()) late.fetch_add(1);
          });
        }
        alive.store(false);
      }
    });
  }
  for (std::thread& thread : watchers) thread.join();
  stop.store(true);
  changer.join();
  REQUIRE(late.load() == 0);
}

}  // namespace
}  // namespace estiba
