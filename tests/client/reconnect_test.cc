#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/client/broker_fixture.h"
#include "tests/client/cutting_proxy.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

struct CutFixture : BrokerFixture {
  CuttingProxy proxy{daemon.port()};
  // Reaches the broker through the proxy; BrokerFixture's own client does not.
  Client cut_client{{.target = proxy.address(),
                     .min_backoff = absl::Milliseconds(5),
                     .max_backoff = absl::Milliseconds(50)}};
};

TEST_CASE("Publishing across cut connections loses, repeats and reorders nothing") {
  CutFixture broker;
  std::mt19937_64 random(Seed());
  const int count = 30'000;
  {
    Publisher publisher(broker.cut_client, "numbers", {.max_batch_messages = 100});
    for (int i = 0; i < count; ++i) {
      // The cut comes somewhere in the next few batches, also inside one.
      if (i % 2000 == 1000) broker.proxy.CutAfter(random() % 5000);
      REQUIRE(publisher.Post(absl::StrCat(i)).ok());
      if (i % 500 == 0) REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
    }
    REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
    REQUIRE(broker.proxy.cuts() > 0);
    REQUIRE(publisher.Stats().reconnects > 0);
    REQUIRE(publisher.Stats().published_messages == count);
  }
  REQUIRE(broker.admin.GetTopic("numbers")->stats.published_messages == count);
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(BrokerFixture::Take(subscriber, count) == BrokerFixture::Numbers(count));
}

