// Settled batches on their way to the application: callbacks run in order and never two at once.
//
// Owner: one PublisherImpl. Threads: every method from any thread; Deliver must be called without
// any lock that a callback could need. A thread that calls Deliver while another is at it leaves
// its batches to that one.
#ifndef ESTIBA_CLIENT_SRC_OUTCOME_QUEUE_H_
#define ESTIBA_CLIENT_SRC_OUTCOME_QUEUE_H_

#include <cstdint>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/src/publish_queue.h"
#include "estiba/publisher.h"

namespace estiba::internal {

class OutcomeQueue {
 public:
  // `options` must live as long.
  explicit OutcomeQueue(const PublisherOptions& options) : options_(options) {}

  void Push(SettledBatch settled) ABSL_LOCKS_EXCLUDED(mutex_);
  void Deliver() ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until the outcome of so many messages, since the beginning, has been delivered. False: it
  // was not by the deadline.
  bool Await(uint64_t messages, absl::Time deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  // The first failure delivered since the last call; OK if there was none.
  absl::Status TakeFirstFailure() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Report(SettledBatch& settled) const;

  const PublisherOptions& options_;
  absl::Mutex mutex_;
  absl::CondVar delivered_;
  std::deque<SettledBatch> waiting_ ABSL_GUARDED_BY(mutex_);
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
  int awaiting_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t delivered_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status first_failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_OUTCOME_QUEUE_H_
