// The orderly end of estibad: SIGTERM, who is told what, and how long it takes.
#include <signal.h>

#include <deque>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.pb.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

// The bar for an end that nothing holds up. Sanitizers take their time to look for leaks.
const absl::Duration kQuick = absl::Seconds(2) * kSlowdown;

std::string Log(BrokerUnderTest& broker) {
  return broker.daemon.process().stdout_text() + broker.daemon.process().stderr_text();
}

// Sends SIGTERM and waits for the end; how long that took.
absl::Duration Terminate(BrokerUnderTest& broker, std::optional<ExitStatus>* ended) {
  const absl::Time start = absl::Now();
  broker.daemon.process().Signal(SIGTERM);
  *ended = broker.daemon.process().Wait();
  return absl::Now() - start;
}

bool Draining(BrokerUnderTest& broker) {
  return Eventually([&] { return absl::StrContains(Log(broker), "Draining"); });
}

TEST_CASE("SIGTERM with 100 idle streams: each sees UNAVAILABLE, exit code 0 in under 2 s") {
  BrokerUnderTest broker;
  std::deque<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.emplace_back(broker.daemon.address());
  std::deque<SubscribeStream> consumers;
  std::deque<PublishStream> publishers;
  for (int i = 0; i < 50; ++i) {
    RawClient& client = clients[static_cast<size_t>(i % 10)];
    consumers.emplace_back(client, StartOf("t", i % 2 == 0 ? "s" : ""));
    REQUIRE(consumers.back().started().topic() == "t");
    publishers.emplace_back(client, kPublish);
    REQUIRE(publishers.back().Write(Batch(absl::StrCat("other", i), 1, {"x"})));
    v1::PublishResponse answer;
    REQUIRE(publishers.back().Read(&answer));
  }
  REQUIRE(broker.Stats().publish_streams() == 50);
  REQUIRE(broker.Stats().subscribe_streams() == 50);

  std::optional<ExitStatus> ended;
  const absl::Duration took = Terminate(broker, &ended);
  std::cout << "bar 8: SIGTERM with 100 idle streams to exit: " << took << std::endl;
  REQUIRE(ended.has_value());
  CHECK(ended->code == 0);
  CHECK(took < kQuick);
  for (SubscribeStream& consumer : consumers) {
    CHECK(consumer.Finish().error_code() == grpc::UNAVAILABLE);
  }
  for (PublishStream& publisher : publishers) {
    const grpc::Status status = publisher.Finish();
    CHECK(status.error_code() == grpc::UNAVAILABLE);
    CHECK_THAT(status.error_message(), HasText("shutting down"));
  }
}

TEST_CASE("SIGTERM with a backlog of 100,000 and a live consumer: all consumed before the exit") {
  BrokerUnderTest broker;
  constexpr int kMessages = 100'000;
  REQUIRE(broker.PublishNumbers("t", kMessages));
  v1::Start start = StartOf("t", "s");
  start.mutable_credit()->set_max_messages(1000);
  SubscribeStream consumer(broker.client, start);
  REQUIRE(consumer.started().topic() == "t");
  broker.daemon.process().Signal(SIGTERM);
  REQUIRE(Draining(broker));
  std::vector<std::string> received;
  while (received.size() < kMessages) {
    const std::vector<Received> some = consumer.Take(500);
    if (some.empty()) break;
    for (const Received& message : some) received.push_back(message.data);
    consumer.Ack(some.front().sequence, some.back().sequence);
  }
  CHECK(received == Numbers(kMessages));
  CHECK(consumer.Finish().error_code() == grpc::UNAVAILABLE);
  const auto ended = broker.daemon.process().Wait();
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK_THAT(Log(broker), HasText("messages_not_consumed=0"));
}

TEST_CASE("While it drains, publishes and new streams are UNAVAILABLE, and reading calls go on") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(1).size() == 1);
  PublishStream publisher(broker.client, kPublish);
  REQUIRE(publisher.Write(Batch("u", 1, {"x"})));
  v1::PublishResponse answer;
  REQUIRE(publisher.Read(&answer));

  broker.daemon.process().Signal(SIGTERM);
  REQUIRE(Draining(broker));
  REQUIRE(Eventually([&] { return broker.Stats().draining(); }));
  REQUIRE(publisher.Write(Batch("u", 2, {"y"})));
  REQUIRE(publisher.Read(&answer));
  REQUIRE(answer.results_size() == 1);
  CHECK(answer.results(0).error().code() == static_cast<int>(grpc::StatusCode::UNAVAILABLE));
  v1::PublishOnceResponse once;
  CHECK(broker.TryPublish("u", {"z"}, &once).error_code() == grpc::UNAVAILABLE);
  SubscribeStream late(broker.client, StartOf("u"));
  CHECK(late.Finish().error_code() == grpc::UNAVAILABLE);
  PublishStream late_publisher(broker.client, kPublish);
  CHECK(late_publisher.Finish().error_code() == grpc::UNAVAILABLE);
  CHECK(broker.CreateTopic("v").error_code() == grpc::UNAVAILABLE);
  CHECK(broker.GetTopic("u").stats().published_messages() == 1);
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse health;
  REQUIRE(broker.client.Call("/grpc.health.v1.Health/Check", request, &health).ok());
  CHECK(health.status() == grpc::health::v1::HealthCheckResponse::NOT_SERVING);

  REQUIRE(consumer.Ack(1, 1));
  CHECK(consumer.Finish().error_code() == grpc::UNAVAILABLE);
  CHECK(publisher.Finish().error_code() == grpc::UNAVAILABLE);
  const auto ended = broker.daemon.process().Wait();
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK_THAT(Log(broker), HasText("topic=u"));  // nobody consumed it
}

