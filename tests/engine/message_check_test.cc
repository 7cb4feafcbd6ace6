// What is refused of a message, and that protobuf agrees about the rest.
#include "broker/engine/message_check.h"

#include <google/protobuf/unknown_field_set.h>

#include <random>
#include <string>

#include "broker/base/wire_writer.h"
#include "broker/engine/limits.h"
#include "estiba/v1/message.pb.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

std::string Attribute(const std::string& key, const std::string& value) {
  std::string entry;
  WireWriter(entry).Bytes(1, key);
  WireWriter(entry).Bytes(2, value);
  return entry;
}
std::string With(uint32_t field, const std::string& bytes) {
  std::string message;
  WireWriter(message).Bytes(field, bytes);
  return message;
}
std::string WithAttribute(const std::string& key, const std::string& value) {
  return With(2, Attribute(key, value));
}
std::string WithNumber(uint32_t field, int64_t value) {
  std::string message;
  WireWriter(message).Varint(field, static_cast<uint64_t>(value));
  return message;
}
std::string ErrorOf(const std::string& encoded) {
  MessageTimes times;
  const absl::Status status = CheckMessage(3, encoded, &times);
  if (status.ok()) return "";
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK_THAT(std::string(status.message()), testing::HasText("messages[3]"));
  return std::string(status.message());
}

