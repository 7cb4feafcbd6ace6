// The limits that proto/estiba/v1 documents for Subscribe, and the sizes of the broker's tables.
// Messages and batches: see publish_test; the rules one by one: tests/rpc.
#include <deque>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

// How a stream ends whose first request is this one.
grpc::Status EndOf(BrokerUnderTest& broker, const v1::SubscribeRequest& request) {
  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream(broker.client, kSubscribe);
  stream.Write(request);
  return stream.Finish();
}

TEST_CASE("A start outside its limits is INVALID_ARGUMENT with field, value and rule") {
  BrokerUnderTest broker;
  v1::SubscribeRequest request;
  v1::Start* start = request.mutable_start();
  *start = StartOf("t", "s");
  std::string rule;
  SECTION("no start") {
    request.clear_start();
    rule = "start: is required in the first request";
  }
  SECTION("no topic") {
    *start = StartOf("");
    rule = "start.topic";
  }
  SECTION("a topic that cannot be") {
    start->set_topic("a b");
    rule = "topic: \"a b\"";
  }
  SECTION("a subscription that cannot be") {
    start->set_subscription("/s");
    rule = "subscription: \"/s\"";
  }
  SECTION("an ack deadline too short") {
    start->mutable_ack_deadline()->set_nanos(99'000'000);
    rule = "start.ack_deadline: 0 s 99000000 ns: between 100 ms and 600000 ms";
  }
  SECTION("an ack deadline too long") {
    start->mutable_ack_deadline()->set_seconds(601);
    rule = "start.ack_deadline: 601 s";
  }
  SECTION("an ack deadline with automatic acks") {
    start->set_ack_mode(v1::ACK_MODE_AUTO);
    start->mutable_ack_deadline()->set_seconds(10);
    rule = "start.ack_deadline: only with ACK_MODE_EXPLICIT";
  }
  SECTION("too much credit in messages") {
    start->mutable_credit()->set_max_messages(10'000'001);
    rule = "start.credit.max_messages: 10000001: at most 10000000";
  }
  SECTION("too much credit in bytes") {
    start->mutable_credit()->set_max_bytes((uint64_t{4} << 30) + 1);
    rule = "start.credit.max_bytes: 4294967297: at most 4294967296";
  }
  SECTION("sequence 0") {
    start->mutable_from()->set_sequence(0);
    rule = "start.from.sequence: 0: at least 1";
  }
  SECTION("a time that cannot be") {
    start->mutable_from()->mutable_time()->set_seconds(INT64_MAX);
    rule = "start.from.time: 9223372036854775807 s";
  }
  const grpc::Status status = EndOf(broker, request);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText(rule));
  CHECK(broker.Stats().subscription_count() == 0);
}

TEST_CASE("A later request outside its limits ends the stream with field, value and rule") {
  BrokerUnderTest broker;
  const bool automatic = GENERATE(false, true);
  SubscribeStream consumer(
      broker.client, StartOf("t", "s", automatic ? v1::ACK_MODE_AUTO : v1::ACK_MODE_EXPLICIT));
  REQUIRE(consumer.started().topic() == "t");
  v1::SubscribeRequest request;
  std::string rule;
  SECTION("acks that do not fit the mode, or are too many") {
    for (int i = 0; i < (automatic ? 1 : 10'001); ++i) request.add_ack_sequences(1);
    rule = automatic ? "ACK_MODE_EXPLICIT" : "ack_sequences: 10001 entries: at most 10000";
  }
  SECTION("credit that does not fit the mode, or is too much") {
    if (automatic) {
      request.mutable_credit()->set_max_messages(10'000'001);
      rule = "credit.max_messages: 10000001: at most 10000000";
    } else {
      request.mutable_credit()->set_return_messages(1);
      rule = "credit.return_messages: only with ACK_MODE_AUTO";
    }
  }
  SECTION("another start") {
    *request.mutable_start() = StartOf("t");
    rule = "start: is for the first request only";
  }
  REQUIRE(consumer.Write(request));
  const grpc::Status status = consumer.Finish();
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText(rule));
}

TEST_CASE("The table of topics is full at max-topics") {
  BrokerUnderTest broker({"--max-topics=2"});
  CHECK(broker.Publish("a", {"x"}) == 1);
  CHECK(broker.CreateTopic("b").ok());
  v1::PublishOnceResponse response;
  CHECK(broker.TryPublish("c", {"x"}, &response).error_code() == grpc::RESOURCE_EXHAUSTED);
  const grpc::Status created = broker.CreateTopic("c");
  CHECK(created.error_code() == grpc::RESOURCE_EXHAUSTED);
  CHECK_THAT(created.error_message(), HasText("2"));
  SubscribeStream consumer(broker.client, StartOf("c"));
  CHECK(consumer.Finish().error_code() == grpc::RESOURCE_EXHAUSTED);

  google::protobuf::Empty empty;
  v1::DeleteTopicRequest request;
  request.set_name("a");
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteTopic", request, &empty).ok());
  CHECK(broker.CreateTopic("c").ok());
}

TEST_CASE("The table of named subscriptions is full at max-subscriptions") {
  BrokerUnderTest broker({"--max-subscriptions=1"});
  SubscribeStream named(broker.client, StartOf("t", "s"));
  SubscribeStream sharing(broker.client, StartOf("t", "s"));
  SubscribeStream its_own(broker.client, StartOf("t"));
  REQUIRE(named.started().topic() == "t");
  REQUIRE(sharing.started().topic() == "t");
  REQUIRE(its_own.started().topic() == "t");
  SubscribeStream another(broker.client, StartOf("t", "u"));
  const grpc::Status status = another.Finish();
  CHECK(status.error_code() == grpc::RESOURCE_EXHAUSTED);
  CHECK_THAT(status.error_message(), HasText("max-subscriptions"));

  v1::DeleteSubscriptionRequest request;
  request.set_name("s");
  google::protobuf::Empty empty;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteSubscription", request, &empty).ok());
  SubscribeStream again(broker.client, StartOf("t", "u"));
  CHECK(again.started().topic() == "t");
}

TEST_CASE("The table of streams is full at max-streams") {
  BrokerUnderTest broker({"--max-streams=3"});
  std::deque<SubscribeStream> consumers;
  for (int i = 0; i < 2; ++i) {
    consumers.emplace_back(broker.client, StartOf("t", "s"));
    REQUIRE(consumers.back().started().topic() == "t");
  }
  PublishStream publisher(broker.client, kPublish);
  REQUIRE(publisher.Write(Batch("t", 1, {"x"})));
  v1::PublishResponse answer;
  REQUIRE(publisher.Read(&answer));

  SubscribeStream too_many(broker.client, StartOf("t", "s"));
  const grpc::Status status = too_many.Finish();
  CHECK(status.error_code() == grpc::RESOURCE_EXHAUSTED);
  CHECK_THAT(status.error_message(), HasText("3 open streams"));
  PublishStream also_too_many(broker.client, kPublish);
  CHECK(also_too_many.Finish().error_code() == grpc::RESOURCE_EXHAUSTED);
  // Calls that are no streams go on.
  CHECK(broker.Publish("t", {"y"}) == 2);

  publisher.HalfClose();
  CHECK(publisher.Finish().ok());
  REQUIRE(Eventually([&] { return broker.Connections().connections_size() == 2; }));
  consumers.emplace_back(broker.client, StartOf("t", "s"));
  CHECK(consumers.back().started().topic() == "t");
}

}  // namespace
}  // namespace estiba::testing
