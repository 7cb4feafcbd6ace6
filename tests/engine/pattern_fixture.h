#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/engine/pattern_subscription.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {

// A stream of a pattern subscription that notes what it is sent.
class PatternStream final : public PatternConsumer {
 public:
  struct Frame {
    std::string topic;
    uint64_t first = 0;
    uint32_t count = 0;
    uint32_t attempt = 0;
    Strings bodies;
    std::vector<uint64_t> sequences;
  };
  explicit PatternStream(const ConsumerOptions& options) : PatternConsumer(options) {}

  void Accept(PatternSubscription& subscription, bool ok = true) {
    sending = false;
    subscription.Sent(this, ok);
  }
  Strings bodies() const {
    Strings all;
    for (const Frame& f : frames) all.insert(all.end(), f.bodies.begin(), f.bodies.end());
    return all;
  }
  uint32_t NumberOf(const std::string& topic) const {
    for (const auto& [number, name] : topics) {
      if (name == topic) return number;
    }
    return 0;
  }

  std::vector<Started> started;
  std::map<uint32_t, std::string> topics;
  std::vector<std::string> left;
  std::vector<std::pair<std::string, Gap>> gaps;
  std::vector<Frame> frames;
  std::vector<Verdicts> verdicts;
  std::vector<absl::Status> ends;
  bool sending = false;

 private:
  void Begin() {
    if (sending || !ends.empty()) FAIL("sent at the wrong time");
    sending = true;
  }
  void SendStarted(const Started& s) override {
    Begin();
    started.push_back(s);
  }
  void SendTopicChanges(const std::vector<TopicChange>& changes) override {
    Begin();
    for (const TopicChange& change : changes) {
      if (change.left) {
        left.push_back(change.name);
        topics.erase(change.number);
      } else {
        topics[change.number] = change.name;
      }
    }
  }
  void SendGap(uint32_t topic, const Gap& gap) override {
    Begin();
    gaps.emplace_back(topics.at(topic), gap);
  }
  void SendDelivery(uint32_t topic, const Delivery& delivery) override {
    Begin();
    std::vector<std::string> bodies;
    std::vector<uint64_t> sequences;
    for (const Run& run : delivery.runs()) {
      for (std::string& body : Bodies(run)) bodies.push_back(std::move(body));
      for (uint64_t i = run.first; i < run.end(); ++i) sequences.push_back(i);
    }
    frames.push_back({topics.at(topic), delivery.first(), delivery.messages(), delivery.attempt,
                      std::move(bodies), std::move(sequences)});
  }
  void SendVerdicts(const std::vector<Verdicts>& sent) override {
    Begin();
    verdicts.insert(verdicts.end(), sent.begin(), sent.end());
  }
  void OnEnd(const absl::Status& status) override { ends.push_back(status); }
};
using PatternStreamPtr = boost::intrusive_ptr<PatternStream>;

struct PatternFixture : Fixture {
  explicit PatternFixture(const BrokerOptions& options = {}) : Fixture(options) {}
  ~PatternFixture() {
    for (auto& [subscription, stream] : pattern_streams) Close(subscription, stream);
    pattern_streams.clear();
  }

  PatternSubscriptionPtr Use(const std::string& name, const std::string& pattern,
                             const StartPosition& start = {},
                             const SubscriptionConfig& config = {0}) {
    const PatternSubscriptionPtr subscription =
        broker->UsePattern(name, pattern, start, config).value();
    Settle();
    return subscription;
  }
  PatternStreamPtr Open(const PatternSubscriptionPtr& subscription,
                        const ConsumerOptions& options = {}) {
    PatternStreamPtr stream(new PatternStream(options));
    pattern_streams.emplace_back(subscription, stream);
    subscription->Add(stream);
    Settle();
    return stream;
  }
  void Take(const PatternSubscriptionPtr& subscription, const PatternStreamPtr& stream) {
    while (stream->sending) {
      stream->Accept(*subscription);
      Settle();
    }
  }
  void Close(const PatternSubscriptionPtr& subscription, const PatternStreamPtr& stream) {
    subscription->Remove(stream);
    Settle();
    if (stream->sending) stream->Accept(*subscription, false);
    Settle();
  }
  void Ack(const PatternSubscriptionPtr& subscription, const PatternStreamPtr& stream,
           const std::string& topic, uint64_t first, uint64_t last) {
    ConsumerUpdate update;
    update.acks.push_back({first, last});
    subscription->Update(stream, {{stream->NumberOf(topic), update}}, {});
    Settle();
  }

  std::vector<std::pair<PatternSubscriptionPtr, PatternStreamPtr>> pattern_streams;
};

inline constexpr StartPosition kFromLatest{StartPosition::Kind::kLatest, 0, 0};

}  // namespace estiba::testing
