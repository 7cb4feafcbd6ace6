#include "broker/runtime/executor_pulse.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <future>
#include <memory>

#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

constexpr ExecutorPulse::Options kFast = {absl::Milliseconds(2), 5};

// What the pulse has said: how often that the pool is stuck, and that it turns again.
struct Said {
  std::atomic<int> stuck{0};
  std::atomic<int> turns{0};
  ExecutorPulse::Callback callback() {
    return [this](bool turning) { ++(turning ? turns : stuck); };
  }
};

// Holds one of the pool's threads until Release, which must come.
class Captured {
 public:
  explicit Captured(ThreadExecutor& executor) {
    boost::asio::post(executor.pool(), [state = state_] {
      state->captured.set_value();
      state->release.get_future().wait();
    });
    state_->captured.get_future().wait();
  }
  void Release() { state_->release.set_value(); }

 private:
  struct State {
    std::promise<void> captured;
    std::promise<void> release;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

TEST_CASE("ExecutorPulse: a pool whose threads are all caught is stuck; one free thread turns it") {
  ThreadExecutor executor(2);
  Said said;
  Captured first(executor);
  Captured second(executor);
  const ExecutorPulse pulse(executor, kFast, said.callback());
  REQUIRE(Eventually([&] { return said.stuck == 1; }));
  CHECK(said.turns == 0);
  first.Release();
  REQUIRE(Eventually([&] { return said.turns >= 1; }));
  second.Release();
}

TEST_CASE("ExecutorPulse: nothing is said of a pool that turns within the patience") {
  ThreadExecutor executor(1);
  Said said;
  {
    const ExecutorPulse pulse(executor, {absl::Milliseconds(1), 1'000'000}, said.callback());
    // The pulse posts in between; what it posted has run when the last of these has.
    for (int i = 0; i < 50; ++i) {
      Captured captured(executor);
      captured.Release();
    }
  }
  CHECK(said.stuck == 0);
  CHECK(said.turns == 0);
}

TEST_CASE("ExecutorPulse: ends while the pool is stuck, and says nothing afterwards") {
  ThreadExecutor executor(1);
  Said said;
  Captured captured(executor);
  {
    const ExecutorPulse pulse(executor, kFast, said.callback());
    REQUIRE(Eventually([&] { return said.stuck == 1; }));
  }
  captured.Release();
  executor.Stop();
  CHECK(said.turns == 0);
}

}  // namespace
}  // namespace estiba::testing
