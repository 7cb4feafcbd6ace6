// Broker.Request and Broker.Reply, promise by promise of proto/estiba/v1/broker.proto.
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

constexpr char kRequest[] = "/estiba.v1.Broker/Request";
constexpr char kReply[] = "/estiba.v1.Broker/Reply";

using RawSubscribe = RawStream<v1::SubscribeRequest, v1::SubscribeResponse>;

struct Answer {
  grpc::Status status;
  v1::RequestResponse response;
};

Answer Ask(RawClient& client, const std::string& topic, const std::string& data,
           absl::Duration timeout = kLongEnough) {
  v1::RequestRequest request;
  request.set_topic(topic);
  request.mutable_message()->set_data(data);
  (*request.mutable_message()->mutable_attributes())["kind"] = "test";
  Answer answer;
  answer.status = client.Call(kRequest, request, &answer.response, timeout);
  return answer;
}

// A consumer that sees what the broker adds to a request.
struct RawResponder {
  RawResponder(BrokerUnderTest& broker, const std::string& topic,
               v1::AckMode mode = v1::ACK_MODE_AUTO, const std::string& subscription = "")
      : stream(broker.client, kSubscribe) {
    v1::SubscribeRequest start;
    *start.mutable_start() = StartOf(topic, subscription, mode);
    REQUIRE(stream.Write(start));
    v1::SubscribeResponse response;
    REQUIRE(stream.Read(&response));
    REQUIRE(response.has_started());
  }
  v1::Message Take() {
    v1::SubscribeResponse response;
    REQUIRE(stream.Read(&response));
    REQUIRE(response.messages_size() == 1);
    return response.messages(0);
  }
  bool Reply(const v1::Reply& reply) {
    v1::SubscribeRequest request;
    *request.add_replies() = reply;
    return stream.Write(request);
  }

  RawSubscribe stream;
};

v1::Reply ReplyTo(const v1::Message& request, const std::string& data) {
  v1::Reply reply;
  reply.set_address(request.reply_to().address());
  reply.mutable_message()->set_data(data);
  return reply;
}

grpc::Status SendReply(BrokerUnderTest& broker, const v1::Reply& reply) {
  v1::ReplyRequest request;
  *request.mutable_reply() = reply;
  v1::ReplyResponse response;
  return broker.client.Call(kReply, request, &response);
}

