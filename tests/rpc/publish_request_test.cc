#include "broker/rpc/publish_request.h"

#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "broker/engine/limits.h"
#include "broker/queue/record.h"
#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

// A varint in more bytes than it needs.
std::string LongVarint(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i, value >>= 7) {
    out.push_back(static_cast<char>((value & 0x7f) | (i + 1 < bytes ? 0x80 : 0)));
  }
  return out;
}

std::string Varint(uint64_t value) {
  size_t bytes = 1;
  for (uint64_t v = value; v >>= 7;) ++bytes;
  return LongVarint(value, bytes);
}

std::string Field(uint32_t number, const std::string& bytes) {
  return Varint(number << 3 | 2) + Varint(bytes.size()) + bytes;
}

std::string DataMessage(const std::string& data) {
  v1::Message message;
  message.set_data(data);
  return message.SerializeAsString();
}

// What the records hold, read as the client at the other end would.
std::vector<std::string> DataIn(const PublishRequestView& request) {
  v1::SubscribeResponse response;
  REQUIRE(
      response.ParseFromArray(request.records.data(), static_cast<int>(request.records.size())));
  std::vector<std::string> data;
  for (const v1::Message& message : response.messages()) data.push_back(message.data());
  return data;
}

// That the log can walk the records, and their lengths are the shortest.
void CheckRecords(const PublishRequestView& request) {
  const char* p = request.records.data();
  for (uint32_t i = 0; i < request.count; ++i) {
    REQUIRE(*p == kRecordTag);
    const char* length = p + 1;
    while (*length & 0x80) ++length;
    REQUIRE((length == p + 1 || *length != 0));  // the shortest
    p = SkipRecord(p);
  }
  REQUIRE(p == request.records.data() + request.records.size());
}

using Data = std::vector<std::string>;

TEST_CASE("A request's messages are taken as they lie, without a copy") {
  v1::PublishRequest request;
  request.set_topic("orders");
  request.set_batch(77);
  request.set_producer("me");
  for (const char* data : {"a", "", "ccc"}) request.add_messages()->set_data(data);
  const std::string bytes = request.SerializeAsString();

  PublishRequestView view;
  REQUIRE(ParsePublishRequest(bytes, &view));
  CHECK(view.refusal.ok());
  CHECK(view.topic == "orders");
  CHECK(view.batch == 77);
  CHECK(view.producer == "me");
  CHECK(view.count == 3);
  CHECK(view.gathered.empty());
  CHECK(view.records.data() >= bytes.data());
  CHECK(view.records.data() + view.records.size() <= bytes.data() + bytes.size());
  CHECK(DataIn(view) == Data{"a", "", "ccc"});
  CheckRecords(view);
}

TEST_CASE("A request that only asks for answers is no batch") {
  v1::PublishRequest request;
  request.set_answer_now(true);
  const auto is_batch = [&] {
    const std::string bytes = request.SerializeAsString();
    PublishRequestView view;
    REQUIRE(ParsePublishRequest(bytes, &view));
    CHECK(view.answer_now);
    return view.is_batch();
  };
  CHECK_FALSE(is_batch());
  SECTION("but with a number it is, one without messages") {
    request.set_batch(1);
    CHECK(is_batch());
  }
  SECTION("and with a topic") {
    request.set_topic("t");
    CHECK(is_batch());
  }
  SECTION("and with messages") {
    request.add_messages();
    CHECK(is_batch());
  }
}

TEST_CASE("Fields may come in any order, also between the messages; the last value counts") {
  std::vector<std::string> fields = {Field(1, "t"), Field(4, "p"), Varint(3 << 3) + Varint(300),
                                     Varint(15 << 3) + Varint(1), Field(99, "unknown")};
  std::mt19937_64 random(Seed());
  for (int round = 0; round < 200; ++round) {
    std::shuffle(fields.begin(), fields.end(), random);
    std::string bytes;
    Data expected;
    for (const std::string& field : fields) {
      for (uint64_t n = random() % 3; n > 0; --n) {
        expected.push_back(std::string(random() % 200, static_cast<char>('a' + round % 26)));
        bytes += Field(2, DataMessage(expected.back()));
      }
      bytes += field;
    }
    if (expected.empty()) continue;
    PublishRequestView view;
    REQUIRE(ParsePublishRequest(bytes, &view));
    REQUIRE(view.refusal.ok());
    REQUIRE(view.topic == "t");
    REQUIRE(view.producer == "p");
    REQUIRE(view.batch == 300);
    REQUIRE(view.count == expected.size());
    REQUIRE(DataIn(view) == expected);
    CheckRecords(view);
  }
  PublishRequestView view;
  REQUIRE(ParsePublishRequest(Field(1, "one") + Field(2, "") + Field(1, "two"), &view));
  CHECK(view.topic == "two");
}

