// Broker.Publish and Broker.PublishOnce, promise by promise of proto/estiba/v1/broker.proto.
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

constexpr int kInvalid = static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT);
constexpr int kAborted = static_cast<int>(grpc::StatusCode::ABORTED);
constexpr int kNotFound = static_cast<int>(grpc::StatusCode::NOT_FOUND);
constexpr int kExhausted = static_cast<int>(grpc::StatusCode::RESOURCE_EXHAUSTED);

// The next `count` answers, in the order they come.
std::vector<v1::BatchResult> Answers(PublishStream& stream, size_t count) {
  std::vector<v1::BatchResult> answers;
  v1::PublishResponse response;
  while (answers.size() < count && stream.Read(&response)) {
    answers.insert(answers.end(), response.results().begin(), response.results().end());
  }
  return answers;
}

TEST_CASE("Batches for several topics go pipelined over one stream and are all answered in order") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  constexpr int kBatches = 2'000;
  constexpr int kTopics = 8;
  for (int i = 0; i < kBatches; ++i) {
    REQUIRE(
        stream.Write(Batch(absl::StrCat("t", i % kTopics), static_cast<uint64_t>(i + 1),
                           {absl::StrCat(i), absl::StrCat(i, "b")}),
                     /*more=*/i % 50 != 49));  // many at once, which go to their topics together
  }
  stream.HalfClose();
  const std::vector<v1::BatchResult> answers = Answers(stream, kBatches);
  REQUIRE(answers.size() == kBatches);
  REQUIRE(stream.Finish().ok());

  std::map<uint64_t, uint64_t> last_batch;
  for (const v1::BatchResult& answer : answers) {
    REQUIRE_FALSE(answer.has_error());
    REQUIRE(answer.count() == 2);
    const uint64_t topic = (answer.batch() - 1) % kTopics;
    const uint64_t index = (answer.batch() - 1) / kTopics;
    CHECK(answer.first_sequence() == index * 2 + 1);
    CHECK(last_batch[topic] < answer.batch());
    last_batch[topic] = answer.batch();
  }
  constexpr size_t kEach = 2 * kBatches / kTopics;
  for (int topic = 0; topic < kTopics; ++topic) {
    SubscribeStream consumer(broker.client, StartOf(absl::StrCat("t", topic)));
    const std::vector<Received> messages = consumer.Take(kEach);
    REQUIRE(messages.size() == kEach);
    for (size_t i = 0; i < messages.size(); ++i) {
      CHECK(messages[i].sequence == i + 1);
      CHECK(messages[i].data ==
            absl::StrCat(kTopics * (i / 2) + static_cast<size_t>(topic), i % 2 == 0 ? "" : "b"));
    }
  }
}

TEST_CASE("One message at a time: each is answered and delivered, however long threads look") {
  const std::string busy_poll = GENERATE("0", "50us", "1ms");
  BrokerUnderTest broker({"--rpc-threads=1", "--busy-poll=" + busy_poll});
  PublishStream stream(broker.client, kPublish);
  SubscribeStream consumer(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
  consumer.started();
  for (uint64_t i = 1; i <= 1'000; ++i) {
    REQUIRE(stream.Write(Batch("t", i, {std::to_string(i)})));
    REQUIRE(DataOf(consumer.Take(1)) == std::vector<std::string>{std::to_string(i)});
    REQUIRE(Answers(stream, 1).at(0).first_sequence() == i);
  }
  stream.HalfClose();
  CHECK(stream.Finish().ok());
}

TEST_CASE("A refused batch is answered with its error and the stream goes on") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("good", 1, {"a"})));
  REQUIRE(stream.Write(Batch("good", 2, {})));
  REQUIRE(stream.Write(Batch("-bad", 3, {"x"})));
  v1::PublishRequest long_key = Batch("good", 4, {"x"});
  long_key.mutable_messages(0)->set_ordering_key(std::string(1025, 'k'));
  REQUIRE(stream.Write(long_key));
  REQUIRE(stream.Write(Batch("good", 5, {"b"})));
  stream.HalfClose();

  std::map<uint64_t, v1::BatchResult> by_number;
  for (const v1::BatchResult& answer : Answers(stream, 5)) by_number[answer.batch()] = answer;
  REQUIRE(by_number.size() == 5);
  CHECK(by_number[1].first_sequence() == 1);
  CHECK(by_number[2].error().code() == kInvalid);
  CHECK_THAT(by_number[2].error().message(), HasText("messages"));
  CHECK(by_number[3].error().code() == kInvalid);
  CHECK_THAT(by_number[3].error().message(), HasText("-bad"));
  CHECK(by_number[4].error().code() == kInvalid);
  CHECK_THAT(by_number[4].error().message(), HasText("messages[0].ordering_key: 1025 bytes"));
  CHECK(by_number[4].count() == 0);
  CHECK(by_number[4].first_sequence() == 0);
  CHECK(by_number[5].first_sequence() == 2);
  CHECK(stream.Finish().ok());
}

