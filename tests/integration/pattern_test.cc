// Subscriptions over a pattern, promise by promise of proto/estiba/v1/broker.proto (Start.topic).
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

struct Got {
  std::string topic;
  uint64_t sequence = 0;
  std::string data;
};

// A stream of a pattern, its frames taken apart.
struct PatternStream {
  PatternStream(BrokerUnderTest& broker, const v1::Start& start)
      : stream(broker.client, kSubscribe) {
    v1::SubscribeRequest request;
    *request.mutable_start() = start;
    REQUIRE(stream.Write(request));
    v1::SubscribeResponse response;
    if (stream.Read(&response)) started = response.started();
  }
  // Reads one response. False: the stream is over.
  bool ReadOne() {
    v1::SubscribeResponse response;
    if (!stream.Read(&response)) return false;
    for (const v1::TopicChange& change : response.topic_changes()) {
      if (change.left()) {
        left.push_back(change.name());
        topics.erase(change.topic());
      } else {
        topics[change.topic()] = change.name();
      }
    }
    for (int i = 0; i < response.messages_size(); ++i) {
      messages.push_back({topics.at(response.topic()),
                          response.first_sequence() + static_cast<uint64_t>(i),
                          response.messages(i).data()});
    }
    return true;
  }
  const std::vector<Got>& Take(size_t count) {
    while (messages.size() < count && ReadOne()) {
    }
    return messages;
  }
  uint32_t NumberOf(const std::string& name) const {
    for (const auto& [number, topic] : topics) {
      if (topic == name) return number;
    }
    return 0;
  }
  bool Ack(const Got& got) {
    v1::SubscribeRequest request;
    v1::TopicUpdate* update = request.add_topic_updates();
    update->set_topic(NumberOf(got.topic));
    update->add_ack_sequences(got.sequence);
    return stream.Write(request);
  }

  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream;
  v1::Started started;
  std::map<uint32_t, std::string> topics;
  std::vector<std::string> left;
  std::vector<Got> messages;
};

TEST_CASE("A pattern delivers what matches, says of which topic, and takes acks by topic") {
  BrokerUnderTest broker;
  REQUIRE(broker.Publish("orders.eu", {"a", "b"}) == 1);
  REQUIRE(broker.Publish("invoices.eu", {"x"}) == 1);
  PatternStream stream(broker, StartOf("orders.>", "all"));
  CHECK(stream.started.topic() == "orders.>");
  CHECK(stream.started.subscription() == "all");
  CHECK(stream.Take(2).size() == 2);
  REQUIRE(broker.Publish("orders.us", {"c"}) == 1);
  REQUIRE(stream.Take(3).size() == 3);
  CHECK(stream.messages[0].data == "a");
  CHECK(stream.messages[2].topic == "orders.us");
  CHECK(stream.messages[2].sequence == 1);
  CHECK(stream.messages[2].data == "c");
  v1::Subscription subscription = broker.GetSubscription("all");
  CHECK(subscription.topic() == "orders.>");
  CHECK(subscription.stats().outstanding_messages() == 3);
  for (const Got& got : stream.messages) REQUIRE(stream.Ack(got));
  CHECK(Eventually([&] { return broker.GetSubscription("all").stats().acked_messages() == 3; }));
  CHECK(Eventually([&] { return broker.GetTopic("orders.eu").stats().held_messages() == 0; }));
  REQUIRE(broker.Stats().subscription_count() == 1);
}

TEST_CASE("Deleting a topic is told, and deleting the subscription ends the stream") {
  BrokerUnderTest broker;
  REQUIRE(broker.Publish("t.a", {"1"}) == 1);
  PatternStream stream(broker, StartOf("t.*", "all", v1::ACK_MODE_AUTO));
  CHECK(stream.Take(1).size() == 1);
  v1::DeleteTopicRequest request;
  request.set_name("t.a");
  google::protobuf::Empty empty;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteTopic", request, &empty).ok());
  while (stream.left.empty() && stream.ReadOne()) {
  }
  CHECK(stream.left == std::vector<std::string>{"t.a"});
  v1::DeleteSubscriptionRequest subscription;
  subscription.set_name("all");
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteSubscription", subscription, &empty).ok());
  CHECK(stream.stream.Finish().error_code() == grpc::StatusCode::ABORTED);
}

