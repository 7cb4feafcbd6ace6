#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace estiba {

// Calls a function again and again, on a pool's threads, one call at a time: a period after the
// last one has returned.
// Threads: any, but the function must not call Stop. Lifetime: Stop before the pool is joined, or
// before destruction.
class Ticker {
 public:
  Ticker(boost::asio::thread_pool& pool, absl::Duration period, std::function<void()> function);

  // The first call is a period away.
  void Start();
  // Waits for a call under way; no other follows.
  void Stop();

 private:
  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tick();

  const absl::Duration period_;
  const std::function<void()> function_;
  // Held while the function runs: a timer that is cancelled meanwhile would be set again.
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  boost::asio::steady_timer timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba
