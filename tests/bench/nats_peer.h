// A NATS connection that publishes, and one that subscribes and checks what comes: the least that a
// comparison needs of NATS's C client, in its own best practice.
//
// Failure: absl::Status with the library's text; nothing throws.
#ifndef TESTS_BENCH_NATS_PEER_H_
#define TESTS_BENCH_NATS_PEER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/bench_one_at_a_time.h"
#include "client/cli/delivery_tracker.h"
#include "client/cli/latency_histogram.h"

struct __natsConnection;
struct __natsMsg;
struct __natsOptions;
struct __natsSubscription;

namespace estiba::bench {

struct NatsConnectionDeleter {
  void operator()(__natsConnection* connection) const;
};
using NatsConnectionPtr = std::unique_ptr<__natsConnection, NatsConnectionDeleter>;

// Owned and used by one thread.
class NatsPublisher {
 public:
  // `send_asap`: every message is written to the socket at once, which the library recommends for
  // latency; otherwise it gathers them, which it recommends for throughput.
  absl::Status Connect(const std::string& url, bool send_asap);
  absl::Status Publish(const std::string& subject, std::string_view payload);
  // Waits until the server has everything published so far.
  absl::Status Flush(absl::Duration timeout);

 private:
  NatsConnectionPtr connection_;
};

// Owned by the run. Messages come on a thread of the library, one at a time; the rest is the
// owner's, and what it reads besides received() only after Stop.
class NatsSubscriber {
 public:
  struct Options {
    std::string url;
    std::string subject;
    size_t size = 0;
    // Looks at the clock for one in so many messages (a power of two): NATS hands them over one by
    // one, and a look costs several percent of that.
    uint64_t clock_every = 1;
    // Told of every delivery, unless null.
    cli::OneAtATime* one_at_a_time = nullptr;
  };

  explicit NatsSubscriber(const Options& options);
  ~NatsSubscriber();

  // Returns when the server knows of the subscription.
  absl::Status Start(absl::Duration timeout);
  // Waits until so many have come in all, or none came for `patience`.
  void WaitFor(uint64_t wanted, absl::Duration patience);
  uint64_t received() const { return received_.load(std::memory_order_acquire); }
  // Between a WaitFor and the next publish, when nothing is on its way.
  void ResetLatencies() { latency_.Reset(); }
  void Stop();

  int64_t last_delivery_ns() const { return last_ns_.load(std::memory_order_acquire); }
  const cli::LatencyHistogram& latency() const { return latency_; }
  const cli::DeliveryTracker& tracker() const { return tracker_; }
  uint64_t changed() const { return changed_; }
  bool verifies() const { return verify_; }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};

  static void OnMessage(__natsConnection*, __natsSubscription*, __natsMsg* message, void* self);
  void Receive(std::string_view payload);

  const Options options_;
  const std::string filling_;
  const bool verify_;
  NatsConnectionPtr connection_;
  __natsSubscription* subscription_ = nullptr;

  cli::DeliveryTracker tracker_;
  cli::LatencyHistogram latency_;
  uint64_t changed_ = 0;

  std::atomic<uint64_t> received_ = 0;
  std::atomic<uint64_t> wanted_ = kNone;
  std::atomic<int64_t> last_ns_ = 0;
  absl::Mutex mutex_;
  absl::CondVar arrived_;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_NATS_PEER_H_
