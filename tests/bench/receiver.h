// What one subscriber of a comparison has seen: counted, compared byte by byte, and timed, in the
// same way whoever delivered it.
#ifndef TESTS_BENCH_RECEIVER_H_
#define TESTS_BENCH_RECEIVER_H_

#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/bench_one_at_a_time.h"
#include "client/cli/bench_payload.h"
#include "client/cli/delivery_tracker.h"
#include "client/cli/latency_histogram.h"

namespace estiba::bench {

// Owned by the run. What comes is handed over by one thread at a time: whole deliveries with Begin,
// Check and End, or single messages with Receive. received() and last_delivery_ns() may be read at
// any time, the rest when nothing is on its way.
//
// Messages that carry a lane (who sent them, to which topic) and a number are expected in order in
// each lane.
class Receiver {
 public:
  struct Options {
    size_t size = 0;
    // How many lanes there may be.
    uint64_t lanes = 1;
    // Single messages: looks at the clock for one in so many (a power of two), for a look costs
    // several percent of what a message costs.
    uint64_t clock_every = 1;
    // Told of every delivery, unless null.
    cli::OneAtATime* one_at_a_time = nullptr;
  };

  explicit Receiver(const Options& options)
      : options_(options),
        filling_(cli::MakeBenchPayload(options.size)),
        verify_(options.size >= cli::kBenchHeaderBytes),
        trackers_(options.lanes) {}

  // A delivery of several messages.
  void Begin() {
    now_ns_ = cli::SteadyNanoseconds();
    ++frames_;
  }
  void Check(std::string_view payload) {
    ++count_;
    if (!verify_) {
      changed_ += payload.size() != filling_.size();
      return;
    }
    const cli::BenchHeader* header = Verify(payload);
    if (header == nullptr) return;
    // Messages that were handed over together have one send time, and are timed in one go.
    if (header->sent_ns != sent_ns_) Time();
    sent_ns_ = header->sent_ns;
    ++run_;
  }
  void End() {
    Time();
    last_ns_.store(now_ns_, std::memory_order_release);
    const uint64_t count = count_;
    count_ = 0;
    received_.fetch_add(count, std::memory_order_acq_rel);
    if (options_.one_at_a_time != nullptr) options_.one_at_a_time->Delivered(count);
  }

  // A message by itself.
  void Receive(std::string_view payload) {
    const uint64_t received = received_.load(std::memory_order_relaxed) + 1;
    const bool timed = (received & (options_.clock_every - 1)) == 0 || received >= wanted_;
    if (timed) now_ns_ = cli::SteadyNanoseconds();
    if (verify_) {
      const cli::BenchHeader* header = Verify(payload);
      if (timed && header != nullptr) latency_.Record(now_ns_ - header->sent_ns);
    } else {
      changed_ += payload.size() != filling_.size();
    }
    ++frames_;
    if (timed) last_ns_.store(now_ns_, std::memory_order_release);
    received_.store(received, std::memory_order_release);
    if (options_.one_at_a_time != nullptr) options_.one_at_a_time->Delivered(1);
  }

  // How many will have come when all have: the last one is always timed. While nothing is on its
  // way.
  void Expect(uint64_t more) { wanted_ = received_.load(std::memory_order_relaxed) + more; }
  void ResetLatencies() {
    latency_.Reset();
    frames_ = 0;
  }

  uint64_t received() const { return received_.load(std::memory_order_acquire); }
  int64_t last_delivery_ns() const { return last_ns_.load(std::memory_order_acquire); }
  bool verifies() const { return verify_; }
  // Since ResetLatencies.
  const cli::LatencyHistogram& latency() const { return latency_; }
  uint64_t frames() const { return frames_; }
  uint64_t changed() const { return changed_; }
  const cli::DeliveryTracker& tracker(uint64_t lane) const { return trackers_[lane]; }

 private:
  // The message's header, or null: it is not as it was sent.
  const cli::BenchHeader* Verify(std::string_view payload) {
    if (payload.size() != filling_.size() ||
        std::memcmp(payload.data() + cli::kBenchHeaderBytes,
                    filling_.data() + cli::kBenchHeaderBytes,
                    payload.size() - cli::kBenchHeaderBytes) != 0) {
      ++changed_;
      return nullptr;
    }
    header_ = cli::ReadHeader(payload);
    if (header_.publisher >= trackers_.size()) {
      ++changed_;
      return nullptr;
    }
    trackers_[header_.publisher].Receive(header_.number);
    return &header_;
  }
  void Time() {
    if (run_ > 0) latency_.Record(now_ns_ - sent_ns_, run_);
    run_ = 0;
  }

  const Options options_;
  const std::string filling_;
  const bool verify_;
  std::vector<cli::DeliveryTracker> trackers_;
  cli::LatencyHistogram latency_;
  cli::BenchHeader header_;
  uint64_t changed_ = 0;
  uint64_t frames_ = 0;
  uint64_t wanted_ = std::numeric_limits<uint64_t>::max();
  // Of the delivery that is being checked.
  int64_t now_ns_ = 0;
  int64_t sent_ns_ = 0;
  uint64_t run_ = 0;
  uint64_t count_ = 0;

  std::atomic<uint64_t> received_ = 0;
  std::atomic<int64_t> last_ns_ = 0;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_RECEIVER_H_
