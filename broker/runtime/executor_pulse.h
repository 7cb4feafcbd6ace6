#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "absl/time/time.h"
#include "broker/runtime/thread_executor.h"

namespace estiba {

// Watches whether an executor's pool still turns: asks it for a turn now and then, from a thread of
// its own, and says when none has come for long, and when they come again. Where all of the pool's
// threads are caught (a deadlock, a turn that never ends), timers and long turns stand still, and
// only a new process helps.
//
// Time is counted in the looks that this thread itself has made, so a process that was paused as a
// whole (a stopped container, a suspended machine) is not taken for one that is stuck.
class ExecutorPulse {
 public:
  struct Options {
    // From one look to the next.
    absl::Duration period = absl::Seconds(1);
    // So many looks without a turn, and the pool counts as stuck.
    int patience = 10;
  };
  // `turns`: false when the pool is found stuck, true when it turns again. From the pulse's thread.
  using Callback = std::function<void(bool turns)>;

  ExecutorPulse(ThreadExecutor& executor, Options options, Callback on_change);
  // The callback has returned and will not run again. Goes before the executor stops.
  ~ExecutorPulse();

 private:
  struct Beat;
  void Watch();

  ThreadExecutor& executor_;
  const Options options_;
  const Callback on_change_;
  // Shared with the turn that was asked for, which may come after this object's end.
  const std::shared_ptr<Beat> beat_;
  std::thread thread_;
};

}  // namespace estiba
