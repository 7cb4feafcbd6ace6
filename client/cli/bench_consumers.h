// The receiving side of `estiba bench`.
#ifndef CLIENT_CLI_BENCH_CONSUMERS_H_
#define CLIENT_CLI_BENCH_CONSUMERS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/bench_one_at_a_time.h"
#include "client/cli/bench_options.h"
#include "client/cli/delivery_tracker.h"
#include "estiba/client.h"
#include "estiba/subscriber.h"

namespace estiba::cli {

// All subscribers of a run, with what they have seen. They work on the one thread of `client`,
// which must have just one: that is what lets them count without locks.
//
// Owned by the run. StartAll, then any number of WaitFor; the results only after StopAll.
class BenchConsumers {
 public:
  // `topics` are the names; the rest must outlive this. `one_at_a_time`, unless null, is told of
  // every delivery.
  BenchConsumers(const Client& client, const BenchOptions& options,
                 const std::vector<std::string>& topics, OneAtATime* one_at_a_time);
  ~BenchConsumers();

  // Returns when every subscriber's stream stands, so that what is published from now on is seen by
  // all. DEADLINE_EXCEEDED, or the status of a stream that ended.
  absl::Status StartAll(absl::Duration timeout);

  // Waits until `deliveries` have come since the start, and returns how many have: fewer where none
  // came for options.patience, or after Abandon.
  uint64_t WaitFor(uint64_t deliveries);
  uint64_t received() const { return received_.load(std::memory_order_acquire); }
  // SteadyNanoseconds of the last delivery so far.
  int64_t last_delivery_ns() const { return last_ns_.load(std::memory_order_acquire); }
  // Lets WaitFor return. Any thread.
  void Abandon();

  // Forgets latencies so far; between a WaitFor and the next publish, when nothing is on its way.
  void ResetLatencies();

  void StopAll();

  // `published` by each publisher, by its number.
  void Report(const std::vector<uint64_t>& published, BenchResult& result) const;

 private:
  struct Consumer {
    // By publisher of the topic.
    std::vector<DeliveryTracker> trackers;
    std::unique_ptr<Subscriber> subscriber;
  };

  void OnFrame(Consumer& consumer, const Frame& frame);
  void Verify(Consumer& consumer, const Frame& frame, int64_t now);
  SubscriberOptions OptionsFor(const std::string& topic);

  const Client& client_;
  const BenchOptions& options_;
  OneAtATime* const one_at_a_time_;
  const std::string filling_;
  const bool verify_;
  std::vector<Consumer> consumers_;
  // Of a shared subscription: whether everything came once, wherever. By publisher.
  std::vector<DeliveryTracker> shared_;
  LatencyHistogram latency_;
  uint64_t changed_ = 0;

  std::atomic<uint64_t> received_ = 0;
  std::atomic<int64_t> last_ns_ = 0;

  absl::Mutex mutex_;
  uint64_t started_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar progress_;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_CONSUMERS_H_
