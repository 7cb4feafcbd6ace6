// The filter language: what it says, what it refuses and where, and that it can be trusted with
// anything.
#include "broker/engine/filter.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_writer.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

using Attributes = std::map<std::string, std::string>;

std::string Entry(const std::string& key, const std::string& value) {
  std::string entry;
  WireWriter(entry).Bytes(1, key);
  WireWriter(entry).Bytes(2, value);
  return entry;
}
std::string Encode(const Attributes& attributes) {
  std::string message;
  WireWriter(message).Bytes(1, "some data, not looked at");
  for (const auto& [key, value] : attributes) WireWriter(message).Bytes(2, Entry(key, value));
  WireWriter(message).Bytes(5, "ordering key");
  return message;
}
std::string Encode(const std::vector<std::string>& entries) {
  std::string message;
  for (const std::string& entry : entries) WireWriter(message).Bytes(2, entry);
  return message;
}

bool Matches(const std::string& source, const std::string& message) {
  const auto filter = Filter::Compile(source);
  INFO(source);
  REQUIRE(filter.status() == absl::OkStatus());
  CHECK((*filter)->source() == source);
  return (*filter)->Matches(message);
}
bool Matches(const std::string& source, const Attributes& attributes) {
  return Matches(source, Encode(attributes));
}

