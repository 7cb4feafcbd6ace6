// The Admin service, promise by promise of proto/estiba/v1/admin.proto.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace estiba::testing {
namespace {

using google::protobuf::Empty;

struct AdminFixture : BrokerUnderTest {
  using BrokerUnderTest::BrokerUnderTest;

  grpc::Status CreateSubscription(const std::string& name, const std::string& topic,
                                  const v1::SubscriptionConfig& config = {}) {
    v1::CreateSubscriptionRequest request;
    request.set_name(name);
    request.set_topic(topic);
    *request.mutable_config() = config;
    v1::Subscription response;
    return client.Call("/estiba.v1.Admin/CreateSubscription", request, &response);
  }
  template <typename Request>
  grpc::StatusCode Delete(const char* method, const std::string& name) {
    Request request;
    request.set_name(name);
    Empty empty;
    return client.Call(method, request, &empty).error_code();
  }
  grpc::StatusCode DeleteTopic(const std::string& name) {
    return Delete<v1::DeleteTopicRequest>("/estiba.v1.Admin/DeleteTopic", name);
  }
  grpc::StatusCode DeleteSubscription(const std::string& name) {
    return Delete<v1::DeleteSubscriptionRequest>("/estiba.v1.Admin/DeleteSubscription", name);
  }
};

TEST_CASE("A topic is created, shown with what is in force, and deleted") {
  AdminFixture broker({"--full-policy=drop-oldest", "--retention-age=1h"});
  v1::TopicConfig config;
  config.set_budget_bytes(1 << 20);
  config.set_retention_bytes(128 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  CHECK(broker.CreateTopic("t").error_code() == grpc::ALREADY_EXISTS);
  const v1::Topic topic = broker.GetTopic("t");
  CHECK(topic.name() == "t");
  CHECK(topic.config().full_policy() == v1::DROP_OLDEST);
  CHECK(topic.config().budget_bytes() == 1 << 20);
  CHECK(topic.config().retention_age().seconds() == 3600);
  CHECK(topic.config().retention_bytes() == 128 << 10);
  CHECK(topic.create_time().seconds() > 1'600'000'000);
  CHECK(topic.stats().next_sequence() == 1);
  CHECK(broker.DeleteTopic("t") == grpc::OK);
  CHECK(broker.DeleteTopic("t") == grpc::NOT_FOUND);
  v1::GetTopicRequest request;
  request.set_name("t");
  v1::Topic none;
  CHECK(broker.client.Call("/estiba.v1.Admin/GetTopic", request, &none).error_code() ==
        grpc::NOT_FOUND);
}

TEST_CASE("A topic's configuration outside its limits is INVALID_ARGUMENT with field and rule") {
  AdminFixture broker;
  v1::TopicConfig config;
  std::string rule;
  SECTION("budget") {
    config.set_budget_bytes((64 << 10) - 1);
    rule = "config.budget_bytes: 65535";
  }
  SECTION("retention by size") {
    config.set_retention_bytes(1);
    rule = "config.retention_bytes: 1:";
  }
  SECTION("retention too short") {
    config.mutable_retention_age()->set_nanos(999'000'000);
    rule = "config.retention_age: 0 s 999000000 ns";
  }
  SECTION("retention too long") {
    config.mutable_retention_age()->set_seconds(31 * 24 * 3600 + 1);
    rule = "config.retention_age: 2678401 s";
  }
  SECTION("policy") {
    config.set_full_policy(static_cast<v1::FullPolicy>(9));
    rule = "config.full_policy: 9";
  }
  const grpc::Status status = broker.CreateTopic("t", config);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText(rule));
  CHECK(broker.Stats().topic_count() == 0);
}

TEST_CASE("A subscription is created, shown, shared, and deleted") {
  AdminFixture broker;
  CHECK(broker.CreateSubscription("s", "t").error_code() == grpc::NOT_FOUND);
  REQUIRE(broker.CreateTopic("t").ok());
  v1::SubscriptionConfig config;
  config.mutable_ack_deadline()->set_seconds(33);
  REQUIRE(broker.CreateSubscription("s", "t", config).ok());
  CHECK(broker.CreateSubscription("s", "t").error_code() == grpc::ALREADY_EXISTS);
  REQUIRE(broker.PublishNumbers("t", 10));
  SubscribeStream consumer(broker.client, StartOf("", "s"));
  CHECK(consumer.started().ack_deadline().seconds() == 33);
  REQUIRE(consumer.Take(10).size() == 10);
  REQUIRE(consumer.Ack(1, 3));
  REQUIRE(consumer.Nack(10, 10));
  REQUIRE(consumer.Take(1).size() == 1);
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 3; }));
  const v1::Subscription shown = broker.GetSubscription("s");
  CHECK(shown.name() == "s");
  CHECK(shown.topic() == "t");
  CHECK(shown.config().ack_deadline().seconds() == 33);
  CHECK(shown.stats().next_sequence() == 11);
  CHECK(shown.stats().floor_sequence() == 4);
  CHECK(shown.stats().backlog_messages() == 0);
  CHECK(shown.stats().outstanding_messages() == 7);
  CHECK(shown.stats().redeliver_messages() == 0);
  CHECK(shown.stats().consumers() == 1);
  CHECK(shown.stats().delivered_messages() == 11);
  CHECK(shown.stats().nacked_messages() == 1);
  CHECK(broker.DeleteSubscription("s") == grpc::OK);
  CHECK(broker.DeleteSubscription("s") == grpc::NOT_FOUND);
  CHECK(consumer.Finish().error_code() == grpc::ABORTED);
}

