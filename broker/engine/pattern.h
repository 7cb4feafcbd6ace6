#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace estiba {

// Topic patterns, by the rules of NATS subjects (docs.nats.io/nats-concepts/subjects). "."
// separates the tokens of a name; no other character does. In a pattern the token "*" stands for
// exactly one token, and ">", at the end, for one or more:
//
//   orders.*.created   orders.eu.created, not orders.created, not orders.eu.west.created
//   orders.>           orders.eu and orders.eu.created, not orders
//
// Names may have tokens that are empty (a..b, a.), so these are tokens as any other, and every
// topic name is a pattern that matches itself alone.
inline constexpr absl::string_view kAnyToken = "*";
inline constexpr absl::string_view kAnyRest = ">";

// INVALID_ARGUMENT naming the field, the value and the rule, unless it is a valid pattern: a topic
// name (CheckName) in which tokens may be wildcards, the first one too.
absl::Status CheckPattern(absl::string_view field, absl::string_view pattern);

// Whether it has a wildcard: names cannot.
bool HasWildcard(absl::string_view pattern);

// Whether a valid pattern matches a valid topic name. Linear, without allocation.
bool MatchesPattern(absl::string_view pattern, absl::string_view topic);

// Takes the tokens of a name or pattern one after the other; there is at least one.
class TokenReader {
 public:
  explicit TokenReader(absl::string_view name) : rest_(name) {}

  bool AtEnd() const { return at_end_; }
  absl::string_view Next() {
    const size_t dot = rest_.find('.');
    const absl::string_view token = rest_.substr(0, dot);
    at_end_ = dot == absl::string_view::npos;
    if (!at_end_) rest_.remove_prefix(dot + 1);
    return token;
  }

 private:
  absl::string_view rest_;
  bool at_end_ = false;
};

}  // namespace estiba
