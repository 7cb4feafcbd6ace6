#include "client/cli/message_json.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

TEST_CASE("a JSON line gives a message, and everything in it is optional") {
  const absl::StatusOr<Message> message = ParseMessageJson(
      R"({"data": "h\u00e9", "attributes": {"a": "1", "b": ""}, "ordering_key": "k"})");
  REQUIRE(message.ok());
  CHECK(message->data == "h\xc3\xa9");
  CHECK(message->attributes == std::vector<Attribute>{{"a", "1"}, {"b", ""}});
  CHECK(message->ordering_key == "k");

  const absl::StatusOr<Message> empty = ParseMessageJson("{}");
  REQUIRE(empty.ok());
  CHECK(empty->data.empty());
  CHECK(empty->attributes.empty());
}

TEST_CASE("bytes come in base64") {
  const absl::StatusOr<Message> message = ParseMessageJson(R"({"data_base64": "AP8K"})");
  REQUIRE(message.ok());
  CHECK(message->data == std::string("\0\xff\n", 3));
}

TEST_CASE("what a consumer wrote can be published again, but for gaps") {
  CHECK(ParseMessageJson(R"({"topic":"t","sequence":7,"publish_time":"2026-01-01T00:00:00.000Z",
                             "attempt":1,"data":"x"})")
            ->data == "x");
  CHECK(absl::IsNotFound(
      ParseMessageJson(R"({"topic":"t","gap":{"first":1,"last":2,"reason":"retention"}})")
          .status()));
}

TEST_CASE("a line that is wrong says what is wrong") {
  const auto error = [](std::string_view line) {
    return std::string(ParseMessageJson(line).status().message());
  };
  CHECK_THAT(error(""), testing::HasText("not JSON"));
  CHECK_THAT(error("{\"data\": \"x\"} {}"), testing::HasText("not JSON"));
  CHECK_THAT(error("[1]"), testing::HasText("not a JSON object"));
  CHECK_THAT(error(R"({"dat": "x"})"), testing::HasText("\"dat\" is not known"));
  CHECK_THAT(error(R"({"data": 5})"), testing::HasText("must be a string"));
  CHECK_THAT(error(R"({"data_base64": "?"})"), testing::HasText("base64"));
  CHECK_THAT(error(R"({"data": "", "data_base64": ""})"), testing::HasText("exclude"));
  CHECK_THAT(error(R"({"attributes": {"a": 1}})"), testing::HasText("object of strings"));
  CHECK_THAT(error(R"({"attributes": "a"})"), testing::HasText("object of strings"));
  CHECK_THAT(error(R"({"ordering_key": null})"), testing::HasText("must be a string"));
}

TEST_CASE("UTF-8 is told from other bytes") {
  for (const char* good : {"", "abc", "h\xc3\xa9", "\xf0\x9f\x9a\xa2", "\x01"}) CHECK(IsUtf8(good));
  CHECK(IsUtf8(std::string_view("\0", 1)));
  // Stray continuation, cut short, overlong, surrogate, beyond the last code point.
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
    CHECK_FALSE(IsUtf8(bad));
  }
}

TEST_CASE("a gap is a line of JSON") {
  std::string out;
  AppendGapJson(out, "a\"b", {{5, 9}, Gap::Reason::kRetention});
  REQUIRE(out.back() == '\n');
  const auto json = nlohmann::json::parse(out);
  CHECK(json["topic"] == "a\"b");
  CHECK(json["gap"]["first"] == 5);
  CHECK(json["gap"]["last"] == 9);
  CHECK(json["gap"]["reason"] == GapReasonName(Gap::Reason::kRetention));
}

}  // namespace
}  // namespace estiba::cli
