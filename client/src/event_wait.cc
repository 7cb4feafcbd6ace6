#include "client/src/event_wait.h"

#include <algorithm>
#include <thread>

namespace estiba::internal {

bool EventWait::Next(grpc::CompletionQueue& queue, void** tag, bool* ok) {
  if (busy_poll_ == std::chrono::nanoseconds::zero()) return queue.Next(tag, ok);
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + busy_poll_;
  const bool expected = expected_ > 0;
  if (expected) --expected_;
  if (expected && short_waits_ == kPays) {
    const gpr_timespec no_waiting = gpr_time_0(GPR_CLOCK_MONOTONIC);
    do {
      const auto found = queue.AsyncNext(tag, ok, no_waiting);
      if (found != grpc::CompletionQueue::TIMEOUT) return found == grpc::CompletionQueue::GOT_EVENT;
      std::this_thread::yield();
    } while (Clock::now() < end);
  }
  const bool got = queue.Next(tag, ok);
  short_waits_ = Clock::now() <= end ? std::min(short_waits_ + 1, kPays) : 0;
  return got;
}

}  // namespace estiba::internal
