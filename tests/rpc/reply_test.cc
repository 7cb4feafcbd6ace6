#include "broker/rpc/reply.h"

#include <set>
#include <string>

#include "broker/rpc/reply_address.h"
#include "broker/rpc/request_call.h"
#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

const std::string kAddress(16, 'a');

v1::Reply GoodReply() {
  v1::Reply reply;
  reply.set_address(kAddress);
  reply.mutable_message()->set_data("answer");
  return reply;
}

std::string Wrong(const v1::Reply& reply) {
  ReplyView view;
  const absl::Status status = ParseReply("reply", reply.SerializeAsString(), &view);
  CHECK(absl::IsInvalidArgument(status));
  return std::string(status.message());
}

TEST_CASE("A reply's body is what a RequestResponse carries, byte for byte") {
  const std::string encoded = GoodReply().SerializeAsString();
  ReplyView view;
  REQUIRE(ParseReply("reply", encoded, &view).ok());
  v1::RequestResponse response;
  REQUIRE(response.ParseFromString(std::string(view.body)));
  CHECK(response.message().data() == "answer");
  const auto bytes = view.address.Encode();
  CHECK(std::string(bytes.data(), bytes.size()) == kAddress);
}

TEST_CASE("An error travels like a message") {
  v1::Reply reply;
  reply.set_address(kAddress);
  reply.mutable_error()->set_code(5);
  reply.mutable_error()->set_message("no such order");
  const std::string encoded = reply.SerializeAsString();
  ReplyView view;
  REQUIRE(ParseReply("reply", encoded, &view).ok());
  v1::RequestResponse response;
  REQUIRE(response.ParseFromString(std::string(view.body)));
  CHECK(response.error().code() == 5);
  CHECK(response.error().message() == "no such order");
}

TEST_CASE("A wrong reply is refused with what is wrong") {
  v1::Reply reply = GoodReply();
  reply.set_address("short");
  CHECK_THAT(Wrong(reply), HasText("reply.address: 5 bytes: has 16"));
  reply = GoodReply();
  reply.clear_address();
  CHECK_THAT(Wrong(reply), HasText("reply.address: is required"));
  reply = GoodReply();
  reply.clear_message();
  CHECK_THAT(Wrong(reply), HasText("message or error is required"));
  reply.mutable_error()->set_code(0);
  CHECK_THAT(Wrong(reply), HasText("reply.error.code: 0: from 1 to 16"));
  reply.mutable_error()->set_code(17);
  CHECK_THAT(Wrong(reply), HasText("from 1 to 16"));
  reply.mutable_error()->set_code(3);
  reply.mutable_error()->set_message(std::string(1025, 'x'));
  CHECK_THAT(Wrong(reply), HasText("reply.error.message: 1025 bytes: at most 1024"));
  reply = GoodReply();
  reply.mutable_error()->set_code(3);
  CHECK_THAT(Wrong(reply), HasText("one of message and error"));
  reply = GoodReply();
  reply.mutable_message()->set_ordering_key(std::string(1025, 'x'));
  CHECK_THAT(Wrong(reply), HasText("reply.message.ordering_key: 1025 bytes"));
  reply = GoodReply();
  reply.mutable_message()->mutable_reply_to()->set_deadline_ms(1);
  CHECK_THAT(Wrong(reply), HasText("reply.message: field 15: is set by the broker"));
}

TEST_CASE("Replies are taken out of a subscribe request, and the rest stays") {
  v1::SubscribeRequest request;
  request.add_ack_sequences(7);
  *request.add_replies() = GoodReply();
  *request.add_replies() = GoodReply();
  request.mutable_credit()->set_max_messages(3);
  grpc::ByteBuffer buffer = ToBuffer(request.SerializeAsString());
  StreamReplies replies;
  REQUIRE(replies.Take(&buffer).ok());
  const ReceivedBytes rest(&buffer);
  v1::SubscribeRequest parsed;
  REQUIRE(parsed.ParseFromString(std::string(rest.view())));
  CHECK(parsed.replies_size() == 0);
  CHECK(parsed.ack_sequences_size() == 1);
  CHECK(parsed.credit().max_messages() == 3);
}

TEST_CASE("A subscribe request without replies stays as it is, also a malformed one") {
  for (const std::string& bytes : {std::string("\x40\x01", 2), std::string("\x12\x7f")}) {
    grpc::ByteBuffer buffer = ToBuffer(bytes);
    StreamReplies replies;
    CHECK(replies.Take(&buffer).ok());
    CHECK(ReceivedBytes(&buffer).view() == bytes);
  }
}

TEST_CASE("One wrong reply refuses the request") {
  v1::SubscribeRequest request;
  *request.add_replies() = GoodReply();
  request.add_replies()->set_address("x");
  grpc::ByteBuffer buffer = ToBuffer(request.SerializeAsString());
  StreamReplies replies;
  const absl::Status status = replies.Take(&buffer);
  CHECK_THAT(std::string(status.message()), HasText("replies[1].address"));
}

TEST_CASE("A request's record is the message with the way back in front") {
  v1::Message message;
  message.set_data(std::string(300, 'x'));
  ReplyAddress address;
  REQUIRE(ReplyAddress::Decode(kAddress, &address));
  const std::string record = RequestRecord(message.SerializeAsString(), address, 1234567890123);
  v1::PublishRequest batch;  // whose field 2 a record is
  REQUIRE(batch.ParseFromString(record));
  REQUIRE(batch.messages_size() == 1);
  CHECK(batch.messages(0).data() == message.data());
  CHECK(batch.messages(0).reply_to().address() == kAddress);
  CHECK(batch.messages(0).reply_to().deadline_ms() == 1234567890123);
}

TEST_CASE("Addresses differ") {
  std::set<std::array<char, ReplyAddress::kBytes>> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(MakeReplyAddress().Encode());
  CHECK(seen.size() == 1000);
}

}  // namespace
}  // namespace estiba::testing
