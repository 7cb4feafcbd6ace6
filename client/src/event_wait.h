// Waits for the events of a completion queue. Where one is expected, and they come soon after one
// another, it looks for it for a while before it sleeps: being woken takes longer than most of them
// are away.
//
// One for each thread; not thread-safe.
#ifndef ESTIBA_CLIENT_SRC_EVENT_WAIT_H_
#define ESTIBA_CLIENT_SRC_EVENT_WAIT_H_

#include <grpcpp/completion_queue.h>

#include <chrono>

#include "absl/time/time.h"

namespace estiba::internal {

class EventWait {
 public:
  // busy_poll: how long to look, and how soon is soon. Zero: sleep at once.
  explicit EventWait(absl::Duration busy_poll) : busy_poll_(absl::ToChronoNanoseconds(busy_poll)) {}

  // Something was sent whose consequences this thread waits for: one of the next few events.
  void Expect() { expected_ = kFew; }
  // False: the queue has been shut down.
  bool Next(grpc::CompletionQueue& queue, void** tag, bool* ok);

 private:
  // So many short waits in a row make it worth looking.
  static constexpr int kPays = 4;

  static constexpr int kFew = 4;

  const std::chrono::nanoseconds busy_poll_;
  int expected_ = 0;
  int short_waits_ = 0;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_EVENT_WAIT_H_
