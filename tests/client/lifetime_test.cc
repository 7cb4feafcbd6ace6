#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "tests/client/broker_fixture.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("A client that nothing was made from comes and goes") {
  Client client({.target = "127.0.0.1:1"});
  REQUIRE(client.options().threads == 1);
}

TEST_CASE("A client may go before what was made from it") {
  BrokerFixture broker;
  auto client = std::make_unique<Client>(ClientOptions{.target = broker.daemon.address()});
  Publisher publisher(*client, "orders");
  Subscriber subscriber(*client, {.topic = "orders"});
  Admin admin(*client);
  const auto watch = admin.WatchStats(absl::Milliseconds(100), {}, [](const BrokerStats&) {});
  client.reset();
  REQUIRE(publisher.Publish({.data = "still here"}).get().ok());
  REQUIRE(subscriber.Next(Soon())->data() == "still here");
  REQUIRE(admin.GetTopic("orders").ok());
}

TEST_CASE("Objects may be destroyed in any order, in the middle of their work") {
  BrokerFixture broker;
  for (int round = 0; round < 6; ++round) {
    auto client = std::make_unique<Client>(
        ClientOptions{.target = broker.daemon.address(), .threads = 1 + round % 3});
    auto publisher = std::make_unique<Publisher>(
        *client, "orders", PublisherOptions{.close_timeout = absl::ZeroDuration()});
    auto subscriber = std::make_unique<Subscriber>(*client, SubscriberOptions{.topic = "orders"});
    std::atomic<int> received{0};
    REQUIRE(subscriber->Start([&](const MessageView&) { ++received; }).ok());
    for (int i = 0; i < 10'000; ++i) REQUIRE(publisher->Post("x").ok());
    if (round % 3 == 0) client.reset();
    if (round % 2 == 0) {
      publisher.reset();
      subscriber.reset();
    } else {
      subscriber.reset();
      publisher.reset();
    }
  }
}

TEST_CASE("Objects without a broker are destroyed without one") {
  Client client({.target = "127.0.0.1:1"});
  Publisher publisher(client, "orders", {.close_timeout = absl::Milliseconds(10)});
  REQUIRE(publisher.Post("x").ok());
  Subscriber pulled(client, {.topic = "orders"});
  REQUIRE(pulled.Start().ok());
  Subscriber never_started(client, {.topic = "orders"});
  Subscriber stopped(client, {.topic = "orders"});
  stopped.Stop();
  REQUIRE(stopped.Wait(Soon()).ok());
  REQUIRE(absl::IsFailedPrecondition(stopped.Start()));
}

TEST_CASE("Many publishers and subscribers share one client of several threads") {
  BrokerFixture broker;
  Client client({.target = broker.daemon.address(), .threads = 3});
  const int kTopics = 8, kEach = 2000;
  struct Topic {
    std::unique_ptr<Subscriber> subscriber;
    std::unique_ptr<Publisher> publisher;
    // Written by one callback at a time, as the library promises.
    uint64_t next = 1;
    std::atomic<bool> in_order{true};
    std::atomic<int> received{0};
  };
  std::vector<Topic> topics(kTopics);
  for (int t = 0; t < kTopics; ++t) {
    Topic& topic = topics[t];
    const std::string name = absl::StrCat("topic-", t);
    topic.subscriber = std::make_unique<Subscriber>(client, SubscriberOptions{.topic = name});
    REQUIRE(topic.subscriber
                ->Start([&topic](const MessageView& message) {
                  if (message.sequence() != topic.next++) topic.in_order = false;
                  ++topic.received;
                })
                .ok());
    topic.publisher = std::make_unique<Publisher>(client, name);
  }
  std::vector<std::thread> threads;
  for (Topic& topic : topics) {
    threads.emplace_back([&topic] {
      for (int i = 0; i < kEach; ++i) topic.publisher->Post("x").IgnoreError();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (Topic& topic : topics) {
    REQUIRE(Eventually([&] { return topic.received == kEach; }));
    REQUIRE(topic.in_order);
  }
}

}  // namespace
}  // namespace estiba::testing
