// The engine's surroundings under a seeded scheduler: time stands still until it is advanced, and
// what is runnable runs in random order, one turn at a time, on one thread.
#ifndef TESTS_ENGINE_SIMULATION_WORLD_H_
#define TESTS_ENGINE_SIMULATION_WORLD_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/clock.h"
#include "broker/engine/executor.h"
#include "broker/engine/timers.h"

namespace estiba::testing {

// Both clocks, set by the test. The wall clock can be set back.
class VirtualClock final : public Clock {
 public:
  int64_t WallMillis() const override { return wall_ms; }
  int64_t SteadyMillis() const override { return steady_ms; }
  void Advance(int64_t ms) {
    wall_ms += ms;
    steady_ms += ms;
  }

  int64_t wall_ms = 1'800'000'000'000;
  int64_t steady_ms = 1'000;
};

// Runs what is runnable in an order that its seed decides.
class SeededExecutor final : public Executor {
 public:
  explicit SeededExecutor(uint64_t seed) : random_(seed) {}
  void Reseed(uint64_t seed) { random_.seed(seed); }

  void Run(Runnable* runnable) override {
    // At once is allowed outside of turns, and so is later.
    if (running_ || !run_at_once || random_() % 2 == 0) return Defer(runnable);
    RunNow(runnable);
  }
  void Defer(Runnable* runnable) override { ready_.push_back(runnable); }

  bool idle() const { return ready_.empty(); }
  // One turn of a random one of those that are ready.
  void Step() {
    if (ready_.empty()) return;
    std::swap(ready_[random_() % ready_.size()], ready_.back());
    Runnable* runnable = ready_.back();
    ready_.pop_back();
    RunNow(runnable);
  }
  // A turn of this one, if it is ready.
  void StepOf(Runnable* runnable) {
    const auto found = std::find(ready_.begin(), ready_.end(), runnable);
    if (found == ready_.end()) return;
    ready_.erase(found);
    RunNow(runnable);
  }
  // Until nothing is ready, or `most` turns. False: something still is.
  bool Settle(int most = 1'000'000) {
    while (!idle() && most-- > 0) Step();
    return idle();
  }

  bool run_at_once = true;

 private:
  void RunNow(Runnable* runnable) {
    running_ = true;
    runnable->RunTurn();
    running_ = false;
  }

  std::mt19937_64 random_;
  std::vector<Runnable*> ready_;
  bool running_ = false;
};

// Timers that go by the virtual clock, when told to look.
class VirtualTimers final : public Timers {
 public:
  explicit VirtualTimers(const Clock& clock) : clock_(clock) {}

  void At(int64_t steady_ms, boost::intrusive_ptr<Actor> actor, Command* command) override {
    entries_.emplace(steady_ms, std::make_pair(std::move(actor), command));
  }
  void FireDue() {
    while (!entries_.empty() && entries_.begin()->first <= clock_.SteadyMillis()) {
      const auto [actor, command] = std::move(entries_.begin()->second);
      entries_.erase(entries_.begin());
      actor->Send(command);
    }
  }
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  int64_t next_ms() const { return entries_.begin()->first; }

 private:
  const Clock& clock_;
  std::multimap<int64_t, std::pair<boost::intrusive_ptr<Actor>, Command*>> entries_;
};

// The three together.
struct World {
  explicit World(uint64_t seed) : executor(seed), timers(clock) {}

  void Advance(int64_t ms) {
    clock.Advance(ms);
    timers.FireDue();
  }
  // Advances in steps small enough for every timer to fire at its time; runs everything.
  void AdvanceAndSettle(int64_t ms) {
    executor.Settle();
    const int64_t end = clock.steady_ms + ms;
    while (!timers.empty() && timers.next_ms() <= end) {
      if (timers.next_ms() > clock.steady_ms) clock.Advance(timers.next_ms() - clock.steady_ms);
      timers.FireDue();
      executor.Settle();
    }
    if (end > clock.steady_ms) clock.Advance(end - clock.steady_ms);
  }

  VirtualClock clock;
  SeededExecutor executor;
  VirtualTimers timers;
};

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_SIMULATION_WORLD_H_
