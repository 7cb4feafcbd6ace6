// Subscribers over a pattern against a real broker.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/client/broker_fixture.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("A pattern brings the messages of all topics that match, with their names") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("orders.eu", 2).ok());
  REQUIRE(f.PublishNumbers("invoices.eu", 2).ok());
  absl::Mutex mutex;
  std::vector<std::string> changes;
  Subscriber subscriber(f.client,
                        {.topic = "orders.*", .on_topic_change = [&](const TopicChange& c) {
                           absl::MutexLock lock(&mutex);
                           changes.push_back((c.left ? "-" : "+") + c.topic);
                         }});
  for (const char* data : {"0", "1"}) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    CHECK(message->topic() == "orders.eu");
    CHECK(message->data() == data);
  }
  REQUIRE(f.PublishNumbers("orders.us", 1).ok());
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  CHECK(message->topic() == "orders.us");
  CHECK(message->sequence() == 1);
  REQUIRE(f.admin.DeleteTopic("orders.eu").ok());
  CHECK(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return changes == std::vector<std::string>{"+orders.eu", "+orders.us", "-orders.eu"};
  }));
}

TEST_CASE("Acks and nacks of a pattern's messages find their topic") {
  BrokerFixture f;
  for (const char* topic : {"t.a", "t.b"}) REQUIRE(f.PublishNumbers(topic, 3).ok());
  Subscriber subscriber(f.client,
                        {.topic = "t.>", .subscription = "all", .ack_mode = AckMode::kExplicit});
  std::vector<std::pair<std::string, uint64_t>> taken;
  for (int i = 0; i < 6; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    if (message->topic() == "t.a" && message->sequence() == 2) {
      subscriber.Nack(*message);
    } else if (message->topic() == "t.a") {
      subscriber.Ack(*message);
    } else {
      subscriber.AckRange(message->id(), message->sequence());
    }
  }
  const auto again = subscriber.Next(Soon());
  REQUIRE(again.ok());
  CHECK(again->topic() == "t.a");
  CHECK(again->sequence() == 2);
  CHECK(again->delivery_attempt() == 2);
  subscriber.Extend(*again, absl::Seconds(60));
  subscriber.Ack(*again);
  REQUIRE(subscriber.FlushAcks(Soon()).ok());
  CHECK(Eventually([&] { return f.admin.GetSubscription("all")->stats.acked_messages == 6; }));
  CHECK(f.admin.GetSubscription("all")->topic == "t.>");
}

TEST_CASE("A pattern's messages can wait, or leave for the dead-letter topic") {
  BrokerFixture f;
  for (const char* topic : {"t.a", "t.b"}) REQUIRE(f.PublishNumbers(topic, 1).ok());
  SubscriberOptions options{.topic = "t.>", .subscription = "all", .ack_mode = AckMode::kExplicit};
  options.config.dead_letter = {"dead", 5};
  Subscriber subscriber(f.client, options);
  for (int i = 0; i < 2; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    if (message->topic() == "t.a") {
      subscriber.Nack(*message, absl::Milliseconds(10));
    } else {
      subscriber.Terminate(*message, "no such order");
    }
  }
  const auto again = subscriber.Next(Soon());
  REQUIRE(again.ok());
  CHECK(again->topic() == "t.a");
  CHECK(again->delivery_attempt() == 2);
  Subscriber dead(f.client, {.topic = "dead"});
  const auto letter = dead.Next(Soon());
  REQUIRE(letter.ok());
  CHECK(letter->attributes().Find("estiba-reason") == "no such order");
  CHECK(letter->attributes().Find("estiba-source-topic") == "t.b");
}

TEST_CASE("A subscriber that names only the subscription gets a pattern, too, by callback") {
  BrokerFixture f;
  REQUIRE(f.admin.CreateSubscription("all", "t.>", {}, StartFrom::Earliest()).ok());
  absl::Mutex mutex;
  std::vector<std::string> got;
  Subscriber subscriber(f.client, {.subscription = "all"});
  REQUIRE(subscriber
              .Start([&](const MessageView& message) {
                absl::MutexLock lock(&mutex);
                got.push_back(std::string(message.topic()) + ":" + std::string(message.data()));
              })
              .ok());
  REQUIRE(f.PublishNumbers("t.new.one", 2).ok());
  CHECK(Eventually([&] {
    absl::MutexLock lock(&mutex);
    return got == std::vector<std::string>{"t.new.one:0", "t.new.one:1"};
  }));
}

TEST_CASE("Many topics and messages all come, in the order of each topic") {
  BrokerFixture f;
  constexpr int kTopics = 20, kMessages = 2'000;
  Subscriber subscriber(f.client, {.topic = "many.*",
                                   .subscription = "all",
                                   .ack_mode = AckMode::kExplicit,
                                   .credit = {.max_messages = 500}});
  REQUIRE(subscriber.Start().ok());
  for (int t = 0; t < kTopics; ++t) {
    REQUIRE(f.PublishNumbers(absl::StrCat("many.", t), kMessages).ok());
  }
  std::map<std::string, uint64_t> next;
  for (int i = 0; i < kTopics * kMessages; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    uint64_t& expected = next[std::string(message->topic())];
    REQUIRE(message->sequence() == ++expected);
    REQUIRE(message->data() == absl::StrCat(expected - 1));
    subscriber.Ack(*message);
  }
  CHECK(next.size() == kTopics);
  CHECK(Eventually(
      [&] { return f.admin.GetSubscription("all")->stats.acked_messages == kTopics * kMessages; }));
}

}  // namespace
}  // namespace estiba::testing
