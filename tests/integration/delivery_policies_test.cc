// What a subscription is made with, promise by promise of proto/estiba/v1/broker.proto:
// SubscriptionConfig.
#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

constexpr char kCreateSubscription[] = "/estiba.v1.Admin/CreateSubscription";
constexpr char kPublishOnce[] = "/estiba.v1.Broker/PublishOnce";

// Messages "0", "1", ... whose attribute "third" is on every third.
bool PublishThirds(BrokerUnderTest& broker, const std::string& topic, int count) {
  v1::PublishOnceRequest request;
  request.set_topic(topic);
  for (int i = 0; i < count; ++i) {
    v1::Message& message = *request.add_messages();
    message.set_data(absl::StrCat(i));
    if (i % 3 == 0) (*message.mutable_attributes())["third"] = "yes";
  }
  v1::PublishOnceResponse response;
  return broker.client.Call(kPublishOnce, request, &response).ok();
}

v1::Start Filtered(const std::string& topic, const std::string& name, const std::string& filter) {
  v1::Start start = StartOf(topic, name);
  start.mutable_config()->set_filter(filter);
  return start;
}

TEST_CASE("A filter lets matching messages through, with their own sequences") {
  BrokerUnderTest broker;
  REQUIRE(PublishThirds(broker, "t", 1000));
  SubscribeStream consumer(broker.client, Filtered("t", "s", "attributes:third"));
  const std::vector<Received> messages = consumer.Take(334);
  REQUIRE(messages.size() == 334);
  for (size_t i = 0; i < messages.size(); ++i) {
    REQUIRE(messages[i].data == absl::StrCat(i * 3));
    REQUIRE(messages[i].sequence == i * 3 + 1);
  }
  const v1::Subscription shown = broker.GetSubscription("s");
  CHECK(shown.config().filter() == "attributes:third");
  CHECK(shown.stats().filtered_messages() == 666);
  CHECK(shown.stats().backlog_messages() == 0);
  REQUIRE(consumer.Ack(1, 1000));
  CHECK(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 334; }));
}

TEST_CASE("A private subscription may have a filter, and automatic acks") {
  BrokerUnderTest broker;
  REQUIRE(PublishThirds(broker, "t", 30));
  v1::Start start = Filtered("t", "", "NOT attributes.third = \"yes\"");
  start.set_ack_mode(v1::ACK_MODE_AUTO);
  SubscribeStream consumer(broker.client, start);
  const std::vector<Received> messages = consumer.Take(20);
  REQUIRE(messages.size() == 20);
  CHECK(messages[0].sequence == 2);
  CHECK(messages[19].sequence == 30);
}

TEST_CASE("A filter that cannot be understood is refused, with the column") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  SubscribeStream consumer(broker.client, Filtered("t", "s", "attributes.kind == \"x\""));
  CHECK(consumer.Take(1).empty());
  const grpc::Status status = consumer.Finish();
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK(status.error_message().find("start.config.filter: column ") == 0);

  v1::CreateSubscriptionRequest request;
  request.set_name("s");
  request.set_topic("t");
  request.mutable_config()->set_filter("(attributes:a");
  v1::Subscription made;
  const grpc::Status refused = broker.client.Call(kCreateSubscription, request, &made);
  CHECK(refused.error_code() == grpc::INVALID_ARGUMENT);
  CHECK(refused.error_message().find("config.filter: column ") == 0);
}

TEST_CASE("A consumer that asks for another filter than there is gets FAILED_PRECONDITION") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  SubscribeStream first(broker.client, StartOf("t", "s"));
  REQUIRE(first.Take(1).size() == 1);
  SubscribeStream second(broker.client, Filtered("t", "s", "attributes:a"));
  CHECK(second.Take(1).empty());
  CHECK(second.Finish().error_code() == grpc::FAILED_PRECONDITION);
}

