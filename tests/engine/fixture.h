// A broker in a world of its own, for tests that set up one situation each.
#ifndef TESTS_ENGINE_FIXTURE_H_
#define TESTS_ENGINE_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/engine/broker.h"
#include "tests/engine/simulation/outside.h"
#include "tests/engine/simulation/world.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {

// Everything happens when Settle says so, or as a call returns; nothing by itself.
struct Fixture {
  explicit Fixture(const BrokerOptions& options = {})
      : world(Seed()), broker(new Broker(options, world.executor, world.clock, world.timers)) {}
  ~Fixture() {
    for (auto& [subscription, stream] : streams) subscription->Remove(stream);
    Settle();
    for (auto& [subscription, stream] : streams) {
      if (stream->sending) stream->Accept(*subscription);
    }
    Settle();
    streams.clear();
    broker.reset();
    Settle();
    world.AdvanceAndSettle(3'600'000);
  }

  void Settle() { REQUIRE(world.executor.Settle()); }

  TopicPtr Topic(const std::string& name, const TopicConfig& config = {}) {
    return broker->CreateTopic(name, config).value();
  }
  std::shared_ptr<Batch> Publish(const TopicPtr& topic, const std::vector<std::string>& bodies,
                                 const std::string& producer = "", uint64_t number = 0) {
    auto batch = std::make_shared<Batch>(bodies);
    if (!producer.empty()) batch->SetProducer(producer, number);
    batches.push_back(batch);
    topic->Publish(batch.get());
    Settle();
    return batch;
  }
  // Batches of one message of `bytes`, until one is refused or waits; how many were taken.
  int Fill(const TopicPtr& topic, size_t bytes) {
    int taken = 0;
    while (Publish(topic, {std::string(bytes, 'x')})->taken()) ++taken;
    return taken;
  }

  SubscriptionPtr Subscribe(const std::string& name, const std::string& topic,
                            const StartPosition& start = {}) {
    const SubscriptionPtr subscription = broker->UseSubscription(name, topic, start).value();
    Settle();
    return subscription;
  }
  StreamPtr Consume(const SubscriptionPtr& subscription, const ConsumerOptions& options = {}) {
    StreamPtr stream(new Stream(options));
    streams.emplace_back(subscription, stream);
    subscription->Add(stream);
    Settle();
    return stream;
  }
  // Accepts all sends until there are no more.
  void Take(const SubscriptionPtr& subscription, const StreamPtr& stream) {
    while (stream->sending) {
      stream->Accept(*subscription);
      Settle();
    }
    REQUIRE(stream->broken_rule.empty());
  }
  void Ack(const SubscriptionPtr& subscription, const StreamPtr& stream, uint64_t first,
           uint64_t last) {
    ConsumerUpdate update;
    update.acks.push_back({first, last});
    subscription->Update(stream, update);
    Settle();
  }
  void Nack(const SubscriptionPtr& subscription, const StreamPtr& stream, uint64_t first,
            uint64_t last) {
    ConsumerUpdate update;
    update.nacks.push_back({first, last});
    subscription->Update(stream, update);
    Settle();
  }
  void Remove(const SubscriptionPtr& subscription, const StreamPtr& stream) {
    subscription->Remove(stream);
    Settle();
  }

  World world;
  std::unique_ptr<Broker> broker;
  std::vector<std::shared_ptr<Batch>> batches;
  std::vector<std::pair<SubscriptionPtr, StreamPtr>> streams;
};

inline ConsumerOptions Explicit(uint64_t max_messages = 0, uint64_t max_bytes = 0) {
  ConsumerOptions options;
  options.ack_mode = AckMode::kExplicit;
  options.credit = {max_messages, max_bytes};
  return options;
}
inline ConsumerOptions Automatic(uint64_t max_messages = 0, uint64_t max_bytes = 0) {
  ConsumerOptions options;
  options.credit = {max_messages, max_bytes};
  return options;
}

using Strings = std::vector<std::string>;
using Numbers = std::vector<uint64_t>;

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_FIXTURE_H_