TEST_CASE("A flood of batches survives cuts at any moment") {
  CutFixture broker;
  std::mt19937_64 random(Seed() + 1);
  const int count = 100'000;
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(subscriber.Start().ok());
  Publisher publisher(broker.cut_client, "numbers", {.max_batch_bytes = 2000});
  for (int i = 0; i < count; ++i) {
    if (i % 5000 == 0) broker.proxy.CutAfter(random() % 60'000);
    REQUIRE(publisher.Post(absl::StrCat(i)).ok());
  }
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  REQUIRE(BrokerFixture::Take(subscriber, count) == BrokerFixture::Numbers(count));
  REQUIRE_FALSE(subscriber.TryNext()->has_value());
  REQUIRE(broker.admin.GetTopic("numbers")->stats.published_messages == count);
}

TEST_CASE("Messages that threads publish one by one, with pauses, survive cuts at any moment") {
  // With pauses they are written on the threads that publish them, which meet one another and the
  // client's own thread on the connection.
  CutFixture broker;
  const int each = 2000;
  const auto topic = [](int n) { return absl::StrCat("topic.", n); };
  {
    Publisher first(broker.cut_client, topic(0)), second(broker.cut_client, topic(1));
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (int n = 0; n < 4; ++n) {
      threads.emplace_back([&, n] {
        std::mt19937_64 random(Seed() + n);
        for (int i = 0; i < each; ++i) {
          if (n == 0 && i % 200 == 100) broker.proxy.CutAfter(random() % 5000);
          const auto message = absl::StrCat(n / 2, ":", i);
          failures += !(n % 2 == 0 ? first : second).Post(message).ok();
          std::this_thread::sleep_for(std::chrono::microseconds(random() % 150));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(failures == 0);
    REQUIRE(first.Flush(Soon()) == absl::OkStatus());
    REQUIRE(second.Flush(Soon()) == absl::OkStatus());
    REQUIRE(broker.proxy.cuts() > 0);
  }
  for (int n = 0; n < 2; ++n) {
    Subscriber subscriber(broker.client, {.topic = topic(n)});
    std::map<std::string, std::vector<std::string>> by_thread;
    for (const std::string& message : BrokerFixture::Take(subscriber, 2 * each)) {
      by_thread[message.substr(0, 1)].push_back(message.substr(2));
    }
    REQUIRE(by_thread["0"] == BrokerFixture::Numbers(each));
    REQUIRE(by_thread["1"] == BrokerFixture::Numbers(each));
    REQUIRE(broker.admin.GetTopic(topic(n))->stats.published_messages == 2 * each);
  }
}

TEST_CASE(
    "A publisher without a broker gives up at its retry timeout, and works when there is one") {
  CutFixture broker;
  broker.proxy.Refuse(true);
  Publisher publisher(broker.cut_client, "numbers", {.retry_timeout = absl::Milliseconds(100)});
  const auto unreachable = publisher.Publish({.data = "lost"}).get();
  REQUIRE(absl::IsUnavailable(unreachable.status()));
  broker.proxy.Refuse(false);
  REQUIRE(Eventually([&] { return publisher.Publish({.data = "found"}).get().ok(); }));
  REQUIRE(broker.admin.GetTopic("numbers")->stats.published_messages == 1);
}

TEST_CASE("A private subscription goes on after the last message it had") {
  CutFixture broker;
  // Keeps the messages for a subscription that is not there for moments.
  REQUIRE(broker.admin.CreateTopic("numbers").ok());
  REQUIRE(broker.admin.CreateSubscription("keeps-everything", "numbers").ok());
  std::vector<std::string> received;
  std::atomic<int> count{0}, disconnects{0}, starts{0};
  Subscriber subscriber(broker.cut_client,
                        {.topic = "numbers",
                         .on_started = [&](const Started&) { ++starts; },
                         .on_disconnect = [&](const absl::Status&) { ++disconnects; }});
  REQUIRE(subscriber
              .Start([&](const MessageView& message) {
                received.emplace_back(message.data());
                ++count;
              })
              .ok());
  for (int round = 0; round < 10; ++round) {
    REQUIRE(broker.PublishNumbers("numbers", 1000, round * 1000).ok());
    if (round % 2 == 0) {
      REQUIRE(Eventually([&] { return count > round * 1000; }));
      const int before = starts;
      broker.proxy.Cut();
      REQUIRE(Eventually([&] { return starts > before; }));
    }
  }
  REQUIRE(Eventually([&] { return count == 10'000; }));
  subscriber.Stop();
  REQUIRE(received == BrokerFixture::Numbers(10'000));
  REQUIRE(disconnects == 5);
  REQUIRE(subscriber.Stats().reconnects == 5);
}

TEST_CASE("From the latest on, a private subscription misses nothing while it reconnects") {
  CutFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 10).ok());
  REQUIRE(broker.admin.CreateSubscription("keeps-everything", "numbers").ok());
  std::atomic<int> starts{0};
  Subscriber subscriber(broker.cut_client, {.topic = "numbers",
                                            .from = StartFrom::Latest(),
                                            .on_started = [&](const Started&) { ++starts; }});
  REQUIRE(subscriber.Start().ok());
  REQUIRE(Eventually([&] { return starts == 1; }));
  broker.proxy.Refuse(true);
  broker.proxy.Cut();
  REQUIRE(Eventually([&] { return broker.admin.Stats()->subscribe_streams == 0; }));
  REQUIRE(broker.PublishNumbers("numbers", 10, 10).ok());
  broker.proxy.Refuse(false);
  REQUIRE(BrokerFixture::Take(subscriber, 10) == BrokerFixture::Numbers(10, 10));
}

TEST_CASE("From the last message on, a private subscription misses nothing while it reconnects") {
  CutFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 10).ok());
  REQUIRE(broker.admin.CreateSubscription("keeps-everything", "numbers").ok());
  REQUIRE(broker.PublishNumbers("numbers", 10, 10).ok());
  Subscriber subscriber(broker.cut_client, {.topic = "numbers", .from = StartFrom::Last()});
  REQUIRE(BrokerFixture::Take(subscriber, 1) == BrokerFixture::Numbers(1, 19));
  broker.proxy.Refuse(true);
  broker.proxy.Cut();
  REQUIRE(Eventually([&] { return broker.admin.Stats()->subscribe_streams == 0; }));
  REQUIRE(broker.PublishNumbers("numbers", 10, 20).ok());
  broker.proxy.Refuse(false);
  REQUIRE(BrokerFixture::Take(subscriber, 10) == BrokerFixture::Numbers(10, 20));
}

TEST_CASE("A named subscription with explicit acks gets everything at least once across cuts") {
  CutFixture broker;
  const int count = 5000;
  REQUIRE(broker.PublishNumbers("numbers", count).ok());
  Subscriber subscriber(broker.cut_client, {.topic = "numbers",
                                            .subscription = "workers",
                                            .ack_mode = AckMode::kExplicit,
                                            .credit = {.max_messages = 200}});
  std::map<std::string, int> seen;
  int taken = 0;
  while (static_cast<int>(seen.size()) < count) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    ++seen[std::string(message->data())];
    subscriber.Ack(*message);
    if (++taken % 1000 == 0) broker.proxy.Cut();
  }
  REQUIRE(subscriber.Stats().reconnects > 0);
  // Acks that were lost with a connection: those messages come once more.
  REQUIRE(Eventually([&] {
    while (true) {
      const auto again = subscriber.TryNext();
      if (!again.ok() || !again->has_value()) break;
      subscriber.Ack(**again);
    }
    const auto stats = broker.admin.GetSubscription("workers");
    return stats.ok() && stats->stats.acked_messages == static_cast<uint64_t>(count);
  }));
}

TEST_CASE("Without reconnecting, a cut connection is the end") {
  CutFixture broker;
  Subscriber subscriber(broker.cut_client, {.topic = "numbers", .reconnect = false});
  REQUIRE(subscriber.Start().ok());
  REQUIRE(Eventually([&] { return broker.admin.Stats()->subscribe_streams == 1; }));
  broker.proxy.Cut();
  REQUIRE(absl::IsUnavailable(subscriber.Next(Soon()).status()));
}

TEST_CASE("A broker that shuts down ends a stream with UNAVAILABLE") {
  BrokerFixture broker;
  Subscriber subscriber(broker.client, {.topic = "numbers", .reconnect = false});
  REQUIRE(subscriber.Start().ok());
  REQUIRE(Eventually([&] { return broker.admin.Stats()->subscribe_streams == 1; }));
  REQUIRE(broker.daemon.Stop().ok());
  REQUIRE(absl::IsUnavailable(subscriber.Next(Soon()).status()));
}

TEST_CASE("An unreachable broker is told apart from a slow one") {
  CutFixture broker;
  broker.proxy.Refuse(true);
  REQUIRE(
      absl::IsDeadlineExceeded(broker.cut_client.WaitReady(absl::Now() + absl::Milliseconds(50))));
  REQUIRE(absl::IsUnavailable(Admin(broker.cut_client).Stats().status()));
  broker.proxy.Refuse(false);
  REQUIRE(broker.cut_client.WaitReady(Soon()).ok());
  REQUIRE(Admin(broker.cut_client).Stats().ok());
}

}  // namespace
}  // namespace estiba::testing
