// What a scheduled message costs, and how late it is published: a million of them wait, then come
// due over ten seconds, while their topic has a consumer.
//
//   build/release/tests/bin/schedule_bench [MESSAGES [SPREAD_MS]]
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/broker.h"
#include "broker/runtime/asio_timers.h"
#include "broker/runtime/thread_executor.h"
#include "tests/engine/simulation/outside.h"

namespace estiba::testing {
namespace {

uint64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  in >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// Takes everything at once, and notes how late it is.
class Taker final : public Consumer {
 public:
  Taker(SubscriptionPtr subscription, const Clock& clock, std::vector<int64_t>& late_ms)
      : Consumer({}), subscription_(std::move(subscription)), clock_(clock), late_ms_(late_ms) {}

  std::atomic<uint64_t> taken{0};

 private:
  void SendStarted(const Started&) override { subscription_->Sent(this, true); }
  void SendGap(const Gap&) override { subscription_->Sent(this, true); }
  void SendDelivery(const Delivery& delivery) override {
    const int64_t now = clock_.WallMillis();
    for (const Run& run : delivery.runs()) {
      for (const std::string& body : Bodies(run)) {
        late_ms_.push_back(now - ReadTimes(body).deliver_at_ms);
      }
    }
    taken.fetch_add(delivery.messages(), std::memory_order_release);
    subscription_->Sent(this, true);
  }
  void SendVerdicts(const std::vector<Verdicts>&) override { subscription_->Sent(this, true); }
  void OnEnd(const absl::Status&) override {}

  const SubscriptionPtr subscription_;
  const Clock& clock_;
  std::vector<int64_t>& late_ms_;
};

int Main(uint64_t messages, int64_t spread_ms) {
  constexpr size_t kData = 100;
  constexpr uint64_t kBatch = 1'000;
  SystemClock clock;
  ThreadExecutor executor(2);
  AsioTimers timers(executor.pool(), clock);
  std::vector<int64_t> late_ms;
  late_ms.reserve(messages);
  {
    BrokerOptions options;
    options.budget_bytes = uint64_t{4} << 30;
    Broker broker(options, executor, clock, timers);
    const TopicPtr topic = broker.CreateTopic("t", {}).value();
    const SubscriptionPtr subscription = broker.UseSubscription("s", "t", {}).value();
    boost::intrusive_ptr<Taker> taker(new Taker(subscription, clock, late_ms));
    subscription->Add(taker);

    const int64_t first_ms = clock.WallMillis() + 5'000;
    const uint64_t resident = ResidentBytes();
    const int64_t begin = clock.SteadyMillis();
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < messages;) {
      std::vector<std::string> bodies;
      for (uint64_t n = 0; n < kBatch && i < messages; ++n, ++i) {
        std::string message;
        WireWriter(message).Bytes(1, std::string(kData, 'x'));
        // In no order.
        const int64_t at = static_cast<int64_t>(i * 7919 % static_cast<uint64_t>(spread_ms));
        WireWriter(message).Varint(MessageTimes::kDeliverAt, static_cast<uint64_t>(first_ms + at));
        bytes += message.size();
        bodies.push_back(std::move(message));
      }
      Batch batch(bodies);
      batch.scheduled = true;
      topic->Publish(&batch);
      if (!batch.taken()) {
        std::fprintf(stderr, "refused: %s\n", batch.result.status.ToString().c_str());
        return 1;
      }
    }
    const int64_t took = clock.SteadyMillis() - begin;
    malloc_trim(0);
    const double beside =
        static_cast<double>(ResidentBytes() - resident) - static_cast<double>(bytes);
    std::printf("%llu messages of %llu bytes scheduled in %lld ms\n",
                static_cast<unsigned long long>(messages),
                static_cast<unsigned long long>(bytes / messages), static_cast<long long>(took));
    std::printf("resident memory beyond the messages: %.1f bytes each\n",
                beside / static_cast<double>(messages));
    std::printf(
        "charged beyond the messages: %.1f bytes each\n",
        static_cast<double>(topic->Stats().held_bytes - bytes) / static_cast<double>(messages));
    while (taker->taken.load(std::memory_order_acquire) < messages) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (clock.WallMillis() > first_ms + spread_ms + 60'000) {
        std::fprintf(stderr, "only %llu came\n",
                     static_cast<unsigned long long>(taker->taken.load()));
        return 1;
      }
    }
    subscription->Remove(taker);
  }
  timers.Stop();
  executor.Stop();
  std::sort(late_ms.begin(), late_ms.end());
  const auto at = [&](double q) {
    return static_cast<long long>(
        late_ms[static_cast<size_t>(q * static_cast<double>(late_ms.size() - 1))]);
  };
  std::printf("late, in ms: p50 %lld, p99 %lld, p99.9 %lld, worst %lld; earliest %lld\n", at(0.5),
              at(0.99), at(0.999), at(1), at(0));
  return 0;
}

}  // namespace
}  // namespace estiba::testing

int main(int argc, char** argv) {
  const uint64_t messages = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const int64_t spread_ms = argc > 2 ? std::strtoll(argv[2], nullptr, 10) : 10'000;
  return estiba::testing::Main(messages, spread_ms);
}
