#include "estiba/admin.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "tests/client/broker_fixture.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("A topic is created, read, listed and deleted with what was said about it") {
  BrokerFixture broker;
  const auto created = broker.admin.CreateTopic("orders", {.full_policy = FullPolicy::kDropOldest,
                                                           .budget_bytes = 1 << 20,
                                                           .retention_age = absl::Minutes(90),
                                                           .retention_bytes = 2 << 20});
  REQUIRE(created.ok());
  REQUIRE(absl::IsAlreadyExists(broker.admin.CreateTopic("orders").status()));
  REQUIRE(broker.PublishNumbers("orders", 3).ok());

  const auto topic = broker.admin.GetTopic("orders");
  REQUIRE(topic.ok());
  REQUIRE(topic->name == "orders");
  REQUIRE(topic->config.full_policy == FullPolicy::kDropOldest);
  REQUIRE(topic->config.budget_bytes == 1 << 20);
  REQUIRE(topic->config.retention_age == absl::Minutes(90));
  REQUIRE(topic->config.retention_bytes == 2 << 20);
  REQUIRE(topic->create_time > absl::Now() - absl::Hours(1));
  REQUIRE(topic->stats.published_messages == 3);
  REQUIRE(topic->stats.held_messages == 3);
  REQUIRE(topic->stats.next_sequence == 4);

  REQUIRE(broker.admin.DeleteTopic("orders").ok());
  REQUIRE(absl::IsNotFound(broker.admin.GetTopic("orders").status()));
  REQUIRE(absl::IsNotFound(broker.admin.DeleteTopic("orders")));
}

TEST_CASE("A value outside its limit is refused with the field's name") {
  BrokerFixture broker;
  const auto created = broker.admin.CreateTopic("orders", {.budget_bytes = 1});
  REQUIRE(absl::IsInvalidArgument(created.status()));
  REQUIRE_THAT(std::string(created.status().message()), HasText("budget_bytes"));
}

TEST_CASE("Lists come in pages, and whole") {
  BrokerFixture broker;
  for (int i = 10; i < 35; ++i) {
    REQUIRE(broker.admin.CreateTopic(absl::StrCat("topic-", i)).ok());
    REQUIRE(
        broker.admin.CreateSubscription(absl::StrCat("subscription-", i), absl::StrCat("topic-", i))
            .ok());
  }
  const auto first = broker.admin.ListTopics({.page_size = 10});
  REQUIRE(first.ok());
  REQUIRE(first->items.size() == 10);
  REQUIRE(first->items.front().name == "topic-10");
  const auto second =
      broker.admin.ListTopics({.page_size = 10, .page_token = first->next_page_token});
  REQUIRE(second.ok());
  REQUIRE(second->items.front().name == "topic-20");
  REQUIRE(broker.admin.ListAllTopics()->size() == 25);
  REQUIRE(broker.admin.ListAllSubscriptions()->size() == 25);
  const auto one = broker.admin.ListAllSubscriptions("topic-12");
  REQUIRE(one.ok());
  REQUIRE(one->size() == 1);
  REQUIRE(one->front().name == "subscription-12");
}

TEST_CASE("A subscription is created, read and deleted with what was said about it") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("orders", 5).ok());
  REQUIRE(absl::IsNotFound(broker.admin.CreateSubscription("billing", "no-topic").status()));
  REQUIRE(broker.admin
              .CreateSubscription("billing", "orders", {.ack_deadline = absl::Milliseconds(2500)},
                                  StartFrom::Sequence(3))
              .ok());
  const auto subscription = broker.admin.GetSubscription("billing");
  REQUIRE(subscription.ok());
  REQUIRE(subscription->topic == "orders");
  REQUIRE(subscription->config.ack_deadline == absl::Milliseconds(2500));
  REQUIRE(subscription->stats.next_sequence == 3);
  REQUIRE(subscription->stats.backlog_messages == 3);
  REQUIRE(broker.admin.DeleteSubscription("billing").ok());
  REQUIRE(absl::IsNotFound(broker.admin.GetSubscription("billing").status()));
}