std::string ErrorOf(const std::string& source) {
  const absl::Status status = Filter::Compile(source).status();
  INFO(source);
  REQUIRE(status.code() == absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  REQUIRE(message.substr(0, 15) == "filter: column ");
  return message.substr(15);
}

TEST_CASE("Filter: tests whether a key is there, its value, and its value's beginning") {
  const Attributes com = {{"lang", "en"}, {"name", "com"}};
  const Attributes empty_value = {{"name", ""}};
  const Attributes none;

  CHECK(Matches("attributes:name", com));
  CHECK(Matches("attributes:name", empty_value));
  CHECK(!Matches("attributes:name", none));
  CHECK(!Matches("attributes:Name", com));
  CHECK(!Matches("attributes:nam", com));
  CHECK(!Matches("attributes:names", com));

  CHECK(Matches("attributes.name = \"com\"", com));
  CHECK(!Matches("attributes.name = \"Com\"", com));
  CHECK(!Matches("attributes.name = \"co\"", com));
  CHECK(!Matches("attributes.name = \"comm\"", com));
  CHECK(!Matches("attributes.lang = \"com\"", com));
  CHECK(Matches("attributes.name = \"\"", empty_value));
  CHECK(!Matches("attributes.name = \"\"", none));

  CHECK(!Matches("attributes.name != \"com\"", com));
  CHECK(Matches("attributes.name != \"org\"", com));
  CHECK(Matches("attributes.name != \"com\"", none));
  CHECK(!Matches("attributes.name != \"\"", empty_value));
  CHECK(Matches("attributes.name != \"\"", none));

  CHECK(Matches("hasPrefix(attributes.name, \"co\")", com));
  CHECK(Matches("hasPrefix(attributes.name, \"com\")", com));
  CHECK(Matches("hasPrefix(attributes.name, \"\")", com));
  CHECK(!Matches("hasPrefix(attributes.name, \"comm\")", com));
  CHECK(!Matches("hasPrefix(attributes.name, \"om\")", com));
  CHECK(!Matches("hasPrefix(attributes.name, \"\")", none));
}

TEST_CASE("Filter: combines with NOT, -, AND, OR and parentheses") {
  const std::string a = "attributes:a";
  const std::string b = "attributes:b";
  const std::string c = "attributes:c";
  struct Row {
    std::string source;
    bool (*expected)(bool, bool, bool);
  };
  const std::vector<Row> table = {
      {"NOT " + a, [](bool x, bool, bool) { return !x; }},
      {"-" + a, [](bool x, bool, bool) { return !x; }},
      {"NOT -" + a, [](bool x, bool, bool) { return x; }},
      {"NOT NOT NOT " + a, [](bool x, bool, bool) { return !x; }},
      {a + " AND " + b + " AND " + c, [](bool x, bool y, bool z) { return x && y && z; }},
      {a + " OR " + b + " OR " + c, [](bool x, bool y, bool z) { return x || y || z; }},
      {"NOT " + a + " AND " + b, [](bool x, bool y, bool) { return !x && y; }},
      {"NOT " + a + " OR -" + b, [](bool x, bool y, bool) { return !x || !y; }},
      {"NOT (" + a + " AND " + b + ")", [](bool x, bool y, bool) { return !(x && y); }},
      {"-(" + a + " OR " + b + ")", [](bool x, bool y, bool) { return !(x || y); }},
      {a + " AND (" + b + " OR " + c + ")", [](bool x, bool y, bool z) { return x && (y || z); }},
      {"(" + a + " AND " + b + ") OR " + c, [](bool x, bool y, bool z) { return (x && y) || z; }},
      {a + " OR NOT (" + b + " AND -" + c + ")",
       [](bool x, bool y, bool z) { return x || !(y && !z); }},
      {"(((" + a + ")) AND ((" + b + ")))", [](bool x, bool y, bool) { return x && y; }},
      {a + " AND NOT " + a, [](bool, bool, bool) { return false; }},
      {a + " OR NOT " + a, [](bool, bool, bool) { return true; }},
      {a + " AND " + a, [](bool x, bool, bool) { return x; }},
  };
  for (const Row& row : table) {
    for (unsigned present = 0; present < 8; ++present) {
      Attributes attributes;
      if (present & 1) attributes["a"] = "1";
      if (present & 2) attributes["b"] = "2";
      if (present & 4) attributes["c"] = "3";
      INFO(present);
      CHECK(Matches(row.source, attributes) ==
            row.expected((present & 1) != 0, (present & 2) != 0, (present & 4) != 0));
    }
  }
}

TEST_CASE("Filter: several tests of one key are answered together") {
  const std::string source =
      "attributes.k = \"one\" OR attributes.k = \"two\" OR (hasPrefix(attributes.k, \"t\") AND "
      "hasPrefix(attributes.k, \"th\")) OR attributes.l = \"one\"";
  CHECK(Matches(source, {{"k", "one"}}));
  CHECK(Matches(source, {{"k", "two"}}));
  CHECK(Matches(source, {{"k", "three"}}));
  CHECK(!Matches(source, {{"k", "ten"}}));
  CHECK(!Matches(source, {{"l", "two"}}));
  CHECK(Matches(source, {{"k", "ten"}, {"l", "one"}}));
}

TEST_CASE("Filter: the examples of the Pub/Sub documentation mean what it says") {
  const std::string tag = "iana.org/language_tag";
  CHECK(Matches("attributes.\"iana.org/language_tag\" = \"en\"", {{tag, "en"}}));
  CHECK(Matches("attributes:\"\\u307F\\u3093\\u306A\"", {{"みんな", "x"}}));
  const std::string without_com =
      "attributes:\"iana.org/language_tag\" AND NOT attributes.name = \"com\"";
  CHECK(Matches(without_com, {{tag, "en"}, {"name", "org"}}));
  CHECK(Matches(without_com, {{tag, "en"}}));
  CHECK(!Matches(without_com, {{tag, "en"}, {"name", "com"}}));
  CHECK(!Matches(without_com, {{"name", "org"}}));
  const std::string net_or_org =
      "attributes:\"iana.org/language_tag\" AND (attributes.name = \"net\" OR attributes.name = "
      "\"org\")";
  CHECK(Matches(net_or_org, {{tag, "en"}, {"name", "net"}}));
  CHECK(!Matches(net_or_org, {{tag, "en"}, {"name", "com"}}));
  CHECK(Matches("attributes.name = \"com\" AND -attributes:\"iana.org/language_tag\"",
                {{"name", "com"}}));
  ErrorOf("\"com\" = attributes.name");
  ErrorOf("attributes.name = attributes.website");
  ErrorOf("attributes:\\u307F\\u3093\\u306A");
  ErrorOf(
      "attributes:\"iana.org/language_tag\" AND attributes.name = \"net\" OR attributes.name = "
      "\"org\"");
  ErrorOf("attributes.name = \"com\" AND (\"net\" OR \"org\")");
}

TEST_CASE("Filter: keys and values in quotes may be anything, by escapes or as they are") {
  CHECK(Matches("attributes:\"みんな\"", {{"みんな", ""}}));
  CHECK(Matches("attributes.\"a b\"='c d'", {{"a b", "c d"}}));
  CHECK(Matches(R"(attributes.k = "say \"hi\" 'there' \\o/")", {{"k", "say \"hi\" 'there' \\o/"}}));
  CHECK(Matches(R"(attributes.k = 'it\'s "it"')", {{"k", "it's \"it\""}}));
  CHECK(Matches(R"(attributes.k = "\a\b\f\n\r\t\v\?")", {{"k", "\a\b\f\n\r\t\v?"}}));
  CHECK(Matches(R"(attributes.k = "\x41\x42c\101\60\0601")", {{"k", "ABcA001"}}));
  CHECK(Matches(R"(attributes.k = "\xc3\xa9a\303\251\u00e9\U0001F600")", {{"k", "éaéé😀"}}));
  CHECK(Matches(R"(attributes.k = "\000")", {{"k", std::string(1, '\0')}}));
  CHECK(Matches("attributes.k = \"line\nline\"", {{"k", "line\nline"}}));
  CHECK(Matches("attributes.NOT = \"x\" AND attributes:attributes AND attributes:-1_a",
                {{"NOT", "x"}, {"attributes", ""}, {"-1_a", ""}}));
}

