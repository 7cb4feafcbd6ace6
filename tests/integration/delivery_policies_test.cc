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
  CHECK(broker.GetSubscription("s").stats().delayed_messages() == 1);
  REQUIRE(consumer.Ack(1, 2));
  CHECK(Eventually([&] {
    const v1::SubscriptionStats stats = broker.GetSubscription("s").stats();
    return stats.acked_messages() == 2 && stats.delayed_messages() == 0;
  }));
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