TEST_CASE("Varints longer than they need be are legal, and become the shortest in the records") {
  std::string bytes = Field(2, DataMessage("first"));
  const std::string second = DataMessage(std::string(300, 's'));
  bytes += LongVarint(2 << 3 | 2, 3) + Varint(second.size()) + second;
  const std::string third = DataMessage("third");
  bytes += Varint(2 << 3 | 2) + LongVarint(third.size(), 10) + third;
  bytes += Field(2, DataMessage("fourth"));
  bytes += LongVarint(1 << 3 | 2, 2) + LongVarint(1, 4) + "t";

  PublishRequestView view;
  REQUIRE(ParsePublishRequest(bytes, &view));
  CHECK(view.refusal.ok());
  CHECK(view.topic == "t");
  CHECK(DataIn(view) == Data{"first", std::string(300, 's'), "third", "fourth"});
  CheckRecords(view);
}

TEST_CASE("An over-long varint in the first message is no special case") {
  const std::string message = DataMessage("x");
  const std::string bytes =
      Varint(2 << 3 | 2) + LongVarint(message.size(), 2) + message + Field(2, DataMessage("y"));
  PublishRequestView view;
  REQUIRE(ParsePublishRequest(bytes, &view));
  CHECK(DataIn(view) == Data{"x", "y"});
  CheckRecords(view);
}

TEST_CASE("A batch of no messages is refused, and one of too many") {
  PublishRequestView none;
  REQUIRE(ParsePublishRequest(Field(1, "t"), &none));
  CHECK(none.refusal.message() == "messages: a batch has at least one");
  PublishRequestView empty;
  REQUIRE(ParsePublishRequest("", &empty));
  CHECK_FALSE(empty.refusal.ok());

  std::string bytes;
  for (uint32_t i = 0; i < kMaxBatchMessages; ++i) bytes += Field(2, "");
  PublishRequestView most;
  REQUIRE(ParsePublishRequest(bytes, &most));
  CHECK(most.refusal.ok());
  CHECK(most.count == kMaxBatchMessages);
  PublishRequestView too_many;
  REQUIRE(ParsePublishRequest(bytes + Field(2, ""), &too_many));
  CHECK(too_many.refusal.message() == "messages: 100001: at most 100000");
}

TEST_CASE("The first message that cannot be taken refuses the batch by its index") {
  v1::Message bad;
  bad.set_ordering_key(std::string(1025, 'k'));
  v1::Message worse;
  (*worse.mutable_attributes())[""] = "v";
  const std::string bytes = Field(2, DataMessage("fine")) + Field(2, bad.SerializeAsString()) +
                            Field(2, worse.SerializeAsString()) + Varint(3 << 3) + Varint(9);
  PublishRequestView view;
  REQUIRE(ParsePublishRequest(bytes, &view));
  CHECK(view.refusal.message() == "messages[1].ordering_key: 1025 bytes: at most 1024");
  // The answer needs the number, wherever it stands.
  CHECK(view.batch == 9);
}

TEST_CASE("A known field of another type is passed over, as protobuf does") {
  PublishRequestView view;
  REQUIRE(ParsePublishRequest(Varint(1 << 3) + Varint(5) + Field(3, "no number") + Field(2, ""),
                              &view));
  CHECK(view.topic.empty());
  CHECK(view.batch == 0);
  CHECK(view.count == 1);
}

TEST_CASE("What is cut off or malformed is not a request") {
  const std::string whole = Field(1, "topic") + Field(2, DataMessage(std::string(200, 'd'))) +
                            Varint(3 << 3) + Varint(1000);
  // Cut anywhere but between two fields.
  const size_t first = Field(1, "topic").size();
  const size_t second = first + Field(2, DataMessage(std::string(200, 'd'))).size();
  for (size_t n = 1; n < whole.size(); ++n) {
    PublishRequestView view;
    CHECK(ParsePublishRequest(whole.substr(0, n), &view) == (n == first || n == second));
  }
  for (const std::string& bytes : {
           std::string("\x00\x00", 2),                 // field 0
           Varint(9 << 3 | 3) + Varint(9 << 3 | 4),    // a group
           Varint(9 << 3 | 6),                         // no such type
           LongVarint(1 << 3 | 2, 10) + "",            // nothing after the tag
           std::string(11, '\xff'),                    // a varint without end
           Varint(2 << 3 | 2) + Varint(~uint64_t{0}),  // a length beyond everything
           Varint(uint64_t{1} << 40 | 2),              // a tag of more than 32 bits
       }) {
    PublishRequestView view;
    CHECK_FALSE(ParsePublishRequest(bytes, &view));
  }
}

