#include "client/src/ack_outbox.h"

#include <memory>
#include <string>
#include <vector>

#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::internal {
namespace {

v1::SubscribeRequest Take(AckOutbox& outbox, uint64_t& acked) {
  v1::SubscribeRequest request;
  REQUIRE(request.ParseFromString(outbox.Take(acked)));
  return request;
}
v1::SubscribeRequest Take(AckOutbox& outbox) {
  uint64_t acked = 0;
  return Take(outbox, acked);
}

TEST_CASE("An outbox is empty at first, and after everything was taken") {
  AckOutbox outbox;
  REQUIRE(outbox.empty());
  outbox.Ack({1, 1});
  outbox.Nack({2, 2});
  outbox.Extend({3, 3}, absl::Seconds(1));
  outbox.SetCredit({10, 0});
  outbox.ReturnCredit(1, 1);
  REQUIRE_FALSE(outbox.empty());
  Take(outbox);
  REQUIRE(outbox.empty());
}

TEST_CASE("Acks of neighbours become one range, others ranges of their own") {
  AckOutbox outbox;
  for (const uint64_t sequence : {5, 6, 7, 9, 8, 20}) outbox.Ack({sequence, sequence});
  outbox.Ack({21, 30});
  uint64_t acked = 0;
  const v1::SubscribeRequest request = Take(outbox, acked);
  REQUIRE(acked == 16);
  REQUIRE(request.ack_size() == 4);
  REQUIRE(request.ack(0).first() == 5);
  REQUIRE(request.ack(0).last() == 7);
  REQUIRE(request.ack(1).first() == 9);
  REQUIRE(request.ack(2).first() == 8);
  REQUIRE(request.ack(3).first() == 20);
  REQUIRE(request.ack(3).last() == 30);
  REQUIRE(request.nack_size() == 0);
  REQUIRE_FALSE(request.has_credit());
}

TEST_CASE("Nacks with a delay travel each with theirs, and before the wish to stop") {
  AckOutbox outbox;
  outbox.NackLater({5, 9}, absl::Milliseconds(1500));
  outbox.NackLater({11, 11}, absl::ZeroDuration());
  outbox.NackLater({0, 3}, absl::Seconds(1));  // none
  outbox.Stop();
  REQUIRE_FALSE(outbox.empty());
  const v1::SubscribeRequest request = Take(outbox);
  REQUIRE(request.nack_later_size() == 2);
  REQUIRE(request.nack_later(0).range().first() == 5);
  REQUIRE(request.nack_later(0).range().last() == 9);
  REQUIRE(request.nack_later(0).delay().seconds() == 1);
  REQUIRE(request.nack_later(0).delay().nanos() == 500'000'000);
  REQUIRE(request.nack_later(1).delay().seconds() == 0);
  REQUIRE(request.stop());
  REQUIRE(outbox.empty());
}

TEST_CASE("Terminations travel with their reasons, a megabyte of them at a time") {
  AckOutbox outbox;
  outbox.Terminate(7, "bad");
  outbox.Terminate(0, "none");
  const v1::SubscribeRequest request = Take(outbox);
  REQUIRE(request.terminate_size() == 1);
  REQUIRE(request.terminate(0).range().first() == 7);
  REQUIRE(request.terminate(0).range().last() == 7);
  REQUIRE(request.terminate(0).reason() == "bad");
  REQUIRE(outbox.empty());

  for (uint64_t i = 1; i <= 3000; ++i) outbox.Terminate(i, std::string(1024, 'x'));
  outbox.Stop();
  int seen = 0;
  bool stopped = false;
  for (int requests = 0; !outbox.empty(); ++requests) {
    REQUIRE(requests < 4);
    const v1::SubscribeRequest part = Take(outbox);
    REQUIRE(part.ByteSizeLong() < 2u << 20);
    seen += part.terminate_size();
    stopped = part.stop();
  }
  REQUIRE(seen == 3000);
  REQUIRE(stopped);
}

TEST_CASE("Sequences with the most digits survive") {
  AckOutbox outbox;
  outbox.Ack({0xfffffffffffffff0, 0xffffffffffffffff});
  const v1::SubscribeRequest request = Take(outbox);
  REQUIRE(request.ack(0).first() == 0xfffffffffffffff0);
  REQUIRE(request.ack(0).last() == 0xffffffffffffffff);
}

TEST_CASE("Ranges that are none are passed over") {
  AckOutbox outbox;
  outbox.Ack({0, 5});
  outbox.Nack({5, 4});
  outbox.Extend({0, 0}, absl::Seconds(1));
  REQUIRE(outbox.empty());
}

TEST_CASE("Nacks, extensions and credit travel in the same request") {
  AckOutbox outbox;
  outbox.Ack({1, 2});
  outbox.Nack({4, 4});
  outbox.Nack({5, 5});
  outbox.Extend({7, 8}, absl::Milliseconds(1500));
  outbox.SetCredit({100, 2000});
  outbox.ReturnCredit(3, 300);
  outbox.ReturnCredit(4, 400);
  const v1::SubscribeRequest request = Take(outbox);
  REQUIRE(request.ack_size() == 1);
  REQUIRE(request.nack_size() == 1);
  REQUIRE(request.nack(0).last() == 5);
  REQUIRE(request.extend_size() == 1);
  REQUIRE(request.extend(0).range().first() == 7);
  REQUIRE(request.extend(0).deadline().seconds() == 1);
  REQUIRE(request.extend(0).deadline().nanos() == 500'000'000);
  REQUIRE(request.credit().max_messages() == 100);
  REQUIRE(request.credit().max_bytes() == 2000);
  REQUIRE(request.credit().return_messages() == 7);
  REQUIRE(request.credit().return_bytes() == 700);
}

TEST_CASE("More than the broker takes in a list goes into the next request") {
  AckOutbox outbox;
  for (uint64_t i = 0; i < 25'000; ++i) {
    outbox.Ack({1 + 2 * i, 1 + 2 * i});
    outbox.Extend({1 + 2 * i, 1 + 2 * i}, absl::Seconds(1));
  }
  for (const int expected : {10'000, 10'000, 5'000}) {
    const v1::SubscribeRequest request = Take(outbox);
    REQUIRE(request.ack_size() == expected);
    REQUIRE(request.extend_size() == expected);
  }
  REQUIRE(outbox.empty());
}

TEST_CASE("The wish to stop comes after everything else, once") {
  AckOutbox outbox;
  for (uint64_t i = 0; i < 15'000; ++i) outbox.Ack({1 + 2 * i, 1 + 2 * i});
  outbox.Stop();
  REQUIRE_FALSE(Take(outbox).stop());
  REQUIRE(Take(outbox).stop());
  REQUIRE(outbox.empty());
}

TEST_CASE("When the stream ends, credit and extensions go with it, and acks only if they must") {
  AckOutbox outbox;
  const auto fill = [&] {
    outbox.Ack({1, 1});
    outbox.Nack({2, 2});
    outbox.Extend({3, 3}, absl::Seconds(1));
    outbox.SetCredit({10, 0});
    outbox.ReturnCredit(1, 1);
    outbox.Stop();
  };
  fill();
  outbox.OnStreamEnd(/*keep_acks=*/false);
  REQUIRE(outbox.empty());
  fill();
  outbox.OnStreamEnd(/*keep_acks=*/true);
  const v1::SubscribeRequest request = Take(outbox);
  REQUIRE(request.ack_size() == 1);
  REQUIRE(request.nack_size() == 1);
  REQUIRE(request.extend_size() == 0);
  REQUIRE_FALSE(request.has_credit());
  REQUIRE_FALSE(request.stop());
}

TEST_CASE("What belongs to the topics of a pattern goes out by topic") {
  AckOutbox outbox;
  outbox.Of(7).Ack({1, 2});
  REQUIRE_FALSE(outbox.empty());
  outbox.Of(7).Ack({3, 3});
  outbox.Of(9).Nack({5, 5});
  outbox.Of(9).Extend({6, 6}, absl::Seconds(2));
  outbox.Of(9).NackLater({7, 7}, absl::Seconds(3));
  outbox.Of(9).Terminate(8, "no such order");
  uint64_t acked = 0;
  const v1::SubscribeRequest request = Take(outbox, acked);
  CHECK(outbox.empty());
  CHECK(acked == 3);
  CHECK(request.ack_size() == 0);
  REQUIRE(request.topic_updates_size() == 2);
  CHECK(request.topic_updates(0).topic() == 7);
  REQUIRE(request.topic_updates(0).ack_size() == 1);
  CHECK(request.topic_updates(0).ack(0).last() == 3);
  CHECK(request.topic_updates(1).topic() == 9);
  CHECK(request.topic_updates(1).nack(0).first() == 5);
  CHECK(request.topic_updates(1).extend(0).deadline().seconds() == 2);
  CHECK(request.topic_updates(1).nack_later(0).delay().seconds() == 3);
  CHECK(request.topic_updates(1).terminate(0).range().last() == 8);
  CHECK(request.topic_updates(1).terminate(0).reason() == "no such order");
}

TEST_CASE("Replies go out in order, a few in a request where they are large") {
  AckOutbox outbox;
  const auto reply = [](const std::string& data) {
    v1::Reply out;
    out.mutable_message()->set_data(data);
    return out.SerializeAsString();
  };
  outbox.Reply(reply("a"));
  outbox.Reply(reply(std::string(700'000, 'b')));
  outbox.Reply(reply(std::string(700'000, 'c')));
  outbox.Stop();
  v1::SubscribeRequest request = Take(outbox);
  REQUIRE(request.replies_size() == 2);
  CHECK(request.replies(0).message().data() == "a");
  CHECK_FALSE(request.stop());
  request = Take(outbox);
  REQUIRE(request.replies_size() == 1);
  CHECK(request.replies(0).message().data().front() == 'c');
  CHECK(request.stop());
  outbox.Reply(reply("d"));
  outbox.Of(1).Ack({1, 1});
  outbox.OnStreamEnd(/*keep_acks=*/false, /*keep_replies=*/true);
  request = Take(outbox);
  CHECK(request.replies_size() == 1);
  CHECK(request.topic_updates_size() == 0);
  CHECK(outbox.empty());
}

TEST_CASE("Each topic that a request says something of is answered, and acks know their request") {
  AckOutbox outbox;
  std::vector<Asked> asked;
  uint64_t acked = 0;
  const auto confirmation = std::make_shared<Confirmation>(1, [](absl::Status) {});
  outbox.SetCredit({10, 0});
  outbox.Take(acked, &asked);
  CHECK(asked.empty());  // credit is not answered

  outbox.Ack({1, 2});
  outbox.Ack({3, 3}, confirmation);
  outbox.Of(7).Nack({1, 1});
  outbox.Of(9).Ack({4, 4}, confirmation);
  v1::SubscribeRequest request;
  REQUIRE(request.ParseFromString(outbox.Take(acked, &asked)));
  CHECK(acked == 4);
  REQUIRE(request.ack_size() == 2);
  CHECK(request.ack(1).first() == 3);
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].topic == 0);
  REQUIRE(asked[0].acks.size() == 1);
  CHECK(asked[0].acks[0].range.first == 3);
  CHECK(asked[1].topic == 7);
  CHECK(asked[1].acks.empty());
  CHECK(asked[2].topic == 9);
  CHECK(asked[2].acks.size() == 1);
  CHECK(outbox.empty());
}

TEST_CASE("Acks to be confirmed go out as many as a request takes, and back when the stream ends") {
  AckOutbox outbox;
  const auto confirmation = std::make_shared<Confirmation>(1, [](absl::Status) {});
  constexpr uint64_t kMany = AckOutbox::kMaxEntries + 10;
  for (uint64_t i = 1; i <= kMany; ++i) outbox.Ack({2 * i, 2 * i}, confirmation);
  outbox.Ack({1, 1});
  outbox.Of(3).Ack({5, 5}, confirmation);
  std::vector<Asked> asked;
  uint64_t acked = 0;
  v1::SubscribeRequest request;
  REQUIRE(request.ParseFromString(outbox.Take(acked, &asked)));
  CHECK(request.ack_size() == AckOutbox::kMaxEntries);
  CHECK(asked[0].acks.size() == AckOutbox::kMaxEntries - 1);
  outbox.Of(3).Ack({7, 7}, confirmation);
  CHECK(outbox.OnStreamEnd(/*keep_acks=*/true).size() == 11 + 1);
  CHECK(outbox.empty());
}

TEST_CASE("What is said of messages is forgotten when they are others, and nothing else is") {
  AckOutbox outbox;
  CHECK(outbox.DropSettlements() == 0);
  outbox.SetCredit({10, 0});
  outbox.Reply(v1::Reply().SerializeAsString());
  CHECK_FALSE(outbox.settles());
  outbox.Ack({1, 10});
  outbox.Nack({12, 12});
  outbox.NackLater({13, 14}, absl::Seconds(1));
  outbox.Terminate(15, "bad");
  outbox.Extend({16, 18}, absl::Seconds(1));
  CHECK(outbox.settles());
  outbox.Of(7).Ack({1, 2});
  outbox.Of(9).Terminate(4, "");
  CHECK(outbox.DropSettlements() == 10 + 1 + 2 + 1 + 3 + 2 + 1);
  CHECK_FALSE(outbox.settles());
  uint64_t acked = 0;
  const v1::SubscribeRequest request = Take(outbox, acked);
  CHECK(acked == 0);
  CHECK(request.credit().max_messages() == 10);
  CHECK(request.replies_size() == 1);
  CHECK(request.ack_size() + request.nack_size() + request.nack_later_size() +
            request.terminate_size() + request.extend_size() + request.topic_updates_size() ==
        0);
  CHECK(outbox.empty());
  outbox.Of(3).Nack({1, 1});
  CHECK(outbox.settles());
}

}  // namespace
}  // namespace estiba::internal