TEST_CASE("A reply on the responder's stream is the request's answer, and is not stored") {
  BrokerUnderTest broker;
  REQUIRE(broker.CreateTopic("rpc").ok());
  RawResponder responder(broker, "rpc");
  const int64_t before = absl::ToUnixMillis(absl::Now());
  auto answer = std::async(std::launch::async, [&] {
    RawClient caller(broker.daemon.address());
    return Ask(caller, "rpc", "what?", absl::Seconds(60));
  });
  const v1::Message request = responder.Take();
  CHECK(request.data() == "what?");
  CHECK(request.attributes().at("kind") == "test");
  CHECK(request.reply_to().address().size() == 16);
  CHECK(request.reply_to().deadline_ms() > before + 55'000);
  CHECK(request.reply_to().deadline_ms() < before + 65'000);
  v1::Reply reply = ReplyTo(request, "that");
  reply.mutable_message()->set_ordering_key("k");
  REQUIRE(responder.Reply(reply));
  const Answer got = answer.get();
  REQUIRE(got.status.ok());
  CHECK(got.response.message().data() == "that");
  CHECK(got.response.message().ordering_key() == "k");
  CHECK(broker.GetTopic("rpc").stats().published_messages() == 1);
  const v1::RequestStats stats = broker.Stats().requests();
  CHECK(stats.pending() == 0);
  CHECK(stats.requests() == 1);
  CHECK(stats.replies() == 1);
}

TEST_CASE("A reply by itself works as well, once, and may be an error") {
  BrokerUnderTest broker;
  REQUIRE(broker.CreateTopic("rpc").ok());
  RawResponder responder(broker, "rpc");
  auto answer = std::async(std::launch::async, [&] {
    RawClient caller(broker.daemon.address());
    return Ask(caller, "rpc", "x");
  });
  v1::Reply reply = ReplyTo(responder.Take(), "");
  reply.clear_message();
  reply.mutable_error()->set_code(9);
  reply.mutable_error()->set_message("not today");
  CHECK(SendReply(broker, reply).ok());
  const Answer got = answer.get();
  REQUIRE(got.status.ok());
  CHECK(got.response.error().code() == 9);
  CHECK(got.response.error().message() == "not today");
  CHECK(SendReply(broker, reply).error_code() == grpc::StatusCode::NOT_FOUND);
  reply.set_address(std::string(16, 'x'));
  CHECK(SendReply(broker, reply).error_code() == grpc::StatusCode::NOT_FOUND);
  reply.set_address("x");
  CHECK(SendReply(broker, reply).error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(broker.Stats().requests().late_replies() == 2);
}

TEST_CASE("Without anybody to reply a request fails at once, and nothing is published") {
  BrokerUnderTest broker;
  Answer answer = Ask(broker.client, "nowhere", "x");
  CHECK(answer.status.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK_THAT(answer.status.error_message(), HasText("no responders: there is no topic"));
  REQUIRE(broker.CreateTopic("rpc").ok());
  answer = Ask(broker.client, "rpc", "x");
  CHECK(answer.status.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK_THAT(answer.status.error_message(), HasText("no consumer is connected"));
  { RawResponder responder(broker, "rpc", v1::ACK_MODE_AUTO, "named"); }
  // The subscription stays when its consumer is gone.
  CHECK(Eventually([&] { return broker.GetSubscription("named").stats().consumers() == 0; }));
  answer = Ask(broker.client, "rpc", "x");
  CHECK(answer.status.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(broker.GetTopic("rpc").stats().published_messages() == 0);
  CHECK(broker.Stats().requests().no_responders() == 3);
}

TEST_CASE("A deadline passes, the request remains a message, and a late reply is told so") {
  BrokerUnderTest broker;
  REQUIRE(broker.CreateTopic("rpc").ok());
  RawResponder responder(broker, "rpc");
  const absl::Time asked = absl::Now();
  const Answer answer = Ask(broker.client, "rpc", "x", absl::Milliseconds(200));
  CHECK(answer.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  const v1::Message request = responder.Take();
  // What the caller gave it, from when it came; the broker's may pass a moment after the caller's.
  const absl::Time deadline = absl::FromUnixMillis(request.reply_to().deadline_ms());
  CHECK(deadline > asked);
  CHECK(deadline < absl::Now() + absl::Seconds(1));
  CHECK(Eventually([&] { return broker.Stats().requests().pending() == 0; }));
  CHECK(SendReply(broker, ReplyTo(request, "late")).error_code() == grpc::StatusCode::NOT_FOUND);
  REQUIRE(responder.Reply(ReplyTo(request, "late")));
  CHECK(Eventually([&] { return broker.Stats().requests().late_replies() == 2; }));
}

TEST_CASE("A caller that cancels leaves no entry behind") {
  BrokerUnderTest broker;
  REQUIRE(broker.CreateTopic("rpc").ok());
  RawResponder responder(broker, "rpc");
  {
    v1::RequestRequest request;
    request.set_topic("rpc");
    request.mutable_message()->set_data("x");
    RawStream<v1::RequestRequest, v1::RequestResponse> call(broker.client, kRequest);
    REQUIRE(call.Write(request));
    CHECK(Eventually([&] { return broker.Stats().requests().pending() == 1; }));
  }
  CHECK(Eventually([&] { return broker.Stats().requests().pending() == 0; }));
  CHECK(SendReply(broker, ReplyTo(responder.Take(), "y")).error_code() ==
        grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("As many requests may wait as the setting says") {
  BrokerUnderTest broker({"--max-pending-requests=1"});
  REQUIRE(broker.CreateTopic("rpc").ok());
  RawResponder responder(broker, "rpc");
  auto first = std::async(std::launch::async, [&] {
    RawClient caller(broker.daemon.address());
    return Ask(caller, "rpc", "x");
  });
  const v1::Message request = responder.Take();
  const Answer refused = Ask(broker.client, "rpc", "y");
  CHECK(refused.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK_THAT(refused.status.error_message(), HasText("max-pending-requests"));
  CHECK(SendReply(broker, ReplyTo(request, "z")).ok());
  CHECK(first.get().status.ok());
  CHECK(broker.GetTopic("rpc").stats().published_messages() == 1);
}

TEST_CASE("A full topic refuses a request, and its caller hears it at once") {
  BrokerUnderTest broker;
  v1::TopicConfig config;
  config.set_budget_bytes(64 << 10);
  REQUIRE(broker.CreateTopic("rpc", config).ok());
  RawResponder responder(broker, "rpc", v1::ACK_MODE_EXPLICIT);
  const Answer answer = Ask(broker.client, "rpc", std::string(100'000, 'x'));
  CHECK(answer.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(broker.Stats().requests().pending() == 0);
}

TEST_CASE("A wrong request is refused with what is wrong") {
  BrokerUnderTest broker;
  v1::RequestResponse response;
  const auto wrong = [&](const v1::RequestRequest& request) {
    const grpc::Status status = broker.client.Call(kRequest, request, &response);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  v1::RequestRequest request;
  CHECK_THAT(wrong(request), HasText("topic"));
  request.set_topic("rpc");
  CHECK_THAT(wrong(request), HasText("message: is required"));
  request.mutable_message()->set_ordering_key(std::string(2000, 'k'));
  CHECK_THAT(wrong(request), HasText("message.ordering_key: 2000 bytes"));
  request.mutable_message()->clear_ordering_key();
  request.mutable_message()->mutable_reply_to()->set_deadline_ms(5);
  CHECK_THAT(wrong(request), HasText("message: field 15: is set by the broker"));
}

TEST_CASE("A publisher cannot put a reply address into a message") {
  BrokerUnderTest broker;
  v1::PublishOnceRequest request;
  request.set_topic("t");
  request.add_messages()->mutable_reply_to()->set_address(std::string(16, 'x'));
  v1::PublishOnceResponse response;
  CHECK(broker.client.Call(kPublishOnce, request, &response).error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace estiba::testing