TEST_CASE("A subscription is paused, resumed, sought and purged") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("orders", 5).ok());
  REQUIRE(broker.admin.CreateSubscription("billing", "orders").ok());
  REQUIRE(broker.admin.PauseSubscription("billing")->stats.paused);
  REQUIRE(broker.admin.GetSubscription("billing")->stats.paused);
  REQUIRE_FALSE(broker.admin.ResumeSubscription("billing")->stats.paused);
  const auto sought = broker.admin.SeekSubscription("billing", StartFrom::Sequence(4));
  REQUIRE(sought.ok());
  REQUIRE(sought->next_sequence == 4);
  REQUIRE(sought->skipped_messages == 3);
  REQUIRE(broker.admin.PurgeSubscription("billing").value_or(0) == 2);
  REQUIRE(broker.admin.SeekSubscription("billing", StartFrom::Earliest()).ok());
  Subscriber subscriber(broker.client, {.subscription = "billing"});
  REQUIRE(BrokerFixture::Take(subscriber, 5) == BrokerFixture::Numbers(5));
  REQUIRE(broker.admin.GetSubscription("billing")->stats.seeks == 3);
  REQUIRE(absl::IsNotFound(broker.admin.PurgeSubscription("nope").status()));
  REQUIRE(absl::IsNotFound(broker.admin.PauseSubscription("nope").status()));
  REQUIRE(absl::IsNotFound(broker.admin.ResumeSubscription("nope").status()));
  REQUIRE(absl::IsNotFound(broker.admin.SeekSubscription("nope", StartFrom::Latest()).status()));
}

TEST_CASE("A snapshot is taken, listed, sought to and deleted; a subscription is detached") {
  BrokerFixture broker;
  REQUIRE(broker.admin.CreateTopic("orders", {.retention_age = absl::Hours(1)}).ok());
  REQUIRE(broker.PublishNumbers("orders", 5).ok());
  REQUIRE(broker.admin.CreateSubscription("billing", "orders", {.retain_acked = true}).ok());
  REQUIRE(broker.admin.GetSubscription("billing")->config.retain_acked);
  const auto made = broker.admin.CreateSnapshot(
      "snap", "billing", {.labels = {{"by", "me"}}, .expire_after = absl::Hours(2)});
  REQUIRE(made.ok());
  REQUIRE(made->next_sequence == 1);
  REQUIRE(made->expire_time - made->create_time == absl::Hours(2));
  REQUIRE(broker.admin.PurgeSubscription("billing").ok());
  REQUIRE(broker.admin.SeekSubscriptionToSnapshot("billing", "snap").ok());
  REQUIRE(broker.admin.GetSubscription("billing")->stats.backlog_messages == 5);
  REQUIRE(broker.admin.GetSnapshot("snap")->labels.at("by") == "me");
  REQUIRE(broker.admin.ListAllSnapshots("orders")->size() == 1);
  REQUIRE(broker.admin.DeleteSnapshot("snap").ok());
  REQUIRE(broker.admin.ListAllSnapshots()->empty());
  REQUIRE(absl::IsNotFound(broker.admin.GetSnapshot("snap").status()));
  REQUIRE(broker.admin.DetachSubscription("billing").ok());
  REQUIRE(broker.admin.GetSubscription("billing")->stats.detached);
  REQUIRE(absl::IsFailedPrecondition(
      broker.admin.SeekSubscription("billing", StartFrom::Latest()).status()));
}

TEST_CASE("Stats say what the broker holds, for all topics or one") {
  BrokerFixture broker({"--memory-budget=64MiB"});
  REQUIRE(broker.PublishNumbers("orders", 7).ok());
  REQUIRE(broker.PublishNumbers("bills", 2).ok());
  const auto stats = broker.admin.Stats({.topics = true});
  REQUIRE(stats.ok());
  REQUIRE_FALSE(stats->version.empty());
  REQUIRE(stats->budget_bytes == 64 << 20);
  REQUIRE(stats->held_bytes > 0);
  REQUIRE(stats->resident_bytes > 0);
  REQUIRE(stats->uptime > absl::ZeroDuration());
  REQUIRE(stats->published_messages == 9);
  REQUIRE(stats->topics.size() == 2);
  const auto one = broker.admin.Stats({.topics = true, .topic = "bills"});
  REQUIRE(one.ok());
  REQUIRE(one->topics.size() == 1);
  REQUIRE(one->topics[0].stats.published_messages == 2);
  REQUIRE(broker.admin.Stats()->topics.empty());
}

TEST_CASE("A watch brings figures until it is cancelled") {
  BrokerFixture broker;
  std::atomic<int> answers{0};
  const auto watch =
      broker.admin.WatchStats(absl::Milliseconds(100), {}, [&](const BrokerStats& stats) {
        if (!stats.version.empty()) ++answers;
      });
  REQUIRE(Eventually([&] { return answers >= 3; }));
  REQUIRE(absl::IsDeadlineExceeded(watch->Wait(absl::Now())));
  watch->Cancel();
  REQUIRE(watch->Wait(Soon()).ok());
}