TEST_CASE("Runs of messages of one size are all taken, and nothing beyond them") {
  std::mt19937_64 random(Seed());
  for (int round = 0; round < 300; ++round) {
    v1::PublishRequest request;
    Data data;
    for (size_t runs = 1 + random() % 4; runs > 0; --runs) {
      const size_t size = random() % (random() % 2 == 0 ? 8 : 300);
      for (size_t n = 1 + random() % 5; n > 0; --n) {
        data.emplace_back(size, static_cast<char>('a' + random() % 26));
        request.add_messages()->set_data(data.back());
      }
      if (random() % 3 != 0) continue;
      // As long as the others, and not like them.
      data.emplace_back(size / 2, 'k');
      v1::Message* const odd = request.add_messages();
      odd->set_data(data.back());
      odd->set_ordering_key(std::string(size - size / 2, 'k'));
    }
    const std::string bytes = request.SerializeAsString();
    PublishRequestView view;
    REQUIRE(ParsePublishRequest(bytes, &view));
    REQUIRE(view.count == data.size());
    REQUIRE(DataIn(view) == data);
    CheckRecords(view);
    for (size_t cut = 1; cut < bytes.size(); cut += 1 + random() % 20) {
      // In a block of its own, so that a sanitizer sees a read beyond it.
      const std::vector<char> exact(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut));
      PublishRequestView part;
      if (!ParsePublishRequest({exact.data(), exact.size()}, &part)) continue;
      REQUIRE(part.records.size() == cut);
      CheckRecords(part);
    }
  }
}

TEST_CASE("Any bytes at all are either refused or give records that can be walked") {
  v1::PublishRequest request;
  request.set_topic("topic");
  request.set_batch(1'000'000);
  request.set_producer("producer");
  for (int i = 0; i < 5; ++i) {
    v1::Message* message = request.add_messages();
    message->set_data(std::string(static_cast<size_t>(i) * 50, 'd'));
    message->set_ordering_key("key");
    (*message->mutable_attributes())["name"] = "value";
  }
  const std::string good = request.SerializeAsString();
  std::mt19937_64 random(Seed());
  int taken = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = good;
    for (uint64_t n = 1 + random() % 4; n > 0; --n) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 3);
          break;
        case 2:
          bytes.insert(at, 1 + random() % 3, static_cast<char>(random()));
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      }
      if (bytes.empty()) bytes = "x";
    }
    // In a block of its own, so that a sanitizer sees a read beyond it.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    PublishRequestView view;
    if (!ParsePublishRequest({exact.data(), exact.size()}, &view) || !view.refusal.ok()) continue;
    ++taken;
    CheckRecords(view);
    v1::SubscribeResponse as_delivered;
    REQUIRE(
        as_delivered.ParseFromArray(view.records.data(), static_cast<int>(view.records.size())));
    REQUIRE(static_cast<uint32_t>(as_delivered.messages_size()) == view.count);
    for (const v1::Message& message : as_delivered.messages()) {
      REQUIRE(message.GetReflection()->GetUnknownFields(message).empty());
    }
  }
  CHECK(taken > 100);
}

TEST_CASE("Publish request: its topic is seen ahead where it begins with it") {
  v1::PublishRequest request;
  request.set_topic("orders");
  request.add_messages()->set_data("m");
  const std::string bytes = request.SerializeAsString();
  CHECK(PeekTopic(bytes) == "orders");
  CHECK(PeekTopic(bytes.substr(0, 8)) == "orders");  // the rest is not looked at
  CHECK(PeekTopic(bytes.substr(0, 5)).empty());
  CHECK(PeekTopic("").empty());
  request.clear_topic();
  CHECK(PeekTopic(request.SerializeAsString()).empty());
  CHECK(PeekTopic(std::string("\x08\x05", 2)).empty());  // field 1, and no string
}

}  // namespace
}  // namespace estiba::testing
