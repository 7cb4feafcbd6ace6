#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/base/clock.h"
#include "broker/engine/broker.h"
#include "broker/ops/config.h"
#include "broker/ops/health.h"
#include "broker/ops/reflection.h"
#include "broker/rpc/server.h"
#include "broker/runtime/asio_timers.h"
#include "broker/runtime/executor_pulse.h"
#include "broker/runtime/thread_executor.h"
#include "broker/runtime/ticker.h"

namespace estiba {

// The broker process without its command line and signals: puts the parts together, starts them in
// order, ends them in order.
// Threads: one, from construction to destruction, but for RequestStop.
class Daemon {
 public:
  explicit Daemon(const Config& config);
  ~Daemon();

  // Makes the declared topics, listens, and says ready.
  absl::Status Start();

  // The orderly end, in the order that README.md promises: not ready; publishes and new streams
  // refused; consumers finish what is held, up to the drain deadline or until `hurry` says true;
  // every stream ended; what was still held is logged by topic.
  void Drain(const std::function<bool()>& hurry);

 private:
  absl::Status MakeDeclaredTopics();
  void WatchExecutor();
  void KeepHouse();
  void LogHeld() const;

  const Config config_;
  SystemClock clock_;
  ThreadExecutor executor_;
  AsioTimers timers_;
  Broker broker_;
  Health health_;
  Reflection reflection_;
  std::unique_ptr<Server> server_;
  Ticker housekeeping_;
  std::unique_ptr<ExecutorPulse> pulse_;
};

}  // namespace estiba
