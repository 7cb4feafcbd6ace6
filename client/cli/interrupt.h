// Ctrl-C and SIGTERM as an event instead of a sudden end.
#ifndef CLIENT_CLI_INTERRUPT_H_
#define CLIENT_CLI_INTERRUPT_H_

#include <signal.h>

#include <atomic>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace estiba::cli {

// Owner: a command, at most one at a time. Must be made before any other thread is started (threads
// inherit that these signals are blocked), so before the estiba::Client, and go away on the same
// thread.
//
// The first SIGINT or SIGTERM sets `interrupted` and runs the handler; the second ends the process
// at once with exit code 130.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Any thread.
  bool interrupted() const { return interrupted_.load(std::memory_order_relaxed); }

  // Called once, on this object's thread, when the signal comes; at once, on the calling thread, if
  // it has come. When OnInterrupt returns, a handler set before is no longer running. Pass nullptr
  // before what the handler uses goes away.
  void OnInterrupt(std::function<void()> handler);

  // Sleeps until `time`, or until interrupted; returns false then. Any thread.
  bool SleepUntil(absl::Time time) const;

 private:
  void Watch();

  std::atomic<bool> interrupted_ = false;
  std::atomic<bool> stopping_ = false;
  mutable absl::Mutex mutex_;
  std::function<void()> handler_ ABSL_GUARDED_BY(mutex_);
  sigset_t mask_before_ = {};
  std::thread thread_;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_INTERRUPT_H_