TEST_CASE("Filter: white space is free") {
  const Attributes attributes = {{"k", "v"}};
  CHECK(Matches(" \t\r\n attributes : k ", attributes));
  CHECK(Matches("attributes . k\n=\n\"v\"", attributes));
  CHECK(Matches("attributes.k=\"v\"AND(attributes:k)AND NOT(attributes:z)AND-attributes:z",
                attributes));
  CHECK(Matches("hasPrefix ( attributes.k , \"v\" )", attributes));
}

TEST_CASE("Filter: an error says the column and what was expected there") {
  struct Row {
    std::string source;
    std::string error;
  };
  const std::string term = R"(expected "attributes", "hasPrefix", "NOT", "-" or "(", found )";
  const std::string key =
      R"(expected a key of letters, digits, "-" and "_", or one in quotes, found )";
  const std::vector<Row> table = {
      {"", "1: " + term + "the end"},
      {"  ", "3: " + term + "the end"},
      {"()", "2: " + term + "\")\""},
      {"\"com\" = attributes.name", "1: " + term + R"("\"")"},
      {"not attributes:a", "1: " + term + "\"not\""},
      {"Attributes:a", "1: " + term + "\"Attributes\""},
      {"data = \"x\"", "1: " + term + "\"data\""},
      {"é", "1: " + term + "\"é\""},
      {"\xff", "1: " + term + R"("\377")"},
      {"attributes:a AND", "17: " + term + "the end"},
      {"attributes:a AND NOT", "21: " + term + "the end"},
      {"attributes:a AND OR attributes:b", "18: " + term + "\"OR\""},
      {"matches(attributes.a, \"b\")", "1: " + term + "\"matches\""},
      {"attributes", R"(11: expected ":" or ".", found the end)"},
      {"attributes=\"a\"", R"(11: expected ":" or ".", found "=")"},
      {"attributes:", "12: " + key + "the end"},
      {"attributes.=", "12: " + key + "\"=\""},
      {"attributes:\\u307F", "12: " + key + R"("\\")"},
      {"attributes:é", "12: " + key + "\"é\""},
      {"attributes:\"\"", "12: a key is not empty"},
      {"attributes.a", R"(13: expected "=" or "!=", found the end)"},
      {"attributes.a > \"b\"", R"(14: expected "=" or "!=", found ">")"},
      {"attributes.a ! \"b\"", R"(14: expected "=" or "!=", found "!")"},
      {"attributes.a.b = \"c\"", R"(13: expected "=" or "!=", found ".")"},
      {"attributes.a == \"b\"", R"(15: expected a value in quotes, found "=")"},
      {"attributes.a = ", "16: expected a value in quotes, found the end"},
      {"attributes.a = b", R"(16: expected a value in quotes, found "b")"},
      {"attributes.a = $", R"(16: expected a value in quotes, found "$")"},
      {"attributes.a = \"b", R"(18: expected the closing " of the string at column 16)"},
      {"attributes.a = 'b\"", "19: expected the closing ' of the string at column 16"},
      {R"(attributes.a = "\")", R"(19: expected the closing " of the string at column 16)"},
      {R"(attributes.a = "b\q")", "18: not an escape sequence"},
      {R"(attributes.a = "b\)", "18: not an escape sequence"},
      {R"(attributes.a = "\x")", "17: not an escape sequence"},
      {R"(attributes.a = "\400")", "17: not an escape sequence"},
      {R"(attributes.a = "\u30")", "17: not an escape sequence"},
      {R"(attributes.a = "\ud83d")", "17: not an escape sequence"},
      {R"(attributes.a = "\U00110000")", "17: not an escape sequence"},
      {R"(attributes.a = "\xc3")", "16: the string is not UTF-8"},
      {"attributes.a = \"\xc3\"", "16: the string is not UTF-8"},
      {"attributes:a b", R"(14: expected "AND", "OR" or the end, found "b")"},
      {"attributes:a attributes:b", R"(14: expected "AND", "OR" or the end, found "attributes")"},
      {"attributes:a and attributes:b", R"(14: expected "AND", "OR" or the end, found "and")"},
      {"attributes:a)", R"x(13: expected "AND", "OR" or the end, found ")")x"},
      {"attributes:a = \"b\"", R"(14: expected "AND", "OR" or the end, found "=")"},
      {"(attributes:a", R"x(14: expected "AND", "OR" or ")", found the end)x"},
      {"(attributes:a AND attributes:b", R"x(31: expected "AND" or ")", found the end)x"},
      {"attributes:a OR attributes:b x", R"(30: expected "OR" or the end, found "x")"},
      {"attributes:a AND attributes:b OR attributes:c",
       R"(31: expected "AND" or the end, found "OR": only parentheses mix AND with OR)"},
      {"(attributes:a OR attributes:b AND attributes:c)",
       R"x(31: expected "OR" or ")", found "AND": only parentheses mix AND with OR)x"},
      {"hasPrefix", R"(10: expected "(", found the end)"},
      {"hasPrefix(\"a\", \"b\")", R"(11: expected "attributes", found "\"")"},
      {"hasPrefix(attributes:a, \"b\")", R"(21: expected ".", found ":")"},
      {"hasPrefix(attributes.a)", R"x(23: expected ",", found ")")x"},
      {"hasPrefix(attributes.a, attributes.b)",
       R"(25: expected a value in quotes, found "attributes")"},
      {"hasPrefix(attributes.a, \"b\", \"c\")", R"x(28: expected ")", found ",")x"},
      {"attributes:\"みんな\" x", R"(18: expected "AND", "OR" or the end, found "x")"},
  };
  for (const Row& row : table) CHECK(ErrorOf(row.source) == row.error);
}

