#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace estiba {

// The limits of a filter. The length is the one of google.pubsub.v1.
inline constexpr uint32_t kMaxFilterBytes = 256;
inline constexpr uint32_t kMaxFilterDepth = 32;

// What a filter says, as a tree.
struct FilterExpression {
  enum class Kind { kHasKey, kEquals, kHasPrefix, kAll, kAny };

  Kind kind = Kind::kHasKey;
  bool negated = false;
  std::string key;                      // of a test
  std::string value;                    // of kEquals and kHasPrefix
  std::vector<FilterExpression> parts;  // of kAll and kAny: two or more
};

// Parses the filter language of google.pubsub.v1
// (cloud.google.com/pubsub/docs/subscription-message-filter, "Syntax to create a filter"):
//
//   filter = term, { "AND", term } | term, { "OR", term }
//   term   = { "NOT" | "-" }, ( "(", filter, ")" | test )
//   test   = "attributes", ":", key
//          | "attributes", ".", key, ( "=" | "!=" ), string
//          | "hasPrefix", "(", "attributes", ".", key, ",", string, ")"
//   key    = one or more letters, digits, "-" and "_" | string that is not empty
//   string = in double or single quotes, with the escapes of C: \" \' \? \\ \a \b \f \n \r \t \v,
//            one to three octal digits, \x and two hexadecimal digits (a byte), \u and four or \U
//            and eight (a character). UTF-8 in the end.
//
// White space is free between tokens. Words are case-sensitive.
// Errors: INVALID_ARGUMENT, `filter: column N: ` and what was expected there. Columns count
// characters, from 1. An empty filter is one of these errors: callers take it for "no filter".
absl::StatusOr<FilterExpression> ParseFilter(absl::string_view source);

}  // namespace estiba
