// The pattern index against a list of patterns.
#include "broker/engine/pattern_index.h"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using Index = PatternIndex<int>;

std::vector<int> Matches(const Index& index, const std::string& topic) {
  std::vector<int> values;
  index.Match(topic, [&](const int& value) { values.push_back(value); });
  std::sort(values.begin(), values.end());
  return values;
}

TEST_CASE("PatternIndex: finds the patterns that match") {
  Index index;
  CHECK(Matches(index, "a").empty());
  CHECK(index.Insert("a.b", 1));
  CHECK(index.Insert("a.*", 2));
  CHECK(index.Insert("a.>", 3));
  CHECK(index.Insert(">", 4));
  CHECK(index.Insert("*.b", 5));
  CHECK(index.Insert("*", 6));
  CHECK(index.Insert("a.*.c", 7));
  CHECK(Matches(index, "a") == std::vector<int>{4, 6});
  CHECK(Matches(index, "a.b") == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(Matches(index, "a.c") == std::vector<int>{2, 3, 4});
  CHECK(Matches(index, "a.b.c") == std::vector<int>{3, 4, 7});
  CHECK(Matches(index, "b.b") == std::vector<int>{4, 5});
  CHECK(Matches(index, "a.") == std::vector<int>{2, 3, 4});
  CHECK(index.size() == 7);
}

TEST_CASE("PatternIndex: a pattern has each value once, a value any number of patterns") {
  Index index;
  CHECK(index.Insert("a.*", 1));
  CHECK(index.Insert("a.*", 2));
  CHECK(!index.Insert("a.*", 1));
  CHECK(index.Insert("*.a", 1));
  CHECK(index.Insert("*.>", 1));
  CHECK(!index.Insert("*.>", 1));
  CHECK(Matches(index, "a.a") == std::vector<int>{1, 1, 1, 2});
  CHECK(index.Remove("a.*", 1));
  CHECK(!index.Remove("a.*", 1));
  CHECK(Matches(index, "a.a") == std::vector<int>{1, 1, 2});
  CHECK(index.size() == 3);
}

TEST_CASE("PatternIndex: what is not there cannot be removed") {
  Index index;
  CHECK(!index.Remove("a.b", 1));
  CHECK(index.Insert("a.b", 1));
  CHECK(!index.Remove("a", 1));
  CHECK(!index.Remove("a.b.c", 1));
  CHECK(!index.Remove("a.*", 1));
  CHECK(!index.Remove("a.>", 1));
  CHECK(!index.Remove("a.b", 2));
  CHECK(Matches(index, "a.b") == std::vector<int>{1});
}

TEST_CASE("PatternIndex: removed patterns leave nothing behind") {
  Index index;
  for (int i = 0; i < 1'000; ++i) {
    CHECK(index.Insert(absl::StrCat("a.b", i, ".*.c"), i));
    CHECK(index.Insert(absl::StrCat("a.b", i, ".>"), i));
  }
  CHECK(index.Insert("a.>", -1));
  CHECK(index.nodes() == 3'001);
  for (int i = 0; i < 1'000; ++i) CHECK(index.Remove(absl::StrCat("a.b", i, ".*.c"), i));
  CHECK(index.nodes() == 1'001);
  CHECK(Matches(index, "a.b7.x.c") == std::vector<int>{-1, 7});
  for (int i = 0; i < 1'000; ++i) CHECK(index.Remove(absl::StrCat("a.b", i, ".>"), i));
  CHECK(index.nodes() == 1);
  CHECK(index.Remove("a.>", -1));
  CHECK(index.nodes() == 0);
  CHECK(index.empty());
}

TEST_CASE("PatternIndex: takes the longest patterns there can be") {
  std::string deepest = "*";
  while (deepest.size() + 2 <= kMaxNameBytes) deepest += ".*";
  std::string topic = "a";
  while (topic.size() + 2 <= kMaxNameBytes) topic += ".a";
  REQUIRE(CheckPattern("pattern", deepest).ok());
  Index index;
  CHECK(index.Insert(deepest, 1));
  CHECK(Matches(index, topic) == std::vector<int>{1});
  CHECK(Matches(index, "a.a").empty());
  CHECK(index.Remove(deepest, 1));
  CHECK(index.nodes() == 0);
}

TEST_CASE("PatternIndex: finds what looking at every pattern finds") {
  std::mt19937_64 random(testing::Seed());
  const auto below = [&](uint64_t n) { return random() % n; };
  const std::vector<std::string> tokens = {"a", "b", "c", "a/b", "", "long-token_9"};
  const auto make_name = [&](bool wildcards) {
    std::string name;
    const uint64_t count = 1 + below(5);
    for (uint64_t i = 0; i < count; ++i) {
      if (i > 0) name += ".";
      const bool last = i + 1 == count;
      if (wildcards && below(3) == 0) {
        name += last && below(2) ? ">" : "*";
      } else {
        name += tokens[below(i == 0 ? 4 : tokens.size())];
      }
    }
    REQUIRE((wildcards ? CheckPattern("", name) : CheckName("", name)).ok());
    return name;
  };
  size_t matched = 0;
  for (int program = 0; program < 30; ++program) {
    Index index;
    std::vector<std::pair<std::string, int>> plain;
    const uint64_t keep = 1 + below(400);
    for (int step = 0; step < 1'000; ++step) {
      if (plain.size() > keep || (below(3) == 0 && !plain.empty())) {
        const auto it = plain.begin() + static_cast<std::ptrdiff_t>(below(plain.size()));
        REQUIRE(index.Remove(it->first, it->second));
        plain.erase(it);
      } else {
        const std::pair<std::string, int> entry(make_name(true), static_cast<int>(below(5)));
        const bool is_new = std::find(plain.begin(), plain.end(), entry) == plain.end();
        REQUIRE(index.Insert(entry.first, entry.second) == is_new);
        if (is_new) plain.push_back(entry);
      }
      REQUIRE(index.size() == plain.size());
      const std::string topic = make_name(false);
      std::vector<int> expected;
      for (const auto& [pattern, value] : plain) {
        if (MatchesPattern(pattern, topic)) expected.push_back(value);
      }
      std::sort(expected.begin(), expected.end());
      matched += expected.size();
      INFO(topic);
      REQUIRE(Matches(index, topic) == expected);
    }
    for (const auto& [pattern, value] : plain) REQUIRE(index.Remove(pattern, value));
    REQUIRE(index.nodes() == 0);
  }
  CHECK(matched > 10'000);
}

}  // namespace
}  // namespace estiba
