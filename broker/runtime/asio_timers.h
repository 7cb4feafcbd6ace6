#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <queue>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/base/clock.h"
#include "broker/engine/timers.h"

namespace estiba {

// The engine's timers on Boost.Asio: one heap, one system timer.
// Threads: any. Lifetime: outlives the engine; Stop before the pool is joined.
class AsioTimers final : public Timers {
 public:
  AsioTimers(boost::asio::thread_pool& pool, const Clock& clock) : clock_(clock), timer_(pool) {}

  void At(int64_t steady_ms, boost::intrusive_ptr<Actor> actor, Command* command) override;

  // Forgets what has not fired yet; later calls are forgotten too.
  void Stop();

 private:
  struct Entry {
    int64_t steady_ms;
    boost::intrusive_ptr<Actor> actor;
    Command* command;
    bool operator<(const Entry& other) const { return steady_ms > other.steady_ms; }
  };

  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fire();

  const Clock& clock_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t armed_ms_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: not armed
  std::priority_queue<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  boost::asio::steady_timer timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba
