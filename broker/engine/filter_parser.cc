#include "broker/engine/filter_parser.h"

#include <algorithm>
#include <boost/locale/utf.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace estiba {
namespace {

using Kind = FilterExpression::Kind;

// The bytes of the character that `text` starts with; 0: it is not UTF-8.
size_t CharacterBytes(absl::string_view text) {
  const char* p = text.data();
  const auto c = boost::locale::utf::utf_traits<char>::decode(p, p + text.size());
  const bool bad = c == boost::locale::utf::illegal || c == boost::locale::utf::incomplete;
  return bad ? 0 : static_cast<size_t>(p - text.data());
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

bool InWord(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool InKey(char c) { return InWord(c) || c == '-'; }

// The bytes of the escape sequence that `text` starts with. Whether it means anything is left to
// absl::CUnescape, which alone would take any number of hexadecimal digits for one byte.
size_t EscapeBytes(absl::string_view text) {
  const char kind = text.size() < 2 ? '\0' : text[1];
  if (kind == 'u') return std::min<size_t>(text.size(), 6);
  if (kind == 'U') return std::min<size_t>(text.size(), 10);
  const auto digits = [&](size_t from, size_t most, bool (*is_digit)(unsigned char)) {
    size_t end = from;
    while (end < std::min(text.size(), from + most) && is_digit(text[end])) ++end;
    return end;
  };
  if (kind == 'x') return digits(2, 2, absl::ascii_isxdigit);
  const size_t octal = digits(1, 3, [](unsigned char c) { return c >= '0' && c <= '7'; });
  return octal > 1 ? octal : std::min<size_t>(text.size(), 2);
}

// Recursive descent. Functions return false once error_ is set.
class Parser {
 public:
  explicit Parser(absl::string_view source) : source_(source) {}

  absl::StatusOr<FilterExpression> Parse() {
    FilterExpression result;
    if (source_.size() > kMaxFilterBytes) {
      FailAt(kMaxFilterBytes, absl::StrCat("a filter has at most ", kMaxFilterBytes, " bytes"));
      return error_;
    }
    if (!ParseExpression(0, &result)) return error_;
    return result;
  }

 private:
  // A filter, and the end of what it stands in.
  bool ParseExpression(uint32_t depth, FilterExpression* result) {
    const absl::string_view end = depth == 0 ? "the end" : "\")\"";
    if (!ParseTerm(depth, result)) return false;
    const absl::string_view joint = PeekWord();
    if (joint == "AND" || joint == "OR") {
      FilterExpression joined;
      joined.kind = joint == "AND" ? Kind::kAll : Kind::kAny;
      joined.parts.push_back(std::move(*result));
      while (TakeWord(joint)) {
        if (!ParseTerm(depth, &joined.parts.emplace_back())) return false;
      }
      if (const absl::string_view word = PeekWord(); word == "AND" || word == "OR") {
        return Fail(absl::StrCat("expected \"", joint, "\" or ", end, ", found \"", word,
                                 "\": only parentheses mix AND with OR"));
      }
      *result = std::move(joined);
      if (!AtEndOf(depth)) return Expected(absl::StrCat("\"", joint, "\" or ", end));
    } else if (!AtEndOf(depth)) {
      return Expected(absl::StrCat("\"AND\", \"OR\" or ", end));
    }
    return true;
  }

  bool AtEndOf(uint32_t depth) {
    if (depth > 0) return Take(")");
    SkipSpace();
    return at_ == source_.size();
  }

  bool ParseTerm(uint32_t depth, FilterExpression* result) {
    bool negated = false;
    while (TakeWord("NOT") || Take("-")) negated = !negated;
    if (Take("(")) {
      if (depth == kMaxFilterDepth) {
        --at_;
        return Fail(absl::StrCat("parentheses inside more than ", kMaxFilterDepth, " others"));
      }
      if (!ParseExpression(depth + 1, result)) return false;
    } else if (!ParseTest(result)) {
      return false;
    }
    result->negated ^= negated;
    return true;
  }

  bool ParseTest(FilterExpression* result) {
    if (TakeWord("hasPrefix")) {
      result->kind = Kind::kHasPrefix;
      return Require("(") && ParseAttributes() && Require(".") && ParseKey(&result->key) &&
             Require(",") && ParseValue(&result->value) && Require(")");
    }
    if (!TakeWord("attributes")) {
      return Expected(R"("attributes", "hasPrefix", "NOT", "-" or "(")");
    }
    if (Take(":")) return ParseKey(&result->key);
    if (!Take(".")) return Expected(R"(":" or ".")");
    if (!ParseKey(&result->key)) return false;
    result->kind = Kind::kEquals;
    result->negated = Take("!=");
    if (!result->negated && !Take("=")) return Expected(R"("=" or "!=")");
    return ParseValue(&result->value);
  }

  bool ParseAttributes() { return TakeWord("attributes") || Expected("\"attributes\""); }

  bool ParseKey(std::string* key) {
    SkipSpace();
    if (AtQuote()) {
      const size_t start = at_;
      if (!ParseString(key)) return false;
      return !key->empty() || FailAt(start, "a key is not empty");
    }
    while (at_ < source_.size() && InKey(source_[at_])) *key += source_[at_++];
    return !key->empty() || Expected(R"(a key of letters, digits, "-" and "_", or one in quotes)");
  }

  bool ParseValue(std::string* value) {
    SkipSpace();
    return AtQuote() ? ParseString(value) : Expected("a value in quotes");
  }

  bool ParseString(std::string* text) {
    const size_t start = at_;
    const char quote = source_[at_++];
    for (; at_ < source_.size() && source_[at_] != quote;) {
      if (source_[at_] != '\\') {
        *text += source_[at_++];
        continue;
      }
      const absl::string_view escape = source_.substr(at_, EscapeBytes(source_.substr(at_)));
      std::string meaning;
      if (!absl::CUnescape(escape, &meaning)) return Fail("not an escape sequence");
      text->append(meaning);
      at_ += escape.size();
    }
    if (at_ == source_.size()) {
      return Fail(absl::StrCat("expected the closing ", absl::string_view(&quote, 1),
                               " of the string at column ", Column(start)));
    }
    ++at_;
    return IsUtf8(*text) || FailAt(start, "the string is not UTF-8");
  }

  void SkipSpace() {
    while (at_ < source_.size() && absl::ascii_isspace(static_cast<unsigned char>(source_[at_]))) {
      ++at_;
    }
  }
  bool AtQuote() const {
    return at_ < source_.size() && (source_[at_] == '"' || source_[at_] == '\'');
  }
  bool Take(absl::string_view symbol) {
    SkipSpace();
    if (source_.substr(at_, symbol.size()) != symbol) return false;
    at_ += symbol.size();
    return true;
  }
  bool Require(absl::string_view symbol) {
    return Take(symbol) || Expected(absl::StrCat("\"", symbol, "\""));
  }
  absl::string_view PeekWord() {
    SkipSpace();
    size_t end = at_;
    while (end < source_.size() && InWord(source_[end])) ++end;
    return source_.substr(at_, end - at_);
  }
  bool TakeWord(absl::string_view word) {
    if (PeekWord() != word) return false;
    at_ += word.size();
    return true;
  }

  size_t Column(size_t at) const {
    size_t column = 1;
    for (const char c : source_.substr(0, at)) column += (c & 0xc0) != 0x80;
    return column;
  }
  bool FailAt(size_t at, absl::string_view what) {
    error_ = absl::InvalidArgumentError(absl::StrCat("filter: column ", Column(at), ": ", what));
    return false;
  }
  bool Fail(absl::string_view what) { return FailAt(at_, what); }
  bool Expected(absl::string_view what) {
    return Fail(absl::StrCat("expected ", what, ", found ", Found()));
  }
  std::string Found() {
    if (const absl::string_view word = PeekWord(); !word.empty()) {
      return absl::StrCat("\"", word.substr(0, 40), "\"");
    }
    if (at_ == source_.size()) return "the end";
    const absl::string_view rest = source_.substr(at_);
    const size_t bytes = CharacterBytes(rest);
    if (bytes > 1) return absl::StrCat("\"", rest.substr(0, bytes), "\"");
    return absl::StrCat("\"", absl::CEscape(rest.substr(0, 1)), "\"");
  }

  const absl::string_view source_;
  size_t at_ = 0;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<FilterExpression> ParseFilter(absl::string_view source) {
  return Parser(source).Parse();
}

}  // namespace estiba
