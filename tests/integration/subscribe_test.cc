// Broker.Subscribe, promise by promise of proto/estiba/v1/broker.proto. Its limits: see
// limits_test.
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

using Data = std::vector<std::string>;

v1::SubscribeRequest MaxMessages(uint32_t max_messages) {
  v1::SubscribeRequest request;
  request.mutable_credit()->set_max_messages(max_messages);
  return request;
}

// Waits until so many are outstanding, and sees that a publish does not make them more.
void RequireOutstanding(BrokerUnderTest& broker, const std::string& topic,
                        const std::string& subscription, uint64_t count) {
  REQUIRE(Eventually([&] {
    return broker.GetSubscription(subscription).stats().outstanding_messages() == count;
  }));
  REQUIRE(broker.Publish(topic, {"one more"}) != 0);
  CHECK(broker.GetSubscription(subscription).stats().outstanding_messages() == count);
}

TEST_CASE("The first response says where a subscription begins and its ack deadline") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 5));
  v1::Start start = StartOf("t", "s");
  start.mutable_ack_deadline()->set_seconds(7);
  SubscribeStream consumer(broker.client, start);
  CHECK(consumer.started().topic() == "t");
  CHECK(consumer.started().subscription() == "s");
  CHECK(consumer.started().next_sequence() == 1);
  CHECK(consumer.started().ack_deadline().seconds() == 7);

  SubscribeStream by_name(broker.client, StartOf("", "s"));
  CHECK(by_name.started().topic() == "t");
  CHECK(by_name.started().ack_deadline().seconds() == 10);

  SubscribeStream automatic(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
  CHECK(automatic.started().subscription().empty());
  CHECK_FALSE(automatic.started().has_ack_deadline());
}

TEST_CASE("Messages come in order with their sequences, times and first attempt") {
  BrokerUnderTest broker;
  const auto before = std::chrono::system_clock::now();
  REQUIRE(broker.PublishNumbers("t", 3000));
  const auto after = std::chrono::system_clock::now();
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  const std::vector<Received> messages = consumer.Take(3000);
  REQUIRE(DataOf(messages) == Numbers(3000));
  const auto ms = [](auto time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    REQUIRE(messages[i].sequence == i + 1);
    REQUIRE(messages[i].attempt == 1);
    REQUIRE(messages[i].publish_time_ms >= (i == 0 ? ms(before) : messages[i - 1].publish_time_ms));
    REQUIRE(messages[i].publish_time_ms <= ms(after));
  }
}

TEST_CASE("A message comes out as the bytes that went in: data, attributes, key") {
  BrokerUnderTest broker;
  v1::PublishOnceRequest request;
  request.set_topic("t");
  v1::Message* message = request.add_messages();
  message->set_data(std::string("\0\xff\n", 3));
  (*message->mutable_attributes())["k\xc3\xa4"] = "";
  (*message->mutable_attributes())["kind"] = "new";
  message->set_ordering_key("anna");
  request.add_messages();  // empty
  v1::PublishOnceResponse response;
  REQUIRE(broker.client.Call(kPublishOnce, request, &response).ok());

  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream(broker.client, kSubscribe);
  v1::SubscribeRequest start;
  *start.mutable_start() = StartOf("t");
  REQUIRE(stream.Write(start));
  v1::SubscribeResponse frame;
  REQUIRE(stream.Read(&frame));
  REQUIRE(stream.Read(&frame));
  REQUIRE(frame.count() == 2);
  REQUIRE(frame.messages_size() == 2);
  for (int i = 0; i < 2; ++i) {
    const v1::Message& sent = request.messages(i);
    CHECK(frame.messages(i).data() == sent.data());
    CHECK(frame.messages(i).ordering_key() == sent.ordering_key());
    CHECK(std::map<std::string, std::string>(frame.messages(i).attributes().begin(),
                                             frame.messages(i).attributes().end()) ==
          std::map<std::string, std::string>(sent.attributes().begin(), sent.attributes().end()));
  }
}