TEST_CASE("With a retry policy a nacked message comes after the back-off") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  v1::Start start = StartOf("t", "s");
  start.mutable_config()->mutable_retry()->mutable_min_backoff()->set_nanos(300'000'000);
  start.mutable_config()->mutable_retry()->mutable_max_backoff()->set_seconds(60);
  SubscribeStream consumer(broker.client, start);
  REQUIRE(consumer.Take(1).size() == 1);
  const auto nacked = std::chrono::steady_clock::now();
  REQUIRE(consumer.Nack(1, 1));
  const std::vector<Received> again = consumer.Take(1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].attempt == 2);
  CHECK(std::chrono::steady_clock::now() - nacked >= std::chrono::milliseconds(300));
  const v1::RetryPolicy shown = broker.GetSubscription("s").config().retry();
  CHECK(shown.min_backoff().nanos() == 300'000'000);
  CHECK(shown.max_backoff().seconds() == 60);
}

TEST_CASE("A nack may say how long to wait, and an ack still reaches what waits") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 2));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(2).size() == 2);
  v1::SubscribeRequest request;
  v1::NackLater* later = request.add_nack_later();
  later->mutable_range()->set_first(1);
  later->mutable_range()->set_last(1);
  later->mutable_delay()->set_seconds(600);
  later = request.add_nack_later();
  later->mutable_range()->set_first(2);
  later->mutable_range()->set_last(2);
  later->mutable_delay()->set_nanos(200'000'000);
  const auto nacked = std::chrono::steady_clock::now();
  REQUIRE(consumer.Write(request));
  const std::vector<Received> again = consumer.Take(1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].sequence == 2);
  CHECK(std::chrono::steady_clock::now() - nacked >= std::chrono::milliseconds(200));
  CHECK(Eventually([&] { return broker.GetSubscription("s").stats().delayed_messages() == 1; }));
  REQUIRE(consumer.Ack(1, 2));
  CHECK(Eventually([&] {
    const v1::SubscriptionStats stats = broker.GetSubscription("s").stats();
    return stats.acked_messages() == 2 && stats.delayed_messages() == 0;
  }));
}

v1::Start WithDeadLetters(const std::string& topic, const std::string& name,
                          uint32_t max_attempts) {
  v1::Start start = StartOf(topic, name);
  start.mutable_config()->mutable_dead_letter()->set_topic("dead");
  start.mutable_config()->mutable_dead_letter()->set_max_attempts(max_attempts);
  return start;
}

// The attributes of the next message of a stream, and its key.
v1::Message NextMessage(BrokerUnderTest& broker, const std::string& topic) {
  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream(broker.client,
                                                                "/estiba.v1.Broker/Subscribe");
  v1::SubscribeRequest request;
  *request.mutable_start() = StartOf(topic, "", v1::ACK_MODE_AUTO);
  REQUIRE(stream.Write(request));
  v1::SubscribeResponse response;
  while (response.messages_size() == 0) REQUIRE(stream.Read(&response));
  return response.messages(0);
}

TEST_CASE("A message that fails too often leaves for the dead-letter topic, as it was") {
  BrokerUnderTest broker;
  v1::PublishOnceRequest publish;
  publish.set_topic("t");
  publish.add_messages()->set_data("poison");
  (*publish.mutable_messages(0)->mutable_attributes())["kind"] = "new";
  publish.mutable_messages(0)->set_ordering_key("anna");
  v1::PublishOnceResponse published;
  REQUIRE(broker.client.Call(kPublishOnce, publish, &published).ok());
  SubscribeStream consumer(broker.client, WithDeadLetters("t", "s", 2));
  REQUIRE(consumer.Take(1).size() == 1);
  REQUIRE(consumer.Nack(1, 1));
  REQUIRE(consumer.Take(1).size() == 1);
  REQUIRE(consumer.Nack(1, 1));
  const v1::Message letter = NextMessage(broker, "dead");
  CHECK(letter.data() == "poison");
  CHECK(letter.ordering_key() == "anna");
  CHECK(letter.attributes_size() == 6);
  CHECK(letter.attributes().at("kind") == "new");
  CHECK(letter.attributes().at("estiba-source-topic") == "t");
  CHECK(letter.attributes().at("estiba-source-subscription") == "s");
  CHECK(letter.attributes().at("estiba-source-sequence") == "1");
  CHECK(letter.attributes().at("estiba-attempts") == "2");
  CHECK(letter.attributes().at("estiba-reason") == "max-attempts");
  const v1::Subscription shown = broker.GetSubscription("s");
  CHECK(shown.config().dead_letter().topic() == "dead");
  CHECK(shown.config().dead_letter().max_attempts() == 2);
  CHECK(shown.stats().dead_lettered_messages() == 1);
  CHECK(shown.stats().outstanding_messages() == 0);
}