TEST_CASE("A batch is taken whole or not at all") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  v1::PublishRequest batch = Batch("t", 1, {"a", "b", "c"});
  (*batch.mutable_messages(2)->mutable_attributes())[""] = "empty key";
  REQUIRE(stream.Write(batch));
  const std::vector<v1::BatchResult> answers = Answers(stream, 1);
  REQUIRE(answers.size() == 1);
  CHECK_THAT(answers[0].error().message(), HasText("messages[2].attributes"));
  CHECK(broker.Publish("t", {"first"}) == 1);
}

TEST_CASE("A request without a topic goes to the topic of the one before") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("", 1, {"lost"})));
  REQUIRE(stream.Write(Batch("a", 2, {"1"})));
  REQUIRE(stream.Write(Batch("", 3, {"2"})));
  REQUIRE(stream.Write(Batch("b", 4, {"1"})));
  REQUIRE(stream.Write(Batch("", 5, {"2"})));
  stream.HalfClose();
  const std::vector<v1::BatchResult> answers = Answers(stream, 5);
  REQUIRE(answers.size() == 5);
  CHECK(answers[0].error().code() == kInvalid);
  CHECK_THAT(answers[0].error().message(), HasText("topic"));
  CHECK(broker.GetTopic("a").stats().next_sequence() == 3);
  CHECK(broker.GetTopic("b").stats().next_sequence() == 3);
}

TEST_CASE("A refused batch names the topic of those that follow all the same") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("a", 1, {})));
  REQUIRE(stream.Write(Batch("", 2, {"x"})));
  stream.HalfClose();
  const std::vector<v1::BatchResult> answers = Answers(stream, 2);
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].error().code() == kInvalid);
  CHECK(answers[1].first_sequence() == 1);
  CHECK(broker.GetTopic("a").stats().next_sequence() == 2);
}

TEST_CASE("A batch with a dedup id is stored once, by whatever call it comes") {
  BrokerUnderTest broker;
  v1::PublishRequest named = Batch("t", 5, {"a", "b"});
  named.set_dedup_id("order-4711");
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(named));
  named.set_batch(9);
  REQUIRE(stream.Write(named));
  named.set_dedup_id(std::string(129, 'x'));
  REQUIRE(stream.Write(named));
  const std::vector<v1::BatchResult> answers = Answers(stream, 3);
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].batch() == 5);
  CHECK_FALSE(answers[0].duplicate());
  CHECK(answers[1].batch() == 9);
  CHECK(answers[1].duplicate());
  CHECK(answers[1].first_sequence() == 1);
  CHECK(answers[1].count() == 2);
  CHECK(answers[2].error().code() == kInvalid);
  CHECK_THAT(answers[2].error().message(), HasText("dedup_id: 129 bytes: at most 128"));

  v1::PublishOnceRequest once;
  once.set_topic("t");
  once.add_messages()->set_data("a");
  once.set_dedup_id("order-4711");
  v1::PublishOnceResponse response;
  REQUIRE(broker.client.Call("/estiba.v1.Broker/PublishOnce", once, &response).ok());
  CHECK(response.duplicate());
  CHECK(response.count() == 2);
  once.set_producer("another");
  REQUIRE(broker.client.Call("/estiba.v1.Broker/PublishOnce", once, &response).ok());
  CHECK_FALSE(response.duplicate());
  CHECK(response.first_sequence() == 3);
  once.clear_dedup_id();
  const grpc::Status refused = broker.client.Call("/estiba.v1.Broker/PublishOnce", once, &response);
  CHECK(refused.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(refused.error_message(), HasText("producer: only together with dedup_id"));
  CHECK(broker.GetTopic("t").stats().duplicate_batches() == 2);
}