TEST_CASE("A named pattern is shared, listed among the others, and keeps its place") {
  BrokerUnderTest broker;
  REQUIRE(broker.CreateTopic("t.a").ok());
  v1::CreateSubscriptionRequest create;
  create.set_name("m");
  create.set_topic("t.>");
  v1::Subscription made;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", create, &made).ok());
  CHECK(made.topic() == "t.>");
  for (const char* name : {"a", "z"}) {
    create.set_name(name);
    create.set_topic("t.a");
    REQUIRE(broker.client.Call("/estiba.v1.Admin/CreateSubscription", create, &made).ok());
  }
  v1::ListSubscriptionsRequest list;
  list.set_page_size(2);
  v1::ListSubscriptionsResponse page;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/ListSubscriptions", list, &page).ok());
  REQUIRE(page.subscriptions_size() == 2);
  CHECK(page.subscriptions(0).name() == "a");
  CHECK(page.subscriptions(1).name() == "m");
  list.set_page_token(page.next_page_token());
  REQUIRE(broker.client.Call("/estiba.v1.Admin/ListSubscriptions", list, &page).ok());
  REQUIRE(page.subscriptions_size() == 1);
  CHECK(page.subscriptions(0).name() == "z");
  list.Clear();
  list.set_topic("t.>");
  REQUIRE(broker.client.Call("/estiba.v1.Admin/ListSubscriptions", list, &page).ok());
  CHECK(page.subscriptions_size() == 1);

  REQUIRE(broker.Publish("t.b", {"1", "2", "3"}) == 1);
  {
    PatternStream stream(broker, StartOf("", "m"));
    REQUIRE(stream.Take(3).size() == 3);
    REQUIRE(stream.Ack(stream.messages[0]));
    CHECK(Eventually([&] { return broker.GetSubscription("m").stats().acked_messages() == 1; }));
  }
  PatternStream again(broker, StartOf("t.>", "m"));
  REQUIRE(again.Take(2).size() == 2);
  CHECK(again.messages[0].data == "2");
}

TEST_CASE("What does not fit a pattern is refused with the reason") {
  BrokerUnderTest broker;
  const auto refused = [&](const v1::Start& start) {
    PatternStream stream(broker, start);
    const grpc::Status status = stream.stream.Finish();
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  CHECK_THAT(refused(StartOf("a.>.b")), HasText("\">\" is the last token"));
  v1::Start start = StartOf("a.>");
  start.mutable_from()->set_sequence(5);
  CHECK_THAT(refused(start), HasText("from.sequence"));
  {
    PatternStream stream(broker, StartOf("a.>", "p"));
    v1::SubscribeRequest request;
    request.add_ack_sequences(1);
    REQUIRE(stream.stream.Write(request));
    CHECK_THAT(stream.stream.Finish().error_message(), HasText("use topic_updates"));
  }
  PatternStream plain(broker, StartOf("plain"));
  v1::SubscribeRequest request;
  request.add_topic_updates()->set_topic(1);
  REQUIRE(plain.stream.Write(request));
  CHECK_THAT(plain.stream.Finish().error_message(),
             HasText("only for a subscription over a pattern"));
}

TEST_CASE("A responder over a pattern answers requests to any of its topics") {
  BrokerUnderTest broker;
  REQUIRE(broker.CreateTopic("rpc.a").ok());
  PatternStream stream(broker, StartOf("rpc.*", "", v1::ACK_MODE_AUTO));
  while (stream.topics.empty() && stream.ReadOne()) {
  }
  CHECK(Eventually([&] { return broker.GetTopic("rpc.a").stats().subscriptions() == 1; }));
  v1::RequestRequest request;
  request.set_topic("rpc.a");
  request.mutable_message()->set_data("x");
  v1::RequestResponse response;
  const grpc::Status status =
      broker.client.Call("/estiba.v1.Broker/Request", request, &response, absl::Milliseconds(200));
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(stream.Take(1).at(0).data == "x");
}

}  // namespace
}  // namespace estiba::testing