TEST_CASE("A terminated message leaves at once; without a dead-letter topic that is refused") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 2));
  v1::SubscribeRequest terminate;
  v1::Termination& termination = *terminate.add_terminate();
  termination.mutable_range()->set_first(2);
  termination.mutable_range()->set_last(2);
  termination.set_reason("not a number");

  SubscribeStream with(broker.client, WithDeadLetters("t", "with", 0));
  REQUIRE(with.Take(2).size() == 2);
  REQUIRE(with.Write(terminate));
  const v1::Message letter = NextMessage(broker, "dead");
  CHECK(letter.data() == "1");
  CHECK(letter.attributes().at("estiba-reason") == "not a number");
  CHECK(broker.GetSubscription("with").config().dead_letter().max_attempts() == 5);
  CHECK(broker.GetSubscription("with").stats().outstanding_messages() == 1);

  SubscribeStream without(broker.client, StartOf("t", "without"));
  REQUIRE(without.Take(2).size() == 2);
  REQUIRE(without.Write(terminate));
  CHECK(without.Take(1).empty());
  CHECK(without.Finish().error_code() == grpc::FAILED_PRECONDITION);
}

TEST_CASE("A dead-letter policy outside its limits is refused by name") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  const auto refused = [&](const std::string& topic, uint32_t attempts) {
    v1::Start start = StartOf("t", "s");
    start.mutable_config()->mutable_dead_letter()->set_topic(topic);
    start.mutable_config()->mutable_dead_letter()->set_max_attempts(attempts);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.Take(1).empty());
    const grpc::Status status = consumer.Finish();
    CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
    return status.error_message();
  };
  CHECK(refused("dead", 101).find("start.config.dead_letter.max_attempts: 101") == 0);
  CHECK(refused("", 5).find("start.config.dead_letter.topic") == 0);
  CHECK(refused("t", 5).find("dead_letter.topic: \"t\"") == 0);
}

TEST_CASE("Times of a policy outside their range are refused by name") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  const auto refused = [&](int64_t min_seconds, int64_t max_seconds) {
    v1::Start start = StartOf("t", "s");
    v1::RetryPolicy& retry = *start.mutable_config()->mutable_retry();
    retry.mutable_min_backoff()->set_seconds(min_seconds);
    retry.mutable_max_backoff()->set_seconds(max_seconds);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.Take(1).empty());
    const grpc::Status status = consumer.Finish();
    CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
    return status.error_message();
  };
  CHECK(refused(1, 601).find("start.config.retry.max_backoff: 601 s") == 0);
  CHECK(refused(11, 10).find("start.config.retry.min_backoff: 11 s") == 0);
  CHECK(refused(-1, 10).find("start.config.retry.min_backoff: -1 s") == 0);

  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(1).size() == 1);
  v1::SubscribeRequest request;
  v1::NackLater* later = request.add_nack_later();
  later->mutable_range()->set_first(1);
  later->mutable_range()->set_last(1);
  later->mutable_delay()->set_seconds(601);
  REQUIRE(consumer.Write(request));
  CHECK(consumer.Take(1).empty());
  CHECK(consumer.Finish().error_message().find("nack_later.delay: 601 s") == 0);
}

}  // namespace
}  // namespace estiba::testing