TEST_CASE("Scheduled messages are answered at once, and get their sequences later") {
  BrokerUnderTest broker;
  v1::PublishRequest request = Batch("t", 1, {"later", "now", "past", "over"});
  request.mutable_messages(0)->set_deliver_after_ms(100);
  request.mutable_messages(2)->set_deliver_at_ms(1);
  request.mutable_messages(3)->set_deliver_at_ms(1);
  request.mutable_messages(3)->set_time_to_live_ms(1);
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(request));
  const std::vector<v1::BatchResult> answers = Answers(stream, 1);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].first_sequence() == 1);
  CHECK(answers[0].count() == 1);
  CHECK(answers[0].scheduled() == 3);
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().next_sequence() == 5; }));
  SubscribeStream consumer(broker.client, StartOf("t", "s", v1::ACK_MODE_AUTO));
  CHECK(DataOf(consumer.Take(3)) == std::vector<std::string>{"now", "past", "later"});

  v1::RequestRequest asked;
  asked.set_topic("t");
  asked.mutable_message()->set_deliver_after_ms(1);
  v1::RequestResponse answer;
  const grpc::Status refused = broker.client.Call("/estiba.v1.Broker/Request", asked, &answer);
  CHECK(refused.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(refused.error_message(), HasText("a request is not scheduled"));
}

TEST_CASE("A producer's batch sent twice gets its first answer and is stored once") {
  BrokerUnderTest broker;
  v1::PublishRequest first = Batch("t", 7, {"a", "b"});
  first.set_producer("producer-1");
  {
    PublishStream stream(broker.client, kPublish);
    REQUIRE(stream.Write(first));
    REQUIRE(stream.Write(Batch("", 8, {"c"})));
    REQUIRE(Answers(stream, 2).size() == 2);
  }
  PublishStream again(broker.client, kPublish);
  REQUIRE(again.Write(first));
  REQUIRE(again.Write(Batch("", 8, {"c"})));
  REQUIRE(again.Write(Batch("", 10, {"e"})));
  REQUIRE(again.Write(Batch("", 9, {"d"})));
  const std::vector<v1::BatchResult> answers = Answers(again, 4);
  REQUIRE(answers.size() == 4);
  CHECK(answers[0].duplicate());
  CHECK(answers[0].first_sequence() == 1);
  CHECK(answers[0].count() == 2);
  CHECK(answers[1].duplicate());
  CHECK(answers[1].first_sequence() == 3);
  CHECK(answers[2].error().code() == kAborted);
  CHECK_THAT(answers[2].error().message(), HasText("batch 9 must come first"));
  CHECK_FALSE(answers[3].duplicate());
  CHECK(answers[3].first_sequence() == 4);
  CHECK(broker.GetTopic("t").stats().duplicate_batches() == 2);

  // Another producer counts for itself.
  PublishStream other(broker.client, kPublish);
  first.set_producer("producer-2");
  REQUIRE(other.Write(first));
  const std::vector<v1::BatchResult> fresh = Answers(other, 1);
  REQUIRE(fresh.size() == 1);
  CHECK(fresh[0].first_sequence() == 5);
}

TEST_CASE("The documented rules for producers are enforced, naming the field") {
  BrokerUnderTest broker;
  SECTION("at most 64 bytes") {
    PublishStream stream(broker.client, kPublish);
    v1::PublishRequest request = Batch("t", 1, {"a"});
    request.set_producer(std::string(65, 'p'));
    REQUIRE(stream.Write(request));
    const auto answers = Answers(stream, 1);
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].error().code() == kInvalid);
    CHECK_THAT(answers[0].error().message(), HasText("producer: 65 bytes: at most 64"));
  }
  SECTION("numbers above 0") {
    PublishStream stream(broker.client, kPublish);
    v1::PublishRequest request = Batch("t", 0, {"a"});
    request.set_producer("p");
    REQUIRE(stream.Write(request));
    const auto answers = Answers(stream, 1);
    REQUIRE(answers.size() == 1);
    CHECK_THAT(answers[0].error().message(), HasText("batch: 0"));
  }
  SECTION("only in the first request") {
    PublishStream stream(broker.client, kPublish);
    REQUIRE(stream.Write(Batch("t", 1, {"a"})));
    v1::PublishRequest request = Batch("t", 2, {"b"});
    request.set_producer("late");
    REQUIRE(stream.Write(request));
    const auto answers = Answers(stream, 2);
    REQUIRE(answers.size() == 2);
    CHECK_THAT(answers[1].error().message(), HasText("producer: is set in the first request"));
  }
}