TEST_CASE("A consumer that half-closes after its start keeps listening") {
  BrokerUnderTest broker;
  SubscribeStream consumer(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
  consumer.HalfClose();
  REQUIRE(consumer.started().topic() == "t");
  for (int i = 0; i < 3; ++i) {
    REQUIRE(broker.Publish("t", {absl::StrCat(i)}) != 0);
    CHECK(DataOf(consumer.Take(1)) == Data{absl::StrCat(i)});
  }
}

TEST_CASE("A stream that half-closes before its start is told what is missing") {
  BrokerUnderTest broker;
  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream(broker.client, kSubscribe);
  stream.HalfClose();
  const grpc::Status status = stream.Finish();
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("start: is required"));
}

TEST_CASE("A consumer is sent no more than its credit, and changing it goes on at once") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1000));
  v1::Start start = StartOf("t", "s");
  start.mutable_credit()->set_max_messages(10);
  SubscribeStream consumer(broker.client, start);
  CHECK(DataOf(consumer.Take(10)) == Numbers(10));
  RequireOutstanding(broker, "t", "s", 10);

  // Acks give it back ...
  REQUIRE(consumer.Ack(1, 4));
  CHECK(DataOf(consumer.Take(4)) == Numbers(4, 10));
  RequireOutstanding(broker, "t", "s", 10);
  // ... and it can be raised and lowered.
  REQUIRE(consumer.Write(MaxMessages(100)));
  CHECK(DataOf(consumer.Take(90)) == Numbers(90, 14));
  RequireOutstanding(broker, "t", "s", 100);
  REQUIRE(consumer.Write(MaxMessages(1)));
  REQUIRE(consumer.Ack(1, 104));
  CHECK(DataOf(consumer.Take(1)) == Numbers(1, 104));
  RequireOutstanding(broker, "t", "s", 1);
}

TEST_CASE("Credit in bytes may be exceeded by one message") {
  BrokerUnderTest broker;
  const std::string payload(1000, 'p');
  REQUIRE(broker.Publish("t", Data(100, payload)) == 1);
  v1::Start start = StartOf("t", "s");
  start.mutable_credit()->set_max_bytes(2500);
  SubscribeStream consumer(broker.client, start);
  const size_t first = consumer.Take(2).size();
  REQUIRE(first == 2);
  REQUIRE(Eventually([&] {
    const uint64_t n = broker.GetSubscription("s").stats().outstanding_messages();
    return n == 2 || n == 3;
  }));
  v1::SubscribeRequest smaller_than_one;
  smaller_than_one.mutable_credit()->set_max_bytes(1);
  REQUIRE(consumer.Write(smaller_than_one));
  REQUIRE(consumer.Ack(1, 3));
  const std::vector<Received> rest = consumer.Take(1);
  REQUIRE(rest.size() == 1);
  REQUIRE(
      Eventually([&] { return broker.GetSubscription("s").stats().outstanding_messages() == 1; }));
}

TEST_CASE("With automatic acks the consumer returns the credit it has used") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 100));
  v1::Start start = StartOf("t", "s", v1::ACK_MODE_AUTO);
  start.mutable_credit()->set_max_messages(10);
  SubscribeStream consumer(broker.client, start);
  CHECK(DataOf(consumer.Take(10)) == Numbers(10));
  CHECK(broker.GetSubscription("s").stats().delivered_messages() == 10);
  v1::SubscribeRequest request;
  request.mutable_credit()->set_return_messages(5);
  REQUIRE(consumer.Write(request));
  CHECK(DataOf(consumer.Take(5)) == Numbers(5, 10));
  CHECK(broker.GetSubscription("s").stats().delivered_messages() == 15);
  // More than is outstanding counts as all of it.
  request.mutable_credit()->set_return_messages(1'000'000);
  REQUIRE(consumer.Write(request));
  CHECK(DataOf(consumer.Take(10)) == Numbers(10, 15));
  CHECK(broker.GetSubscription("s").stats().delivered_messages() == 25);
}

