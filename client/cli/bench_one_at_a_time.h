// `estiba bench --one-at-a-time`: each message is published by whoever received the one before.
#ifndef CLIENT_CLI_BENCH_ONE_AT_A_TIME_H_
#define CLIENT_CLI_BENCH_ONE_AT_A_TIME_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace estiba::cli {

// Owned by the run. Run from its thread, Delivered from those that receive, Abandon from any.
class OneAtATime {
 public:
  // `send` publishes one message, on the caller's thread, without waiting; each message is
  // delivered `fan_out` times.
  OneAtATime(uint64_t fan_out, std::function<absl::Status()> send)
      : fan_out_(fan_out), send_(std::move(send)) {}

  // Publishes `count` messages, or until SteadyNanoseconds() is `end_ns`; returns how many when the
  // last one has been delivered. Ends early where `send` fails, where nothing was delivered for
  // `patience`, and after Abandon.
  uint64_t Run(uint64_t count, int64_t end_ns, absl::Duration patience);
  // So many deliveries have come.
  void Delivered(uint64_t deliveries);
  void Abandon();

 private:
  void SendOrEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t fan_out_;
  const std::function<absl::Status()> send_;
  absl::Mutex mutex_;
  absl::CondVar ended_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t end_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t delivered_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_ONE_AT_A_TIME_H_
