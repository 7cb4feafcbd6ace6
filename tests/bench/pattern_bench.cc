// pattern_bench: what 10,000 subscriptions over patterns that do not match cost a publish to
// another topic, and the making of one. Two brokers, one with the patterns and one without, take
// turns on one thread. Fails where the publish is slower by 5 % or more, in the median of the
// rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/inline_engine.h"

namespace estiba {
namespace {

constexpr int kPatterns = 10'000;
constexpr int kRounds = 21;
constexpr int kPublishes = 100'000;  // of one message of 128 bytes, in a round
constexpr int kTopics = 1'000;       // made in a round
constexpr double kMostSlowdown = 0.05;

// Takes everything at once.
class Taker final : public Consumer {
 public:
  explicit Taker(SubscriptionPtr subscription)
      : Consumer({}), subscription_(std::move(subscription)) {}

 private:
  void SendStarted(const Started&) override { subscription_->Sent(this, true); }
  void SendGap(const Gap&) override { subscription_->Sent(this, true); }
  void SendVerdicts(const std::vector<Verdicts>&) override { subscription_->Sent(this, true); }
  void SendDelivery(const Delivery&) override { subscription_->Sent(this, true); }
  void OnEnd(const absl::Status&) override {}

  const SubscriptionPtr subscription_;
};

class Batch final : public PublishCommand {
 public:
  Batch() {
    record_ = std::string("\x12\x83\x01\x0a\x80\x01", 6) + std::string(128, 'x');
    records = record_.data();
    bytes = static_cast<uint32_t>(record_.size());
    count = 1;
  }
  void Done() override {
    if (!result.status.ok()) std::abort();
  }

 private:
  std::string record_;
};

double SecondsOf(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Side {
  explicit Side(int patterns) {
    for (int i = 0; i < patterns; ++i) {
      const std::string pattern =
          i % 2 == 0 ? absl::StrCat("orders.", i, ".*.created") : absl::StrCat("orders.", i, ".>");
      if (!broker.CreatePattern(absl::StrCat("p", i), pattern, {}, {}).ok()) std::abort();
    }
    topic = broker.UseTopic("prices.tea").value();
    subscription = broker.UseSubscription("", "prices.tea", {}).value();
    engine.executor.Drain();
    taker = new Taker(subscription);
    subscription->Add(taker);
  }
  ~Side() { subscription->Remove(taker); }

  double Publish() {
    return SecondsOf([&] {
             for (int i = 0; i < kPublishes; ++i) topic->Publish(&batch);
           }) /
           kPublishes;
  }
  double MakeTopics() {
    const double seconds = SecondsOf([&] {
      for (int i = 0; i < kTopics; ++i) broker.UseTopic(absl::StrCat("made.", i)).IgnoreError();
      engine.executor.Drain();
    });
    for (int i = 0; i < kTopics; ++i) broker.DeleteTopic(absl::StrCat("made.", i)).IgnoreError();
    return seconds / kTopics;
  }

  testing::InlineEngine engine;
  Broker& broker = engine.broker;
  TopicPtr topic;
  SubscriptionPtr subscription;
  ConsumerPtr taker;
  Batch batch;
};

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

int Main() {
  Side without(0), with(kPatterns);
  std::vector<double> publish[2], make[2], slower;
  for (int round = 0; round < kRounds; ++round) {
    // Which goes first alternates, too.
    double seconds[2] = {};
    for (const int side : {round % 2, 1 - round % 2}) {
      Side& s = side == 0 ? without : with;
      seconds[side] = s.Publish();
      publish[side].push_back(seconds[side]);
      make[side].push_back(s.MakeTopics());
    }
    slower.push_back(seconds[1] / seconds[0] - 1);
  }
  std::printf("publish, ns: %.1f without patterns, %.1f with %d that do not match: %+.1f %%\n",
              Median(publish[0]) * 1e9, Median(publish[1]) * 1e9, kPatterns, Median(slower) * 100);
  std::printf("making a topic, us: %.2f without, %.2f with\n", Median(make[0]) * 1e6,
              Median(make[1]) * 1e6);
  return Median(slower) < kMostSlowdown ? 0 : 1;
}

}  // namespace
}  // namespace estiba

int main() { return estiba::Main(); }