TEST_CASE("Acks may come as ranges and as lists, in any order, on any stream of the subscription") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 100));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(100).size() == 100);
  SubscribeStream other(broker.client, StartOf("t", "s"));
  REQUIRE(other.started().subscription() == "s");

  v1::SubscribeRequest request;
  for (const auto& [first, last] : {std::pair(50, 59), std::pair(1, 10), std::pair(5, 12)}) {
    v1::SequenceRange* range = request.add_ack();
    range->set_first(static_cast<uint64_t>(first));
    range->set_last(static_cast<uint64_t>(last));
  }
  for (const uint64_t sequence : {100, 99, 20, 20, 1'000'000}) request.add_ack_sequences(sequence);
  REQUIRE(consumer.Write(request));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 25; }));
  REQUIRE(other.Ack(13, 19));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 32; }));

  // When the consumer leaves, exactly the others come again.
  consumer.Cancel();
  const std::vector<Received> again = other.Take(68);
  REQUIRE(again.size() == 68);
  std::set<uint64_t> sequences;
  for (const Received& message : again) {
    CHECK(message.attempt == 2);
    CHECK(message.data == absl::StrCat(message.sequence - 1));
    sequences.insert(message.sequence);
  }
  CHECK(sequences.size() == 68);
  for (const uint64_t acked : {1, 12, 13, 19, 20, 50, 59, 99, 100}) CHECK(!sequences.count(acked));
}

TEST_CASE("Nacked messages come again at once, before new ones, with a higher attempt") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 10));
  v1::Start start = StartOf("t", "s");
  start.mutable_credit()->set_max_messages(5);
  SubscribeStream consumer(broker.client, start);
  REQUIRE(consumer.Take(5).size() == 5);
  v1::SubscribeRequest request;
  v1::SequenceRange* range = request.add_nack();
  range->set_first(2);
  range->set_last(3);
  request.add_nack_sequences(5);
  v1::SequenceRange* acked = request.add_ack();
  acked->set_first(1);
  acked->set_last(1);
  REQUIRE(consumer.Write(request));
  const std::vector<Received> again = consumer.Take(4);
  REQUIRE(DataOf(again) == Data{"1", "2", "4", "5"});
  CHECK(again[0].attempt == 2);
  CHECK(again[1].attempt == 2);
  CHECK(again[2].attempt == 2);
  CHECK(again[3].attempt == 1);
  CHECK(broker.GetSubscription("s").stats().nacked_messages() == 3);
  REQUIRE(consumer.Nack(2, 2));
  const std::vector<Received> third = consumer.Take(1);
  REQUIRE(third.size() == 1);
  CHECK(third[0].attempt == 3);
}

TEST_CASE("What is not acked in time comes again, and an extension keeps it away") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 2));
  v1::Start start = StartOf("t", "s");
  start.mutable_ack_deadline()->set_nanos(300'000'000);
  SubscribeStream consumer(broker.client, start);
  v1::SubscribeRequest request;
  v1::Extension* extension = request.add_extend();
  extension->mutable_range()->set_first(1);
  extension->mutable_range()->set_last(1);
  extension->mutable_deadline()->set_seconds(600);
  REQUIRE(consumer.Take(2).size() == 2);
  REQUIRE(consumer.Write(request));
  // The second comes again three times, the first not once.
  for (uint32_t attempt = 2; attempt <= 4; ++attempt) {
    const std::vector<Received> again = consumer.Take(1);
    REQUIRE(again.size() == 1);
    if (again[0].sequence == 1 && attempt == 2) {
      // The machine was so slow that the extension came after the deadline; nothing to see then.
      WARN("the extension came late");
      return;
    }
    CHECK(again[0].sequence == 2);
    CHECK(again[0].attempt == attempt);
  }
  CHECK(broker.GetSubscription("s").stats().expired_leases() == 3);
  // An extension to 0 is a nack.
  extension->mutable_deadline()->set_seconds(0);
  REQUIRE(consumer.Write(request));
  bool came = false;
  for (int i = 0; i < 10 && !came; ++i) {
    const std::vector<Received> again = consumer.Take(1);
    REQUIRE(again.size() == 1);
    came = again[0].sequence == 1;
  }
  CHECK(came);
}

