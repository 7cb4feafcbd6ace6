// An engine whose turns all run on the calling thread, in the order they come, without timers: for
// programs that measure it.
#pragma once

#include <deque>

#include "broker/base/clock.h"
#include "broker/engine/broker.h"

namespace estiba::testing {

class InlineExecutor final : public Executor {
 public:
  void Run(Runnable* runnable) override {
    Defer(runnable);
    Drain();
  }
  void Defer(Runnable* runnable) override { ready_.push_back(runnable); }
  void Drain() {
    if (running_) return;
    running_ = true;
    while (!ready_.empty()) {
      Runnable* const next = ready_.front();
      ready_.pop_front();
      next->RunTurn();
    }
    running_ = false;
  }

 private:
  std::deque<Runnable*> ready_;
  bool running_ = false;
};

class NoTimers final : public Timers {
  void At(int64_t, boost::intrusive_ptr<Actor>, Command*) override {}
};

struct InlineEngine {
  InlineExecutor executor;
  SystemClock clock;
  NoTimers timers;
  Broker broker{{}, executor, clock, timers};
};

}  // namespace estiba::testing
