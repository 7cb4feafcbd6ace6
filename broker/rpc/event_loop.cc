#include "broker/rpc/event_loop.h"

#include <algorithm>
#include <chrono>

#include "broker/rpc/call.h"

namespace estiba {
namespace {

using Clock = std::chrono::steady_clock;

// An event that comes sooner was there already: not even a look at the sockets was needed.
constexpr auto kAtOnce = std::chrono::microseconds(1);
// So many messages that were there already make a burst.
constexpr int kBurst = 3;
// How many events' consequences are held back at most, of whatever kind, and how many bytes' that
// were read; a batch is worth its turn.
constexpr int kMostHeld = 32;
constexpr size_t kMostHeldBytes = 16 << 10;

// Takes events until fewer messages than kBurst come without waiting. False: the queue was shut
// down.
bool ServeBursts(grpc::CompletionQueue& queue, Executor& executor) {
  const gpr_timespec no_waiting = gpr_time_0(GPR_CLOCK_MONOTONIC);
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
    int reads = 0;
    int held = 0;
    size_t held_bytes = 0;
    executor.Hold();
    do {
      const size_t bytes = Call::Complete(tag, ok);
      if (bytes > 0) reads = std::min(reads + 1, kBurst);
      held_bytes += bytes;
      ++held;
      if (held >= kMostHeld || held_bytes >= kMostHeldBytes) {
        executor.Release();
        executor.Hold();
        held = 0;
        held_bytes = 0;
      }
    } while (queue.AsyncNext(&tag, &ok, no_waiting) == grpc::CompletionQueue::GOT_EVENT);
    executor.Release();
    if (reads < kBurst) return true;
  }
  return false;
}

}  // namespace

void ServeEvents(grpc::CompletionQueue& queue, Executor& executor) {
  void* tag = nullptr;
  bool ok = false;
  int reads = 0;
  while (true) {
    const Clock::time_point before = Clock::now();
    if (!queue.Next(&tag, &ok)) return;
    if (Clock::now() - before > kAtOnce) reads = 0;
    if (Call::Complete(tag, ok) > 0) ++reads;
    if (reads < kBurst) continue;
    reads = 0;
    if (!ServeBursts(queue, executor)) return;
  }
}

}  // namespace estiba