TEST_CASE("A late ack counts if the message has not been consumed since") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  v1::Start start = StartOf("t", "s");
  start.mutable_ack_deadline()->set_nanos(100'000'000);
  start.mutable_credit()->set_max_messages(1);
  SubscribeStream consumer(broker.client, start);
  REQUIRE(consumer.Take(1).size() == 1);
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().expired_leases() > 0; }));
  REQUIRE(consumer.Ack(1, 1));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 1; }));
  CHECK(broker.GetSubscription("s").stats().floor_sequence() == 2);
}

TEST_CASE("Consumers of a named subscription share it, and another subscription gets everything") {
  BrokerUnderTest broker;
  SubscribeStream first(broker.client, StartOf("t", "shared", v1::ACK_MODE_AUTO));
  SubscribeStream second(broker.client, StartOf("t", "shared", v1::ACK_MODE_AUTO));
  SubscribeStream alone(broker.client, StartOf("t", "alone", v1::ACK_MODE_AUTO));
  REQUIRE(first.started().topic() == "t");
  REQUIRE(second.started().topic() == "t");
  REQUIRE(alone.started().topic() == "t");
  REQUIRE(broker.PublishNumbers("t", 10'000));
  CHECK(DataOf(alone.Take(10'000)) == Numbers(10'000));
  REQUIRE(Eventually(
      [&] { return broker.GetSubscription("shared").stats().delivered_messages() == 10'000; }));
  CHECK(broker.GetSubscription("shared").stats().consumers() == 2);
}

TEST_CASE("A named subscription keeps its place when its consumers leave") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 10));
  {
    SubscribeStream consumer(broker.client, StartOf("t", "s"));
    REQUIRE(consumer.Take(10).size() == 10);
    REQUIRE(consumer.Ack(1, 6));
    REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 6; }));
  }
  SubscribeStream next(broker.client, StartOf("t", "s"));
  const std::vector<Received> rest = next.Take(4);
  REQUIRE(DataOf(rest) == Numbers(4, 6));
  CHECK(rest[0].attempt == 2);
}

TEST_CASE("A private subscription ends with its stream and what it had not consumed stays") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 10));
  {
    SubscribeStream consumer(broker.client, StartOf("t"));
    REQUIRE(consumer.Take(10).size() == 10);
    CHECK(broker.GetTopic("t").stats().subscriptions() == 1);
    REQUIRE(consumer.Ack(1, 4));
    REQUIRE(consumer.Ack(6, 6));
    REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().held_messages() == 5; }));
  }
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().subscriptions() == 0; }));
  CHECK(broker.Stats().subscription_count() == 0);
  SubscribeStream next(broker.client, StartOf("t"));
  CHECK(DataOf(next.Take(5)) == Data{"4", "6", "7", "8", "9"});
}

TEST_CASE("A subscription starts where it is asked to") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 10));
  // Keeps everything.
  SubscribeStream keeper(broker.client, StartOf("t", "keeper"));
  REQUIRE(keeper.Take(10).size() == 10);
  SECTION("earliest") {
    v1::Start start = StartOf("t", "s");
    start.mutable_from()->set_position(v1::StartFrom::EARLIEST);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.started().next_sequence() == 1);
    CHECK(DataOf(consumer.Take(10)) == Numbers(10));
  }
  SECTION("latest") {
    v1::Start start = StartOf("t", "s");
    start.mutable_from()->set_position(v1::StartFrom::LATEST);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.started().next_sequence() == 11);
    REQUIRE(broker.Publish("t", {"new"}) == 11);
    CHECK(DataOf(consumer.Take(1)) == Data{"new"});
  }
  SECTION("a sequence that is kept") {
    v1::Start start = StartOf("t", "s");
    start.mutable_from()->set_sequence(7);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.started().next_sequence() == 7);
    CHECK(DataOf(consumer.Take(4)) == Numbers(4, 6));
    CHECK(consumer.gaps().empty());
  }
  SECTION("a sequence that is not reached yet") {
    v1::Start start = StartOf("t", "s");
    start.mutable_from()->set_sequence(13);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.started().next_sequence() == 13);
    REQUIRE(broker.Publish("t", {"11", "12", "13", "14"}) == 11);
    const std::vector<Received> messages = consumer.Take(2);
    REQUIRE(messages.size() == 2);
    CHECK(messages[0].sequence == 13);
  }
  SECTION("ignored for one that exists") {
    SubscribeStream first(broker.client, StartOf("t", "s"));
    REQUIRE(first.Take(10).size() == 10);
    v1::Start start = StartOf("t", "s");
    start.mutable_from()->set_sequence(5);
    SubscribeStream consumer(broker.client, start);
    CHECK(consumer.started().next_sequence() == 11);
  }
}