TEST_CASE("With creating on use off a missing topic is NOT_FOUND and the stream goes on") {
  BrokerUnderTest broker({"--auto-create-topics=false"});
  REQUIRE(broker.CreateTopic("there").ok());
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("missing", 1, {"a"})));
  REQUIRE(stream.Write(Batch("there", 2, {"a"})));
  const std::vector<v1::BatchResult> answers = Answers(stream, 2);
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].error().code() == kNotFound);
  CHECK_THAT(answers[0].error().message(), HasText("missing"));
  CHECK(answers[1].first_sequence() == 1);
  v1::PublishOnceResponse response;
  CHECK(broker.TryPublish("missing", {"a"}, &response).error_code() == grpc::NOT_FOUND);
}

TEST_CASE("Published into a deleted topic's name, a stream goes on in a new topic") {
  BrokerUnderTest broker;
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("t", 1, {"a"})));
  REQUIRE(Answers(stream, 1).size() == 1);
  v1::DeleteTopicRequest request;
  request.set_name("t");
  google::protobuf::Empty empty;
  REQUIRE(broker.client.Call("/estiba.v1.Admin/DeleteTopic", request, &empty).ok());
  REQUIRE(stream.Write(Batch("t", 2, {"b"})));
  const auto answers = Answers(stream, 1);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].first_sequence() == 1);
}

TEST_CASE("What is not a PublishRequest ends the stream with INVALID_ARGUMENT") {
  BrokerUnderTest broker;
  // A SubscribeRequest's `start` is a message where PublishRequest has `topic`, which is fine; one
  // that carries a group's tag is not.
  RawStream<v1::Message, v1::PublishResponse> stream(broker.client, kPublish);
  v1::Message message;
  message.GetReflection()->MutableUnknownFields(&message)->AddGroup(9)->AddVarint(1, 1);
  REQUIRE(stream.Write(message));
  const grpc::Status status = stream.Finish();
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("PublishRequest"));
}

TEST_CASE("Messages at their largest are taken, and one byte more is refused") {
  BrokerUnderTest broker;
  v1::PublishOnceRequest request;
  request.set_topic("t");
  v1::Message* message = request.add_messages();
  // 5 bytes of tag and length before the data.
  message->set_data(std::string((10 << 20) - 5, 'x'));
  REQUIRE(message->ByteSizeLong() == 10 << 20);
  v1::PublishOnceResponse response;
  REQUIRE(broker.client.Call(kPublishOnce, request, &response).ok());
  SubscribeStream consumer(broker.client, StartOf("t"));
  const std::vector<Received> received = consumer.Take(1);
  REQUIRE(received.size() == 1);
  CHECK(received[0].data == message->data());

  message->mutable_data()->push_back('x');
  const grpc::Status status = broker.client.Call(kPublishOnce, request, &response);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("messages[0]: 10485761 bytes: at most 10485760"));
}

TEST_CASE("A request beyond 16 MiB is RESOURCE_EXHAUSTED, and one just below is taken") {
  BrokerUnderTest broker;
  const std::string half((8 << 20) - 64, 'x');
  v1::PublishOnceResponse response;
  CHECK(broker.TryPublish("t", {half, half}, &response).ok());
  CHECK(response.count() == 2);
  const grpc::Status status =
      broker.TryPublish("t", {half, half, std::string(256, 'y')}, &response);
  CHECK(status.error_code() == grpc::RESOURCE_EXHAUSTED);
}