TEST_CASE("Lists come in the order of names, in pages") {
  AdminFixture broker;
  std::set<std::string> names;
  for (int i = 0; i < 25; ++i) {
    names.insert(absl::StrCat("t", i));
    REQUIRE(broker.CreateTopic(absl::StrCat("t", i)).ok());
    REQUIRE(broker.CreateSubscription(absl::StrCat("s", i), absl::StrCat("t", i % 2)).ok());
  }
  std::vector<std::string> topics;
  v1::ListTopicsRequest request;
  request.set_page_size(10);
  do {
    v1::ListTopicsResponse response;
    REQUIRE(broker.client.Call("/estiba.v1.Admin/ListTopics", request, &response).ok());
    CHECK(response.topics_size() <= 10);
    for (const v1::Topic& topic : response.topics()) topics.push_back(topic.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  CHECK(topics == std::vector<std::string>(names.begin(), names.end()));

  v1::ListSubscriptionsRequest of_topic;
  of_topic.set_topic("t1");
  v1::ListSubscriptionsResponse subscriptions;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/ListSubscriptions", of_topic, &subscriptions).ok());
  CHECK(subscriptions.subscriptions_size() == 12);
  CHECK(subscriptions.next_page_token().empty());
  for (const v1::Subscription& s : subscriptions.subscriptions()) CHECK(s.topic() == "t1");

  request.set_page_size(1001);
  v1::ListTopicsResponse response;
  const grpc::Status status = broker.client.Call("/estiba.v1.Admin/ListTopics", request, &response);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("page_size: 1001: at most 1000"));
}

TEST_CASE("Connections are listed by the name the client gave, with what they do") {
  AdminFixture broker;
  SubscribeStream consumer(broker.client, StartOf("t", "s"), {{"estiba-client-name", "billing"}});
  REQUIRE(consumer.started().topic() == "t");
  PublishStream publisher(broker.client, kPublish, {{"estiba-client-name", "shop"}});
  REQUIRE(publisher.Write(Batch("t", 1, {"a", "b"})));
  v1::PublishResponse answer;
  REQUIRE(publisher.Read(&answer));
  REQUIRE(consumer.Take(2).size() == 2);

  const v1::ListConnectionsResponse all = broker.Connections();
  REQUIRE(all.connections_size() == 2);
  CHECK(all.connections(0).id() < all.connections(1).id());
  const v1::ListConnectionsResponse billing = broker.Connections("billing");
  REQUIRE(billing.connections_size() == 1);
  CHECK(billing.connections(0).method() == "Subscribe");
  CHECK(billing.connections(0).topic() == "t");
  CHECK(billing.connections(0).subscription() == "s");
  CHECK(billing.connections(0).messages() == 2);
  CHECK_THAT(billing.connections(0).peer(), HasText("127.0.0.1"));
  const v1::ListConnectionsResponse shop = broker.Connections("shop");
  REQUIRE(shop.connections_size() == 1);
  CHECK(shop.connections(0).method() == "Publish");
  CHECK(shop.connections(0).messages() == 2);
  CHECK(shop.connections(0).open_time().seconds() > 1'600'000'000);
  CHECK(broker.Connections("nobody").connections_size() == 0);
  CHECK(broker.Stats().publish_streams() == 1);
  CHECK(broker.Stats().subscribe_streams() == 1);
}

TEST_CASE("A client's name that is too long is INVALID_ARGUMENT") {
  AdminFixture broker;
  SubscribeStream consumer(broker.client, StartOf("t", "s"),
                           {{"estiba-client-name", std::string(256, 'n')}});
  const grpc::Status status = consumer.Finish();
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("estiba-client-name: 256 characters: at most 255"));
}

TEST_CASE("Closing connections ends them with ABORTED, by client name or one by id") {
  AdminFixture broker;
  const Metadata billing = {{"estiba-client-name", "billing"}};
  SubscribeStream first(broker.client, StartOf("t", "s"), billing);
  SubscribeStream second(broker.client, StartOf("t", "s"), {{"estiba-client-name", "other"}});
  PublishStream third(broker.client, kPublish, billing);
  REQUIRE(first.started().topic() == "t");
  REQUIRE(second.started().topic() == "t");
  REQUIRE(third.Write(Batch("t", 1, {"a"})));
  v1::PublishResponse answer;
  REQUIRE(third.Read(&answer));

  v1::CloseConnectionsRequest request;
  v1::CloseConnectionsResponse response;
  const char* const method = "/estiba.v1.Admin/CloseConnections";
  CHECK(broker.client.Call(method, request, &response).error_code() == grpc::INVALID_ARGUMENT);
  request.set_client_name("billing");
  REQUIRE(broker.client.Call(method, request, &response).ok());
  CHECK(response.closed() == 2);
  CHECK(first.Finish().error_code() == grpc::ABORTED);
  CHECK(third.Finish().error_code() == grpc::ABORTED);

  REQUIRE(Eventually([&] { return broker.Connections().connections_size() == 1; }));
  request.set_id(broker.Connections().connections(0).id());
  CHECK(broker.client.Call(method, request, &response).error_code() == grpc::INVALID_ARGUMENT);
  request.clear_client_name();
  REQUIRE(broker.client.Call(method, request, &response).ok());
  CHECK(response.closed() == 1);
  CHECK(second.Finish().error_code() == grpc::ABORTED);
  REQUIRE(broker.client.Call(method, request, &response).ok());
  CHECK(response.closed() == 0);
}

TEST_CASE("What a closed connection held goes to others at once") {
  AdminFixture broker;
  REQUIRE(broker.PublishNumbers("t", 5));
  SubscribeStream first(broker.client, StartOf("t", "s"), {{"estiba-client-name", "first"}});
  REQUIRE(first.Take(5).size() == 5);
  SubscribeStream second(broker.client, StartOf("t", "s"));
  REQUIRE(second.started().topic() == "t");
  v1::CloseConnectionsRequest request;
  request.set_client_name("first");
  v1::CloseConnectionsResponse response;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CloseConnections", request, &response).ok());
  const std::vector<Received> again = second.Take(5);
  REQUIRE(DataOf(again) == Numbers(5));
  CHECK(again[0].attempt == 2);
}

TEST_CASE("Stats come once, with the figures of the broker, or of each topic") {
  AdminFixture broker({"--memory-budget=64MiB"});
  REQUIRE(broker.PublishNumbers("a", 10));
  REQUIRE(broker.PublishNumbers("b", 20));
  REQUIRE(broker.CreateSubscription("s", "b").ok());
  const v1::StatsResponse stats = broker.Stats();
  CHECK(stats.version().find('.') != std::string::npos);
  CHECK(stats.budget_bytes() == 64 << 20);
  CHECK(stats.held_bytes() > 0);
  CHECK(stats.peak_held_bytes() >= stats.held_bytes());
  CHECK(stats.resident_bytes() > 1 << 20);
  CHECK(stats.topic_count() == 2);
  CHECK(stats.subscription_count() == 1);
  CHECK(stats.published_messages() == 30);
  CHECK(stats.topics_size() == 0);
  CHECK_FALSE(stats.draining());

  // Of a topic that is gone, the counters stay.
  REQUIRE(broker.DeleteTopic("a") == grpc::OK);
  CHECK(broker.Stats().published_messages() == 30);

  RawStream<v1::StatsRequest, v1::StatsResponse> stream(broker.client, "/estiba.v1.Admin/Stats");
  v1::StatsRequest request;
  request.set_topics(true);
  REQUIRE(stream.Write(request));
  stream.HalfClose();
  v1::StatsResponse with_topics;
  REQUIRE(stream.Read(&with_topics));
  REQUIRE(with_topics.topics_size() == 1);
  CHECK(with_topics.topics(0).name() == "b");
  CHECK(with_topics.topics(0).stats().held_messages() == 20);
  REQUIRE(with_topics.subscriptions_size() == 1);
  CHECK(with_topics.subscriptions(0).stats().backlog_messages() == 20);
  CHECK_FALSE(stream.Read(&with_topics));
  CHECK(stream.Finish().ok());
}

TEST_CASE("Stats come at an interval until the client cancels") {
  AdminFixture broker;
  RawStream<v1::StatsRequest, v1::StatsResponse> stream(broker.client, "/estiba.v1.Admin/Stats");
  v1::StatsRequest request;
  request.mutable_interval()->set_nanos(100'000'000);
  REQUIRE(stream.Write(request));
  stream.HalfClose();
  v1::StatsResponse stats;
  REQUIRE(stream.Read(&stats));
  const auto ms = [](const v1::StatsResponse& s) {
    return s.uptime().seconds() * 1000 + s.uptime().nanos() / 1'000'000;
  };
  for (int i = 0; i < 3; ++i) {
    const int64_t before = ms(stats);
    REQUIRE(broker.Publish("t", {"x"}) != 0);
    REQUIRE(stream.Read(&stats));
    CHECK(ms(stats) >= before + 100);
  }
  CHECK(stats.published_messages() >= 2);
  stream.Cancel();
  CHECK(stream.Finish().error_code() == grpc::CANCELLED);
}

TEST_CASE("A Stats request outside its limits is refused with field and rule") {
  AdminFixture broker;
  const auto refused = [&](const v1::StatsRequest& request) {
    RawStream<v1::StatsRequest, v1::StatsResponse> stream(broker.client, "/estiba.v1.Admin/Stats");
    stream.Write(request);
    stream.HalfClose();
    return stream.Finish();
  };
  v1::StatsRequest request;
  request.mutable_interval()->set_nanos(99'000'000);
  CHECK(refused(request).error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(refused(request).error_message(), HasText("interval: 0 s 99000000 ns"));
  request.mutable_interval()->set_seconds(3601);
  CHECK(refused(request).error_code() == grpc::INVALID_ARGUMENT);
  request.clear_interval();
  request.set_topic("missing");
  CHECK(refused(request).error_code() == grpc::NOT_FOUND);
}

TEST_CASE("Topics and subscriptions declared in the configuration exist when the broker is ready") {
  const TempDir directory;
  const std::string file = directory.Write("estiba.yaml", R"(
topics:
  - name: declared
    full-policy: block
    subscriptions:
      - name: declared-s
        ack-deadline: 42s
)");
  AdminFixture broker({absl::StrCat("--config=", file)});
  CHECK(broker.GetTopic("declared").config().full_policy() == v1::BLOCK);
  CHECK(broker.GetSubscription("declared-s").topic() == "declared");
  CHECK(broker.GetSubscription("declared-s").config().ack_deadline().seconds() == 42);
}

}  // namespace
}  // namespace estiba::testing
