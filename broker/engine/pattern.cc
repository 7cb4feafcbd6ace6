#include "broker/engine/pattern.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"

namespace estiba {
namespace {

bool IsLetterOrDigit(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

}  // namespace

absl::Status CheckPattern(absl::string_view field, absl::string_view pattern) {
  if (!HasWildcard(pattern)) return CheckName(field, pattern);
  const auto invalid = [&](absl::string_view rule) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": \"", absl::CEscape(pattern.substr(0, 64)), "\": ", rule));
  };
  if (pattern.size() > kMaxNameBytes) {
    return invalid(absl::StrCat("a pattern has at most ", kMaxNameBytes, " characters"));
  }
  if (!IsLetterOrDigit(pattern[0]) && !HasWildcard(pattern.substr(0, 1))) {
    return invalid("a pattern starts with a letter, a digit or a wildcard");
  }
  for (TokenReader tokens(pattern); !tokens.AtEnd();) {
    const absl::string_view token = tokens.Next();
    if (token == kAnyToken) continue;
    if (token == kAnyRest) {
      if (!tokens.AtEnd()) return invalid("\">\" is the last token of a pattern");
      continue;
    }
    if (HasWildcard(token)) return invalid("\"*\" and \">\" stand alone between dots");
    for (const char c : token) {
      if (!IsLetterOrDigit(c) && !absl::StrContains("-_~+%/", c)) {
        return invalid("a pattern has only letters, digits and - _ . ~ + % /, and wildcards");
      }
    }
  }
  return absl::OkStatus();
}

bool HasWildcard(absl::string_view pattern) {
  return pattern.find_first_of("*>") != absl::string_view::npos;
}

bool MatchesPattern(absl::string_view pattern, absl::string_view topic) {
  TokenReader wanted(pattern);
  TokenReader tokens(topic);
  while (!wanted.AtEnd() && !tokens.AtEnd()) {
    const absl::string_view token = wanted.Next();
    if (token == kAnyRest) return true;
    if (tokens.Next() != token && token != kAnyToken) return false;
  }
  return wanted.AtEnd() && tokens.AtEnd();
}

}  // namespace estiba