TEST_CASE("A watch may be cancelled in its callback, and ends with its stream") {
  BrokerFixture broker;
  std::unique_ptr<StatsWatch> watch;
  std::atomic<bool> cancel{false};
  watch = broker.admin.WatchStats(absl::Milliseconds(100), {}, [&](const BrokerStats&) {
    if (cancel) watch->Cancel();
  });
  cancel = true;
  REQUIRE(watch->Wait(Soon()).ok());
  const auto invalid =
      broker.admin.WatchStats(absl::Milliseconds(1), {}, [](const BrokerStats&) {});
  REQUIRE(absl::IsInvalidArgument(invalid->Wait(Soon())));
}

TEST_CASE("Connections are listed by the name of their client, and closed by it or by id") {
  BrokerFixture broker;
  Client billing({.target = broker.daemon.address(), .client_name = "billing"});
  Subscriber first(billing, {.topic = "orders", .subscription = "invoices"});
  Subscriber second(billing, {.topic = "orders"});
  Subscriber other(broker.client, {.topic = "orders"});
  for (Subscriber* subscriber : {&first, &second, &other}) REQUIRE(subscriber->Start().ok());
  REQUIRE(Eventually([&] {
    const auto all = broker.admin.ListAllConnections();
    return std::count_if(all->begin(), all->end(), [](const ConnectionInfo& c) {
             return c.topic == "orders";  // it has said what it wants
           }) == 3;
  }));

  const auto connections = broker.admin.ListAllConnections("billing");
  REQUIRE(connections.ok());
  REQUIRE(connections->size() == 2);
  const ConnectionInfo* invoices = nullptr;
  for (const ConnectionInfo& connection : *connections) {
    REQUIRE(connection.client_name == "billing");
    REQUIRE(connection.method == "Subscribe");
    REQUIRE_FALSE(connection.peer.empty());
    REQUIRE(connection.topic == "orders");
    if (connection.subscription == "invoices") invoices = &connection;
  }
  REQUIRE(invoices != nullptr);
  REQUIRE(broker.admin.CloseConnection(invoices->id).value_or(0) == 1);
  REQUIRE(absl::IsAborted(first.Wait(Soon())));
  REQUIRE(broker.admin.CloseConnections("billing").value_or(0) == 1);
  REQUIRE(absl::IsAborted(second.Wait(Soon())));
  REQUIRE(absl::IsDeadlineExceeded(other.Wait(absl::Now())));
}

TEST_CASE("One batch is published by one call") {
  BrokerFixture broker;
  const std::vector<Message> messages = {{.data = "a", .attributes = {{"k", "v"}}},
                                         {.data = "b", .ordering_key = "o"}};
  const auto batch = broker.admin.PublishOnce("orders", messages);
  REQUIRE(batch.ok());
  REQUIRE(batch->first_sequence == 1);
  REQUIRE(batch->count == 2);
  Subscriber subscriber(broker.client, {.topic = "orders"});
  const auto first = subscriber.Next(Soon());
  REQUIRE(first->attributes().Find("k") == std::string_view("v"));
  REQUIRE(subscriber.Next(Soon())->ordering_key() == "o");
}

TEST_CASE("A full topic refuses a single call with a time to retry after") {
  BrokerFixture broker;
  REQUIRE(broker.admin
              .CreateTopic("full", {.full_policy = FullPolicy::kReject, .budget_bytes = 64 << 10})
              .ok());
  const std::vector<Message> messages(1, Message{.data = std::string(20'000, 'x')});
  absl::Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    status = broker.admin.PublishOnce("full", messages).status();
  }
  REQUIRE(absl::IsResourceExhausted(status));
  REQUIRE(RetryAfter(status));
  REQUIRE(*RetryAfter(status) > absl::ZeroDuration());
}

TEST_CASE("Health is that of the broker, and of a service it does not know") {
  BrokerFixture broker;
  REQUIRE(broker.client.WaitReady(Soon()).ok());
  REQUIRE(broker.client.Health().value_or(HealthStatus::kUnknown) == HealthStatus::kServing);
  REQUIRE(broker.client.Health("no.such.Service").value_or(HealthStatus::kUnknown) ==
          HealthStatus::kServiceUnknown);
}

TEST_CASE("Admin calls may be made inside a callback") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("orders", 1).ok());
  std::atomic<bool> answered{false};
  Subscriber subscriber(broker.client, {.topic = "orders"});
  REQUIRE(
      subscriber.Start([&](const MessageView&) { answered = broker.admin.GetTopic("orders").ok(); })
          .ok());
  REQUIRE(Eventually([&] { return answered.load(); }));
}

}  // namespace
}  // namespace estiba::testing