TEST_CASE("A subscription starts at a time") {
  BrokerUnderTest broker;
  SubscribeStream keeper(broker.client, StartOf("t", "keeper"));
  REQUIRE(broker.PublishNumbers("t", 5));
  const std::vector<Received> early = keeper.Take(5);
  REQUIRE(early.size() == 5);
  // Until the clock has gone on by a millisecond or more.
  REQUIRE(Eventually([&] {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count() >
           early.back().publish_time_ms + 1;
  }));
  REQUIRE(broker.Publish("t", {"late"}) == 6);
  const std::vector<Received> late = keeper.Take(1);
  REQUIRE(late.size() == 1);

  v1::Start start = StartOf("t", "s");
  start.mutable_from()->mutable_time()->set_seconds(late[0].publish_time_ms / 1000);
  start.mutable_from()->mutable_time()->set_nanos(
      static_cast<int32_t>(late[0].publish_time_ms % 1000 * 1'000'000));
  SubscribeStream consumer(broker.client, start);
  CHECK(consumer.started().next_sequence() == 6);
  CHECK(DataOf(consumer.Take(1)) == Data{"late"});
}

TEST_CASE("What is no longer kept where a subscription starts is told as a gap") {
  BrokerUnderTest broker;
  {
    SubscribeStream consumer(broker.client, StartOf("t", "first", v1::ACK_MODE_AUTO));
    REQUIRE(broker.PublishNumbers("t", 20'000));
    REQUIRE(consumer.Take(20'000).size() == 20'000);
  }
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().held_messages() == 0; }));
  v1::Start start = StartOf("t", "second");
  start.mutable_from()->set_sequence(3);
  SubscribeStream consumer(broker.client, start);
  const std::optional<v1::Gap> gap = consumer.TakeGap();
  REQUIRE(gap.has_value());
  CHECK(gap->reason() == v1::Gap::NOT_KEPT);
  CHECK(gap->range().first() == 3);
  CHECK(gap->range().last() >= 10'000);
  // What comes next is the rest.
  const uint64_t rest = 20'000 - gap->range().last();
  const std::vector<Received> messages = consumer.Take(rest);
  REQUIRE(messages.size() == rest);
  if (rest > 0) CHECK(messages[0].sequence == gap->range().last() + 1);
}

TEST_CASE("Dropped oldest messages are told as a gap before the next delivery, and counted") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::DROP_OLDEST);
  config.set_budget_bytes(256 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  v1::Start start = StartOf("t", "s");
  start.mutable_credit()->set_max_messages(1);
  SubscribeStream consumer(broker.client, start);
  REQUIRE(consumer.started().topic() == "t");
  const std::string payload(1000, 'p');
  for (int i = 0; i < 100; ++i) REQUIRE(broker.Publish("t", Data(10, payload)) != 0);
  const uint64_t dropped = broker.GetTopic("t").stats().dropped_messages();
  CHECK(dropped > 500);
  CHECK(broker.GetTopic("t").stats().held_bytes() <= 256 << 10);
  v1::SubscribeRequest more = MaxMessages(10'000);
  REQUIRE(consumer.Write(more));
  // Everything is either received or told.
  std::set<uint64_t> seen;
  while (seen.empty() || *seen.rbegin() < 1000) {
    const std::vector<Received> messages = consumer.Take(1);
    REQUIRE(messages.size() == 1);
    seen.insert(messages[0].sequence);
  }
  uint64_t told = 0;
  for (const v1::Gap& gap : consumer.gaps()) {
    CHECK(gap.reason() == v1::Gap::DROPPED_OLDEST);
    told += gap.range().last() - gap.range().first() + 1;
    for (uint64_t s = gap.range().first(); s <= gap.range().last(); ++s) seen.insert(s);
  }
  CHECK(told > 0);
  CHECK(seen.size() == 1000);
  CHECK(broker.GetSubscription("s").stats().gap_messages() == told);
}

TEST_CASE("Retention by size gives up the oldest and tells the gap") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_retention_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  {
    SubscribeStream maker(broker.client, StartOf("t", "s"));
    REQUIRE(maker.started().topic() == "t");
    REQUIRE(maker.Write(MaxMessages(1)));
  }
  const std::string payload(1000, 'p');
  for (int i = 0; i < 300; ++i) REQUIRE(broker.Publish("t", Data(10, payload)) != 0);
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().expired_messages() > 500; }));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  const std::optional<v1::Gap> gap = consumer.TakeGap();
  REQUIRE(gap.has_value());
  CHECK(gap->reason() == v1::Gap::RETENTION);
  CHECK(gap->range().first() <= 2);
}

