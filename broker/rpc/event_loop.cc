#include "broker/rpc/event_loop.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "broker/rpc/busy_poll.h"
#include "broker/rpc/call.h"

namespace estiba {
namespace {

using Clock = std::chrono::steady_clock;

// An event that comes sooner was there already: not even a look at the sockets was needed.
constexpr auto kAtOnce = std::chrono::microseconds(1);
// How many messages that come alone it takes to stop looking for others with each.
constexpr int kKeen = 16;
// How many events' consequences are held back at most, of whatever kind, and how many bytes' that
// were read; a batch as large is worth a turn of its own.
constexpr int kMostHeld = 32;
constexpr size_t kMostHeldBytes = 16 << 10;
// Larger messages take so long themselves that being woken matters little.
constexpr size_t kWorthLooking = 4 << 10;
// Who yields the processor for so long has had it taken by somebody who needs it.
constexpr auto kTaken = std::chrono::microseconds(10);
// How many events go before what was asked to run after them.
constexpr int kMostBefore = 16;

// A thread that serves a queue.
class EventLoop {
 public:
  EventLoop(grpc::CompletionQueue& queue, Executor& executor, std::chrono::nanoseconds busy_poll)
      : queue_(queue), executor_(executor), busy_poll_(busy_poll) {}

  void Serve();
  void RunAfterEvents(Runnable* runnable) { after_.Push(runnable); }
  bool taking() const { return taking_; }
  void RunWhenTaken(Runnable* runnable) { when_taken_.Push(runnable); }

 private:
  // The next event, and whether it was there already. False: the queue was shut down.
  bool Next();
  bool TryNext() {
    return queue_.AsyncNext(&tag_, &ok_, gpr_time_0(GPR_CLOCK_MONOTONIC)) ==
           grpc::CompletionQueue::GOT_EVENT;
  }
  // Looks for it for a while, where that is worth it.
  bool LookForNext();
  // How much the event has read; 0: it is no message.
  size_t Read();
  // The event, which is a message, and with it those that are there. Returns how many were
  // messages.
  int ServeTogether();
  // Completes the event. True: another has come about meanwhile, and is taken.
  bool CompleteAndTake();
  void RunAfter();

  grpc::CompletionQueue& queue_;
  Executor& executor_;
  const std::chrono::nanoseconds busy_poll_;
  BusyPoll looking_;
  bool light_ = false;  // the last message was, so that looking may be worth it
  void* tag_ = nullptr;
  bool ok_ = false;
  bool at_once_ = false;
  bool taking_ = false;  // messages, whose consequences wait
  RunQueue when_taken_;
  RunQueue after_;
  int before_ = 0;  // events since there is something to run after them
};

// Null on threads that serve no queue.
thread_local EventLoop* this_loop = nullptr;

void EventLoop::Serve() {
  int keen = 0;                // above 0: messages have come together lately
  bool after_message = false;  // since the last wait
  while (Next()) {
    if (!at_once_) after_message = false;
    const size_t bytes = Read();
    const bool small = bytes > 0 && bytes < kMostHeldBytes;
    if (small && after_message) keen = kKeen;
    after_message = after_message || small;
    if (small && keen > 0) {
      keen = ServeTogether() > 1 ? kKeen : keen - 1;
    } else {
      Call::Complete(tag_, ok_);
    }
  }
}

bool EventLoop::Next() {
  const Clock::time_point before = Clock::now();
  bool found = false;
  if (!after_.empty()) {
    found = before_++ < kMostBefore && TryNext();
    if (!found) RunAfter();
  }
  if (!found) found = LookForNext();
  if (!found && !queue_.Next(&tag_, &ok_)) return false;
  at_once_ = Clock::now() - before <= kAtOnce;
  if (!found && !at_once_) looking_.Slept();
  return true;
}

bool EventLoop::LookForNext() {
  if (busy_poll_ == busy_poll_.zero() || !light_ || !looking_.Worth()) return false;
  if (TryNext()) return true;
  const Clock::time_point end = Clock::now() + busy_poll_;
  Clock::time_point now;
  bool found = false;
  bool alone = false;
  do {
    const Clock::time_point before = Clock::now();
    std::this_thread::yield();
    now = Clock::now();
    alone = now - before < kTaken;
    found = TryNext();
  } while (!found && alone && now < end);
  looking_.Looked(found && alone);
  return found;
}

size_t EventLoop::Read() {
  const size_t bytes = Call::MessageBytes(tag_, ok_);
  if (bytes > 0) light_ = bytes < kWorthLooking;
  return bytes;
}

int EventLoop::ServeTogether() {
  int messages = 0;
  int held = 0;
  size_t bytes = 0;
  executor_.Hold();
  taking_ = true;
  for (;;) {
    const size_t read = Read();
    messages += read > 0;
    bytes += read;
    if (++held == kMostHeld || bytes >= kMostHeldBytes) {
      Call::Complete(tag_, ok_);
      break;
    }
    if (!CompleteAndTake()) break;
  }
  taking_ = false;
  while (Runnable* runnable = when_taken_.Pop()) runnable->RunTurn();
  executor_.Release();
  if (!after_.empty() && (before_ += held) >= kMostBefore) RunAfter();
  return messages;
}

bool EventLoop::CompleteAndTake() {
  // An operation that ends while it is begun, as a read does whose message is there already, leaves
  // its event in a place of this thread's: finding it costs nothing, where asking the queue would
  // be a look at all sockets. (As CompletionQueue::DoThenAsyncNext, but for that look.)
  grpc_completion_queue_thread_local_cache_init(queue_.cq());
  Call::Complete(tag_, ok_);
  void* tag = nullptr;
  int ok = 0;
  if (grpc_completion_queue_thread_local_cache_flush(queue_.cq(), &tag, &ok) == 0) return false;
  ok_ = ok == 1;
  tag_ = tag;
  return static_cast<grpc::internal::CompletionQueueTag*>(tag)->FinalizeResult(&tag_, &ok_);
}

void EventLoop::RunAfter() {
  before_ = 0;
  RunQueue all = after_.TakeAll();
  while (Runnable* runnable = all.Pop()) executor_.Run(runnable);
}

}  // namespace

void ServeEvents(grpc::CompletionQueue& queue, Executor& executor,
                 std::chrono::nanoseconds busy_poll) {
  EventLoop loop(queue, executor, busy_poll);
  this_loop = &loop;
  loop.Serve();
  this_loop = nullptr;
}

bool TakingTogether() { return this_loop != nullptr && this_loop->taking(); }

void RunWhenTaken(Runnable* runnable) { this_loop->RunWhenTaken(runnable); }

void RunAfterEvents(Executor& executor, Runnable* runnable) {
  if (this_loop == nullptr) return executor.Run(runnable);
  this_loop->RunAfterEvents(runnable);
}

}  // namespace estiba