TEST_CASE("What is not consumed at the drain deadline is reported by topic") {
  BrokerUnderTest broker({"--drain-deadline=100ms"});
  REQUIRE(broker.PublishNumbers("orders", 17));
  REQUIRE(broker.PublishNumbers("bills", 3));
  REQUIRE(broker.CreateTopic("empty").ok());
  SubscribeStream stuck(broker.client, StartOf("orders", "s"));
  REQUIRE(stuck.Take(17).size() == 17);
  REQUIRE(stuck.Ack(1, 2));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 2; }));
  std::optional<ExitStatus> ended;
  const absl::Duration took = Terminate(broker, &ended);
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK(took < kQuick);
  const std::string log = Log(broker);
  CHECK_THAT(log, HasText("topic=orders messages=15"));
  CHECK_THAT(log, HasText("topic=bills messages=3"));
  CHECK_THAT(log, HasText("messages_not_consumed=18"));
  CHECK_THAT(log, !HasText("topic=empty"));
}

TEST_CASE("A second signal stops at once") {
  BrokerUnderTest broker({"--drain-deadline=1h"});
  REQUIRE(broker.PublishNumbers("t", 5));
  SubscribeStream stuck(broker.client, StartOf("t", "s"));
  REQUIRE(stuck.Take(5).size() == 5);
  broker.daemon.process().Signal(SIGTERM);
  REQUIRE(Draining(broker));
  CHECK(broker.daemon.process().running());
  const absl::Time start = absl::Now();
  broker.daemon.process().Signal(SIGINT);
  const auto ended = broker.daemon.process().Wait();
  std::cout << "bar 8: second signal to exit: " << absl::Now() - start << std::endl;
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK(absl::Now() - start < kQuick);
  CHECK_THAT(Log(broker), HasText("topic=t messages=5"));
}

TEST_CASE("Publishers that wait for room do not hold up the end") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(64 << 10);
  const std::string payload(40 << 10, 'p');
  for (const char* topic : {"a", "b"}) {
    REQUIRE(broker.CreateTopic(topic, config).ok());
    REQUIRE(broker.Publish(topic, {payload}) == 1);
  }
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("a", 1, {payload})));
  REQUIRE(stream.Write(Batch("b", 2, {payload})));
  grpc::Status once_status;
  std::thread once([&] {
    v1::PublishOnceResponse response;
    once_status = broker.TryPublish("a", {payload}, &response);
  });
  const bool blocked = Eventually([&] {
    return broker.GetTopic("a").stats().blocked_batches() == 2 &&
           broker.GetTopic("b").stats().blocked_batches() == 1;
  });
  std::optional<ExitStatus> ended;
  const absl::Duration took = Terminate(broker, &ended);
  once.join();
  std::cout << "bar 8: SIGTERM with blocked publishers to exit: " << took << std::endl;
  REQUIRE(blocked);
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK(took < kQuick);
  CHECK(stream.Finish().error_code() == grpc::UNAVAILABLE);
  CHECK(once_status.error_code() == grpc::UNAVAILABLE);
}

TEST_CASE("A client that never reads does not hold up the end") {
  BrokerUnderTest broker;
  REQUIRE(broker.Publish("t", {std::string(8 << 20, 'x')}) == 1);
  // Its receive window is full and stays so.
  SubscribeStream consumer(broker.client, StartOf("t", "s", v1::ACK_MODE_AUTO));
  SubscribeStream another(broker.client, StartOf("t", "u", v1::ACK_MODE_AUTO));
  REQUIRE(Eventually([&] { return broker.Stats().delivered_messages() == 2; }));
  std::optional<ExitStatus> ended;
  const absl::Duration took = Terminate(broker, &ended);
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK(took < absl::Seconds(25) * kSlowdown);  // the drain deadline, as something is not accepted
}

TEST_CASE("Streams that watch are told UNAVAILABLE too") {
  BrokerUnderTest broker;
  RawStream<v1::StatsRequest, v1::StatsResponse> stats(broker.client, "/estiba.v1.Admin/Stats");
  v1::StatsRequest request;
  request.mutable_interval()->set_seconds(3600);
  REQUIRE(stats.Write(request));
  v1::StatsResponse response;
  REQUIRE(stats.Read(&response));
  std::optional<ExitStatus> ended;
  const absl::Duration took = Terminate(broker, &ended);
  REQUIRE(ended.has_value());
  CHECK(ended->ok());
  CHECK(took < kQuick);
  CHECK(stats.Finish().error_code() == grpc::UNAVAILABLE);
}

}  // namespace
}  // namespace estiba::testing