TEST_CASE("Retention by age gives up what is older, consumed or not, and tells the gap") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.mutable_retention_age()->set_seconds(1);
  REQUIRE(broker.CreateTopic("t", config).ok());
  {
    SubscribeStream maker(broker.client, StartOf("t", "s"));
    REQUIRE(maker.started().topic() == "t");
  }
  REQUIRE(broker.PublishNumbers("t", 10));
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().expired_messages() == 10; }));
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  const std::optional<v1::Gap> gap = consumer.TakeGap();
  REQUIRE(gap.has_value());
  CHECK(gap->reason() == v1::Gap::RETENTION);
  CHECK(gap->range().first() == 1);
  CHECK(gap->range().last() == 10);
}

TEST_CASE("A subscription's name belongs to one topic") {
  BrokerUnderTest broker;
  SubscribeStream consumer(broker.client, StartOf("a", "s"));
  REQUIRE(consumer.started().topic() == "a");
  SubscribeStream other(broker.client, StartOf("b", "s"));
  const grpc::Status status = other.Finish();
  CHECK(status.error_code() == grpc::FAILED_PRECONDITION);
  CHECK_THAT(status.error_message(), HasText("s"));
}

TEST_CASE("With creating on use off a missing topic or subscription is NOT_FOUND") {
  BrokerUnderTest broker({"--auto-create-topics=false", "--auto-create-subscriptions=false"});
  REQUIRE(broker.CreateTopic("there").ok());
  SubscribeStream no_topic(broker.client, StartOf("missing"));
  CHECK(no_topic.Finish().error_code() == grpc::NOT_FOUND);
  SubscribeStream no_subscription(broker.client, StartOf("there", "missing"));
  CHECK(no_subscription.Finish().error_code() == grpc::NOT_FOUND);
  SubscribeStream neither(broker.client, StartOf("", "missing"));
  CHECK(neither.Finish().error_code() == grpc::NOT_FOUND);
  SubscribeStream its_own(broker.client, StartOf("there"));
  CHECK(its_own.started().topic() == "there");
}

TEST_CASE("Deleting a topic or a subscription ends its streams with ABORTED") {
  BrokerUnderTest broker;
  SubscribeStream named(broker.client, StartOf("t", "s"));
  SubscribeStream another(broker.client, StartOf("t", "u"));
  SubscribeStream its_own(broker.client, StartOf("t"));
  REQUIRE(named.started().topic() == "t");
  REQUIRE(another.started().topic() == "t");
  REQUIRE(its_own.started().topic() == "t");
  google::protobuf::Empty empty;
  v1::DeleteSubscriptionRequest subscription;
  subscription.set_name("s");
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteSubscription", subscription, &empty).ok());
  CHECK(named.Finish().error_code() == grpc::ABORTED);
  v1::DeleteTopicRequest topic;
  topic.set_name("t");
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteTopic", topic, &empty).ok());
  CHECK(another.Finish().error_code() == grpc::ABORTED);
  CHECK(its_own.Finish().error_code() == grpc::ABORTED);
  CHECK(broker.Stats().topic_count() == 0);
  CHECK(broker.Stats().subscription_count() == 0);
}

}  // namespace
}  // namespace estiba::testing
