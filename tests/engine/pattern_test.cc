// Topic patterns: which are valid, what they match.
#include "broker/engine/pattern.h"

#include <string>
#include <vector>

#include "broker/engine/limits.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

std::string ErrorOf(const std::string& pattern) {
  const absl::Status status = CheckPattern("pattern", pattern);
  INFO(pattern);
  REQUIRE(status.code() == absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST_CASE("Pattern: * is one token, > is one or more at the end") {
  struct Row {
    std::string pattern;
    std::vector<std::string> matches;
    std::vector<std::string> others;
  };
  const std::vector<Row> table = {
      {"a", {"a"}, {"b", "aa", "a.a", "A"}},
      {"a.b", {"a.b"}, {"a", "a.", "a.b.c", "a.bb", "a/b"}},
      {"*", {"a", "abc", "a/b", "0"}, {"a.b", "a."}},
      {">", {"a", "a.b", "a.b.c", "a..", "x/y.z"}, {}},
      {"orders.*", {"orders.eu", "orders.eu/west"}, {"orders", "orders.eu.west", "order.eu"}},
      {"orders.>", {"orders.eu", "orders.eu.west", "orders.eu.west.1"}, {"orders", "orders/eu"}},
      {"orders.*.created", {"orders.eu.created"}, {"orders.created", "orders.a.b.created"}},
      {"*.created", {"orders.created"}, {"created", "orders.eu.created", "orders.createdx"}},
      {"*.*", {"a.b", "a."}, {"a", "a.b.c"}},
      {"*.>", {"a.b", "a.b.c"}, {"a"}},
      {"a.*.>", {"a.b.c", "a.b.c.d"}, {"a.b", "a"}},
      {"*.b.*", {"a.b.c"}, {"a.b", "a.c.b", "a.b.c.d"}},
      // Empty tokens are tokens.
      {"a..b", {"a..b"}, {"a.b", "a.x.b"}},
      {"a.*.b", {"a..b"}, {"a.b"}},
      {"a.", {"a."}, {"a", "a.."}},
      {"a.>", {"a.", "a.."}, {"a"}},
  };
  for (const Row& row : table) {
    INFO(row.pattern);
    CHECK(CheckPattern("pattern", row.pattern).ok());
    for (const std::string& topic : row.matches) {
      INFO(topic);
      REQUIRE(CheckName("topic", topic).ok());
      CHECK(MatchesPattern(row.pattern, topic));
      CHECK(MatchesPattern(topic, topic));
    }
    for (const std::string& topic : row.others) {
      INFO(topic);
      REQUIRE(CheckName("topic", topic).ok());
      CHECK(!MatchesPattern(row.pattern, topic));
    }
  }
}

TEST_CASE("Pattern: knows a wildcard from a name") {
  CHECK(HasWildcard("a.*"));
  CHECK(HasWildcard(">"));
  CHECK(!HasWildcard("a.b"));
  CHECK(!HasWildcard(""));
}

TEST_CASE("CheckPattern: takes every topic name, and wildcards for tokens") {
  const std::string longest = "*." + std::string(kMaxNameBytes - 2, 'x');
  for (const std::string& pattern :
       {std::string("a"), std::string("a-_.~+%/9"), std::string("a..b"), std::string("*"),
        std::string(">"), std::string("*.*.>"), std::string("*.-a"), std::string("0.>"),
        std::string(kMaxNameBytes, 'x'), longest}) {
    CHECK(CheckPattern("pattern", pattern) == absl::OkStatus());
  }
}

TEST_CASE("CheckPattern: says which rule a pattern breaks") {
  CHECK(ErrorOf("") == "pattern: \"\": a name is required");
  CHECK(ErrorOf("a b") == "pattern: \"a b\": a name has only letters, digits and - _ . ~ + % /");
  CHECK(ErrorOf("a*") == "pattern: \"a*\": \"*\" and \">\" stand alone between dots");
  CHECK_THAT(ErrorOf("*a"), testing::HasText("stand alone"));
  CHECK_THAT(ErrorOf("a.b*.c"), testing::HasText("stand alone"));
  CHECK_THAT(ErrorOf("a.**"), testing::HasText("stand alone"));
  CHECK_THAT(ErrorOf(">>"), testing::HasText("stand alone"));
  CHECK_THAT(ErrorOf("a.>b"), testing::HasText("stand alone"));
  CHECK_THAT(ErrorOf("a/>"), testing::HasText("stand alone"));
  CHECK(ErrorOf("a.>.b") == "pattern: \"a.>.b\": \">\" is the last token of a pattern");
  CHECK_THAT(ErrorOf(">."), testing::HasText("last token"));
  CHECK_THAT(ErrorOf(">.>"), testing::HasText("last token"));
  CHECK(ErrorOf("*.a b") ==
        "pattern: \"*.a b\": a pattern has only letters, digits and - _ . ~ + % /, and wildcards");
  CHECK_THAT(ErrorOf("*.\xc3\xa9"), testing::HasText("\\303\\251"));
  CHECK(ErrorOf(".*") == "pattern: \".*\": a pattern starts with a letter, a digit or a wildcard");
  CHECK_THAT(ErrorOf("-a.*"), testing::HasText("starts with"));
  CHECK_THAT(ErrorOf("*." + std::string(kMaxNameBytes - 1, 'x')),
             testing::HasText("a pattern has at most 255 characters"));
}

}  // namespace
}  // namespace estiba