TEST_CASE("Filter: length and depth are bounded") {
  const std::string start = "attributes.k = \"";
  CHECK(Matches(start + std::string(kMaxFilterBytes - start.size() - 1, 'x') + "\"",
                Attributes()) == false);
  CHECK(ErrorOf(start + std::string(kMaxFilterBytes - start.size(), 'x') + "\"") ==
        "257: a filter has at most 256 bytes");

  const auto nested = [](uint32_t depth) {
    return std::string(depth, '(') + "attributes:k" + std::string(depth, ')');
  };
  CHECK(Matches(nested(kMaxFilterDepth), {{"k", ""}}));
  CHECK(ErrorOf(nested(kMaxFilterDepth + 1)) == "33: parentheses inside more than 32 others");
  CHECK(Matches(std::string(200, '-') + "attributes:k", {{"k", ""}}));

  std::string most_tests = "attributes:a";
  for (char c = 'b'; most_tests.size() + 16 <= kMaxFilterBytes; ++c) {
    most_tests += std::string(" OR attributes:") + c;
  }
  CHECK(Matches(most_tests, {{"a", ""}}));
  CHECK(Matches(most_tests, {{"p", ""}}));
  CHECK(!Matches(most_tests, {{"q", ""}}));
}

TEST_CASE("Filter: reads map entries as protobuf does") {
  std::string turned;  // the value first
  WireWriter(turned).Bytes(2, "v");
  WireWriter(turned).Bytes(1, "k");
  CHECK(Matches("attributes.k = \"v\"", Encode({turned})));

  std::string no_value;
  WireWriter(no_value).Bytes(1, "k");
  CHECK(Matches("attributes.k = \"\"", Encode({no_value})));
  std::string no_key;
  WireWriter(no_key).Bytes(2, "v");
  CHECK(!Matches("attributes:k", Encode({no_key, ""})));

  const std::string twice = Encode({Entry("k", "one"), Entry("l", "x"), Entry("k", "two")});
  CHECK(Matches("attributes.k = \"two\"", twice));
  CHECK(!Matches("attributes.k = \"one\"", twice));
  CHECK(Matches("attributes:l AND attributes:k", twice));

  std::string renamed = Entry("k", "v");  // in one entry, too, the last one counts
  WireWriter(renamed).Bytes(1, "l");
  CHECK(!Matches("attributes:k", Encode({renamed})));
  CHECK(Matches("attributes.l = \"v\"", Encode({renamed})));

  std::string more =
      "\x1d"
      "1234";
  WireWriter(more).Varint(7, 1'000'000);
  more += Entry("k", "v");
  WireWriter(more).Bytes(9, "?");
  CHECK(Matches("attributes.k = \"v\"", more + Encode({more})));

  const std::string longest = std::string(1'024, 'v');
  CHECK(Matches("hasPrefix(attributes.k, \"vvvv\")", {{"k", longest}}));
  CHECK(!Matches("attributes:k", ""));
}

TEST_CASE("Filter: keys whose sizes are equal modulo 64 are told apart") {
  const std::string shorter(10, 'k');
  const std::string longer(74, 'k');
  CHECK(Matches("attributes:" + longer, {{longer, ""}}));
  CHECK(!Matches("attributes:" + longer, {{shorter, ""}}));
}

// An evaluator of its own, over a tree that prints itself.
struct Tree {
  enum Kind { kHas, kEqual, kUnequal, kPrefix, kNot, kAnd, kOr } kind = kHas;
  std::string key;
  std::string value;
  std::vector<Tree> parts;

  bool Evaluate(const Attributes& attributes) const {
    const auto it = attributes.find(key);
    const bool there = it != attributes.end();
    const auto of_part = [&](const Tree& part) { return part.Evaluate(attributes); };
    switch (kind) {
      case kHas:
        return there;
      case kEqual:
        return there && it->second == value;
      case kUnequal:
        return !there || it->second != value;
      case kPrefix:
        return there && it->second.compare(0, value.size(), value) == 0;
      case kNot:
        return !of_part(parts[0]);
      case kAnd:
        return std::all_of(parts.begin(), parts.end(), of_part);
      default:
        return std::any_of(parts.begin(), parts.end(), of_part);
    }
  }
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  uint64_t Below(uint64_t n) { return random_() % n; }
  template <typename T>
  const T& OneOf(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

  Tree MakeTree(int depth) {
    Tree tree;
    if (depth > 0 && Below(3) != 0) {
      tree.kind = OneOf<Tree::Kind>({Tree::kNot, Tree::kAnd, Tree::kOr});
      const uint64_t parts = tree.kind == Tree::kNot ? 1 : 2 + Below(3);
      for (uint64_t i = 0; i < parts; ++i) tree.parts.push_back(MakeTree(depth - 1));
      return tree;
    }
    tree.kind = OneOf<Tree::Kind>({Tree::kHas, Tree::kEqual, Tree::kUnequal, Tree::kPrefix});
    tree.key = OneOf(kKeys);
    tree.value = OneOf(kValues);
    return tree;
  }

  std::string Print(const Tree& tree) {
    const auto quoted = [&](const std::string& text) { return Quote(text); };
    const auto key = [&] {
      return tree.key.size() == 1 && tree.key != "\"" && Below(2) ? tree.key : quoted(tree.key);
    };
    switch (tree.kind) {
      case Tree::kHas:
        return "attributes:" + key();
      case Tree::kEqual:
        return "attributes." + key() + "=" + quoted(tree.value);
      case Tree::kUnequal:
        return "attributes." + key() + " != " + quoted(tree.value);
      case Tree::kPrefix:
        return "hasPrefix(attributes." + key() + "," + quoted(tree.value) + ")";
      case Tree::kNot:
        return (Below(2) ? "-" : "NOT ") + Part(tree.parts[0]);
      default: {
        std::string text;
        for (const Tree& part : tree.parts) {
          if (!text.empty()) text += tree.kind == Tree::kAnd ? " AND " : " OR ";
          text += Part(part);
        }
        return text;
      }
    }
  }

  Attributes MakeAttributes() {
    Attributes attributes;
    for (uint64_t n = Below(5); n > 0; --n) attributes[OneOf(kKeys)] = OneOf(kValues);
    return attributes;
  }

  // Entries in any order, some before the one that counts.
  std::string MakeMessage(const Attributes& attributes) {
    std::vector<std::pair<std::string, std::string>> entries(attributes.begin(), attributes.end());
    std::shuffle(entries.begin(), entries.end(), random_);
    std::string message;
    for (const auto& [key, value] : entries) {
      if (Below(4) == 0) WireWriter(message).Bytes(1, "data");
      if (Below(4) == 0) WireWriter(message).Bytes(2, Entry(key, OneOf(kValues)));
      std::string entry;
      const bool value_first = Below(4) == 0;
      if (value_first) WireWriter(entry).Bytes(2, value);
      WireWriter(entry).Bytes(1, key);
      if (!value_first && !(value.empty() && Below(2))) WireWriter(entry).Bytes(2, value);
      WireWriter(message).Bytes(2, entry);
    }
    return message;
  }

  std::string Mutate(std::string bytes) {
    for (uint64_t n = Below(4); n > 0 && !bytes.empty(); --n) {
      const uint64_t at = Below(bytes.size());
      switch (Below(4)) {
        case 0:
          bytes[at] = static_cast<char>(Below(256));
          break;
        case 1:
          bytes.erase(at, 1 + Below(4));
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(Below(256)));
          break;
        default:
          bytes.insert(at, bytes.substr(Below(bytes.size()), Below(20)));
      }
    }
    return bytes;
  }

  std::string Garbage(uint64_t most) {
    std::string bytes(Below(most + 1), '\0');
    for (char& c : bytes) c = static_cast<char>(Below(256));
    return bytes;
  }

 private:
  std::string Part(const Tree& tree) {
    const bool joined = tree.kind == Tree::kAnd || tree.kind == Tree::kOr;
    return joined || Below(6) == 0 ? "(" + Print(tree) + ")" : Print(tree);
  }

  std::string Quote(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        quoted += std::string("\\") + c;
      } else if (Below(10) == 0 && !(c & 0x80)) {
        quoted += absl::StrCat("\\x", absl::Hex(c, absl::kZeroPad2));
      } else {
        quoted += c;
      }
    }
    return quoted + "\"";
  }

  const std::vector<std::string> kKeys = {"a", "b", "c", "key", "ключ", "a.b", "\""};
  const std::vector<std::string> kValues = {"", "x", "xy", "xyz", "yx", "é", "\\\""};
  std::mt19937_64 random_;
};