TEST_CASE("CheckMessage: takes what message.proto allows, up to its limits") {
  CHECK(ErrorOf("").empty());
  CHECK(ErrorOf(With(1, "")).empty());
  CHECK(ErrorOf(With(1, std::string("\0\xff\x80", 3))).empty());
  CHECK(ErrorOf(With(1, std::string(kMaxMessageBytes - 5, 'x'))).empty());
  CHECK(ErrorOf(WithAttribute(std::string(256, 'k'), std::string(1'024, 'v'))).empty());
  CHECK(ErrorOf(WithAttribute("k", "")).empty());
  CHECK(ErrorOf(With(2, With(1, "only a key"))).empty());
  CHECK(ErrorOf(With(5, std::string(1'024, 'o'))).empty());
  CHECK(ErrorOf(With(5, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2")).empty());
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += WithAttribute(std::to_string(i), "v");
  CHECK(ErrorOf(hundred).empty());
  CHECK_THAT(ErrorOf(hundred + WithAttribute("k", "v")),
             testing::HasText("attributes: at most 100"));
}

TEST_CASE("CheckMessage: says what a message says of its times, and what is wrong with them") {
  MessageTimes times;
  REQUIRE(CheckMessage(0, WithNumber(12, 1'500) + WithNumber(14, 60'000), &times).ok());
  CHECK(times.scheduled());
  CHECK(times.deliver_after_ms == 1'500);
  CHECK(times.time_to_live_ms == 60'000);
  REQUIRE(CheckMessage(0, WithNumber(13, kMaxUnixMs), &times).ok());
  CHECK(times.deliver_at_ms == kMaxUnixMs);
  CHECK(times.deliver_after_ms == 0);
  const MessageTimes read = ReadTimes(With(1, "x") + WithNumber(14, 7) + WithNumber(13, 9));
  CHECK(read.time_to_live_ms == 7);
  CHECK(read.deliver_at_ms == 9);
  REQUIRE(CheckMessage(0, WithNumber(12, 0) + WithNumber(13, 0) + WithNumber(14, 0), &times).ok());
  CHECK_FALSE(times.scheduled());

  CHECK(ErrorOf(WithNumber(12, kMaxMessageTimeMs)).empty());
  CHECK_THAT(ErrorOf(WithNumber(12, kMaxMessageTimeMs + 1)),
             testing::HasText("deliver_after_ms: 31622400001: 0 - 31622400000 (366 days)"));
  CHECK_THAT(ErrorOf(WithNumber(14, -1)), testing::HasText("time_to_live_ms: -1: 0 - 3162240000"));
  CHECK_THAT(ErrorOf(WithNumber(13, kMaxUnixMs + 1)), testing::HasText("deliver_at_ms: 2534"));
  CHECK_THAT(ErrorOf(WithNumber(12, 1) + WithNumber(13, 1)),
             testing::HasText("deliver_at_ms: not together with deliver_after_ms"));
  CHECK_THAT(ErrorOf(With(14, "no number")), testing::HasText("not a well-formed message"));
  CHECK_THAT(ErrorOf(WithNumber(12, 1).substr(0, 1)), testing::HasText("not a well-formed"));
}

TEST_CASE("CheckMessage: refuses what is outside a limit, naming field, value and rule") {
  CHECK_THAT(ErrorOf(With(1, std::string(kMaxMessageBytes - 4, 'x'))),
             testing::HasText("10485761 bytes: at most 10485760"));
  CHECK_THAT(ErrorOf(WithAttribute("", "v")), testing::HasText("attributes: a key is not empty"));
  CHECK_THAT(ErrorOf(With(2, "")), testing::HasText("attributes: a key is not empty"));
  CHECK_THAT(ErrorOf(WithAttribute(std::string(257, 'k'), "v")),
             testing::HasText("a key of 257 bytes: at most 256"));
  CHECK_THAT(ErrorOf(WithAttribute("k", std::string(1'025, 'v'))),
             testing::HasText("a value of 1025 bytes: at most 1024"));
  CHECK_THAT(ErrorOf(With(5, std::string(1'025, 'o'))),
             testing::HasText("ordering_key: 1025 bytes: at most 1024"));
}

TEST_CASE("CheckMessage: refuses text that is not UTF-8") {
  const std::string bad =
      GENERATE(std::string("\xff"), std::string("\xc3"), std::string("\xc0\x80"),
               std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"),
               std::string("12345678\x80"), std::string("1234567\xe2\x82"));
  CHECK_THAT(ErrorOf(WithAttribute(bad, "v")), testing::HasText("UTF-8"));
  CHECK_THAT(ErrorOf(WithAttribute("k", bad)), testing::HasText("UTF-8"));
  CHECK_THAT(ErrorOf(With(5, bad)), testing::HasText("ordering_key: is UTF-8"));
  CHECK(ErrorOf(With(1, bad)).empty());
}

TEST_CASE("CheckMessage: refuses fields that it does not know or that are the broker's") {
  CHECK_THAT(ErrorOf(With(3, "id")), testing::HasText("field 3: is set by the broker"));
  CHECK_THAT(ErrorOf(With(4, "")), testing::HasText("field 4: is set by the broker"));
  CHECK_THAT(ErrorOf(With(6, "?")), testing::HasText("field 6: is not known"));
  CHECK_THAT(ErrorOf(With(5'000, "?")), testing::HasText("field 5000: is not known"));
  CHECK(!ErrorOf(With(2, Attribute("k", "v") + With(3, "?"))).empty());
}

TEST_CASE("CheckMessage: refuses what is malformed") {
  std::string number;
  WireWriter(number).Varint(1, 5);
  for (const std::string& encoded :
       {std::string("\x0a"), std::string("\x0a\x05hell"), std::string("\x0b"), std::string("\x02"),
        std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), number,
        std::string("\x12\x03\x0a\x05k"), std::string("\x0d\x01\x02\x03\x04")}) {
    CHECK_THAT(ErrorOf(encoded), testing::HasText("well-formed"));
  }
}

// What protobuf says: it parses, and there is nothing that it does not know.
bool ProtobufTakes(const std::string& encoded) {
  v1::Message message;
  if (!message.ParseFromString(encoded)) return false;
  if (!message.GetReflection()->GetUnknownFields(message).empty()) return false;
  if (message.attributes_size() > static_cast<int>(kMaxAttributes)) return false;
  if (message.ordering_key().size() > kMaxOrderingKeyBytes) return false;
  for (const auto& [key, value] : message.attributes()) {
    if (key.empty() || key.size() > kMaxAttributeKeyBytes) return false;
    if (value.size() > kMaxAttributeValueBytes) return false;
  }
  return true;
}

TEST_CASE("CheckMessage: whatever it takes, protobuf parses; random bytes do no harm") {
  std::mt19937_64 random(testing::Seed());
  const auto below = [&](uint64_t n) { return random() % n; };
  const auto text = [&](uint64_t most) {
    std::string s;
    for (uint64_t n = below(most + 1); n > 0; --n) {
      s += static_cast<char>(below(20) == 0 ? below(256) : 'a' + below(26));
    }
    return s;
  };
  int taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string encoded;
    if (below(4) == 0) {
      encoded = text(20);
      for (char& c : encoded) c = static_cast<char>(below(256));
    } else {
      for (uint64_t fields = below(4); fields > 0; --fields) {
        switch (below(6)) {
          case 0:
          case 1:
            encoded += With(1, text(50));
            break;
          case 2:
            encoded += WithAttribute("k" + text(5), text(8));
            break;
          case 3:
            encoded += With(5, text(8));
            break;
          case 4:
            encoded +=
                WithNumber(static_cast<uint32_t>(12 + below(3)), static_cast<int64_t>(below(99)));
            break;
          default:
            encoded += With(static_cast<uint32_t>(1 + below(7)), text(8));
        }
      }
      for (uint64_t n = below(3); n > 0 && !encoded.empty(); --n) {
        const uint64_t at = below(encoded.size());
        switch (below(3)) {
          case 0:
            encoded[at] = static_cast<char>(below(256));
            break;
          case 1:
            encoded.erase(at);
            break;
          default:
            encoded.insert(at, 1, static_cast<char>(below(256)));
        }
      }
    }
    MessageTimes times;
    if (CheckMessage(0, encoded, &times).ok()) {
      ++taken;
      INFO("message " << i);
      REQUIRE(ProtobufTakes(encoded));
    }
  }
  CHECK(taken > 10'000);
}

}  // namespace
}  // namespace estiba