TEST_CASE("A batch has at most 100,000 messages") {
  BrokerUnderTest broker;
  v1::PublishOnceResponse response;
  CHECK(broker.TryPublish("t", std::vector<std::string>(100'000), &response).ok());
  CHECK(response.count() == 100'000);
  const grpc::Status status = broker.TryPublish("t", std::vector<std::string>(100'001), &response);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText("messages: 100001: at most 100000"));
}

TEST_CASE("The documented limits of a message are enforced, naming field, value and rule") {
  BrokerUnderTest broker;
  v1::PublishOnceRequest request;
  request.set_topic("t");
  v1::Message* message = request.add_messages();
  std::string rule;
  SECTION("100 attributes") {
    for (int i = 0; i < 100; ++i) (*message->mutable_attributes())[absl::StrCat(i)] = "v";
    v1::PublishOnceResponse taken;
    REQUIRE(broker.client.Call(kPublishOnce, request, &taken).ok());
    (*message->mutable_attributes())["one more"] = "v";
    rule = "messages[0].attributes: at most 100";
  }
  SECTION("keys of 256 bytes") {
    (*message->mutable_attributes())[std::string(257, 'k')] = "v";
    rule = "messages[0].attributes: a key of 257 bytes: at most 256";
  }
  SECTION("values of 1,024 bytes") {
    (*message->mutable_attributes())["k"] = std::string(1025, 'v');
    rule = "messages[0].attributes: a value of 1025 bytes: at most 1024";
  }
  SECTION("no empty keys") {
    (*message->mutable_attributes())[""] = "v";
    rule = "messages[0].attributes: a key is not empty";
  }
  SECTION("no unknown fields") {
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(77, 1);
    rule = "messages[0]: field 77: is not known to this broker";
  }
  SECTION("no fields that the broker sets") {
    message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(3, "id");
    rule = "messages[0]: field 3: is set by the broker";
  }
  v1::PublishOnceResponse response;
  const grpc::Status status = broker.client.Call(kPublishOnce, request, &response);
  CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
  CHECK_THAT(status.error_message(), HasText(rule));
}

TEST_CASE("Topic names have the documented form") {
  BrokerUnderTest broker;
  v1::PublishOnceResponse response;
  for (const std::string& good :
       {std::string("a"), std::string("9/x-_.~+%"), std::string(255, 'n')}) {
    CHECK(broker.TryPublish(good, {"x"}, &response).ok());
  }
  for (const std::string& bad : {std::string(), std::string("-a"), std::string("a b"),
                                 std::string("\xc3\xa4"), std::string(256, 'n')}) {
    const grpc::Status status = broker.TryPublish(bad, {"x"}, &response);
    CHECK(status.error_code() == grpc::INVALID_ARGUMENT);
    CHECK_THAT(status.error_message(), HasText("topic"));
  }
}

TEST_CASE("A publish stream is held back by a full topic that blocks, and let on by consuming") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(256 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  // Twenty times what fits: the writer is held up, or its batches wait, until a consumer comes.
  constexpr int kBatches = 160;
  const std::string payload(32 << 10, 'p');
  PublishStream stream(broker.client, kPublish);
  std::thread writer([&] {
    for (int i = 1; i <= kBatches; ++i)
      stream.Write(Batch("t", static_cast<uint64_t>(i), {payload}));
    stream.HalfClose();
  });
  const bool blocked =
      Eventually([&] { return broker.GetTopic("t").stats().blocked_batches() > 0; });
  const uint64_t held = broker.GetTopic("t").stats().held_bytes();
  SubscribeStream consumer(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
  const std::vector<Received> received = consumer.Take(kBatches);
  const std::vector<v1::BatchResult> answers = Answers(stream, kBatches);
  writer.join();
  CHECK(blocked);
  CHECK(held <= 256 << 10);
  REQUIRE(received.size() == kBatches);
  REQUIRE(answers.size() == kBatches);
  for (size_t i = 0; i < answers.size(); ++i) {
    CHECK(answers[i].batch() == i + 1);
    CHECK(answers[i].first_sequence() == i + 1);
  }
  CHECK(stream.Finish().ok());
}

TEST_CASE("A PublishOnce that its caller gave up while it waited for room is not taken later") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  const std::string payload(40 << 10, 'p');
  REQUIRE(broker.Publish("t", {payload}) == 1);

  v1::PublishOnceRequest request;
  request.set_topic("t");
  request.add_messages()->set_data(std::string(40 << 10, 'q'));
  v1::PublishOnceResponse response;
  const grpc::Status status =
      broker.client.Call(kPublishOnce, request, &response, absl::Milliseconds(300));
  CHECK(status.error_code() == grpc::DEADLINE_EXCEEDED);
  CHECK(broker.GetTopic("t").stats().blocked_batches() == 1);

  // Room comes, and the next one gets it.
  SubscribeStream consumer(broker.client, StartOf("t", "", v1::ACK_MODE_AUTO));
  REQUIRE(consumer.Take(1).size() == 1);
  CHECK(broker.Publish("t", {"after"}) == 2);
  const std::vector<Received> received = consumer.Take(1);
  REQUIRE(received.size() == 1);
  CHECK(received[0].data == "after");
}

TEST_CASE("A publisher that goes away while it waits in two topics leaves nothing behind") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_full_policy(v1::BLOCK);
  config.set_budget_bytes(64 << 10);
  for (const char* topic : {"a", "b"}) {
    REQUIRE(broker.CreateTopic(topic, config).ok());
    REQUIRE(broker.Publish(topic, {std::string(40 << 10, 'p')}) == 1);
  }
  const auto blocked = [&] {
    return broker.GetTopic("a").stats().blocked_batches() +
           broker.GetTopic("b").stats().blocked_batches();
  };
  auto waiting = std::make_unique<PublishStream>(broker.client, kPublish);
  REQUIRE(waiting->Write(Batch("a", 1, {std::string(40 << 10, 'q')})));
  REQUIRE(waiting->Write(Batch("b", 2, {std::string(40 << 10, 'q')})));
  REQUIRE(Eventually([&] { return blocked() == 2; }));
  // There is room for these, but they wait for their turn; and nothing is consumed.
  PublishStream behind(broker.client, kPublish);
  REQUIRE(behind.Write(Batch("a", 1, {"after"})));
  REQUIRE(behind.Write(Batch("b", 2, {"after"})));
  REQUIRE(Eventually([&] { return blocked() == 4; }));
  waiting->Cancel();
  waiting.reset();
  for (const v1::BatchResult& answer : Answers(behind, 2)) {
    CHECK_FALSE(answer.has_error());
    CHECK(answer.first_sequence() == 2);
  }
  REQUIRE(Eventually([&] { return broker.Connections().connections_size() == 1; }));
  for (const char* topic : {"a", "b"}) {
    SubscribeStream consumer(broker.client, StartOf(topic, "", v1::ACK_MODE_AUTO));
    REQUIRE(consumer.Take(1).size() == 1);
    CHECK(DataOf(consumer.Take(1)) == std::vector<std::string>{"after"});
  }
}

TEST_CASE("A full topic that rejects says RESOURCE_EXHAUSTED and when to try again") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_budget_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("t", config).ok());
  PublishStream stream(broker.client, kPublish);
  REQUIRE(stream.Write(Batch("t", 1, {std::string(40 << 10, 'p')})));
  REQUIRE(stream.Write(Batch("t", 2, {std::string(40 << 10, 'p')})));
  const auto answers = Answers(stream, 2);
  REQUIRE(answers.size() == 2);
  CHECK_FALSE(answers[0].has_error());
  CHECK(answers[1].error().code() == kExhausted);
  CHECK(answers[1].error().has_retry_after());
  CHECK_THAT(answers[1].error().message(), HasText("topic \"t\""));
  const v1::TopicStats stats = broker.GetTopic("t").stats();
  CHECK(stats.rejected_batches() == 1);
  CHECK(stats.rejected_messages() == 1);
}

TEST_CASE("An unknown method is UNIMPLEMENTED") {
  BrokerUnderTest broker;
  v1::PublishOnceResponse response;
  for (const char* method : {"/estiba.v1.Broker/Nothing", "/estiba.v1.Admin/Nothing",
                             "/estiba.v2.Broker/Publish", "/nothing"}) {
    const grpc::Status status = broker.client.Call(method, v1::PublishOnceRequest(), &response);
    CHECK(status.error_code() == grpc::UNIMPLEMENTED);
    CHECK_THAT(status.error_message(), HasText(method));
  }
}

}  // namespace
}  // namespace estiba::testing