TEST_CASE("Filter: agrees with a plain evaluator") {
  Generator generator(testing::Seed());
  int compiled = 0;
  int matched = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Tree tree = generator.MakeTree(static_cast<int>(generator.Below(4)));
    const std::string source = generator.Print(tree);
    if (source.size() > kMaxFilterBytes) continue;
    const auto filter = Filter::Compile(source);
    INFO(source);
    REQUIRE(filter.status() == absl::OkStatus());
    ++compiled;
    for (int m = 0; m < 10; ++m) {
      const Attributes attributes = generator.MakeAttributes();
      const bool matches = (*filter)->Matches(generator.MakeMessage(attributes));
      if (matches != tree.Evaluate(attributes)) {
        std::string shown;
        for (const auto& [key, value] : attributes) absl::StrAppend(&shown, key, "=", value, " ");
        FAIL(source << " of " << shown);
      }
      matched += matches;
    }
  }
  CHECK(compiled > 10'000);
  CHECK(matched > compiled);
  CHECK(matched < 9 * compiled);
}

TEST_CASE("Filter: any bytes as a filter or as a message do no harm") {
  Generator generator(testing::Seed());
  int compiled = 0;
  int refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string source = generator.Below(10) == 0
                                   ? generator.Garbage(300)
                                   : generator.Mutate(generator.Print(generator.MakeTree(2)));
    // Exactly its bytes, so that a sanitizer sees a read beyond them.
    const std::vector<char> bytes(source.begin(), source.end());
    const auto filter = Filter::Compile(absl::string_view(bytes.data(), bytes.size()));
    if (!filter.ok()) {
      ++refused;
      REQUIRE(filter.status().code() == absl::StatusCode::kInvalidArgument);
      continue;
    }
    ++compiled;
    for (int m = 0; m < 10; ++m) {
      const std::string message =
          generator.Below(4) == 0
              ? generator.Garbage(60)
              : generator.Mutate(generator.MakeMessage(generator.MakeAttributes()));
      const std::vector<char> exact(message.begin(), message.end());
      (*filter)->Matches(std::string_view(exact.data(), exact.size()));
    }
  }
  CHECK(compiled > 5'000);
  CHECK(refused > 5'000);
}

}  // namespace
}  // namespace estiba
