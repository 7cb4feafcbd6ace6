#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/engine/filter_parser.h"

namespace estiba {

// A subscription's filter: which messages it wants, by their attributes. The language and its
// errors are those of ParseFilter.
//
// Works on stored messages as they are: one walk over a message's fields, past the payload by its
// length, answers all tests at once; a few operations on their bits are the result.
// Immutable. Threads: any, any number at a time. Matches does not allocate.
//
//   const auto filter = Filter::Compile("attributes.kind = \"x\" AND NOT attributes:draft");
//   if (!filter.ok()) return filter.status();
//   if ((*filter)->Matches(encoded)) ...
class Filter {
 public:
  static absl::StatusOr<std::shared_ptr<const Filter>> Compile(absl::string_view source);

  // `message` is an encoded estiba.v1.Message that CheckMessage has taken (also a
  // google.pubsub.v1.PubsubMessage: the attributes are the same field). As in protobuf, the last of
  // several entries of a key counts, and a missing value is empty. What is malformed ends the walk.
  bool Matches(std::string_view message) const;

  const std::string& source() const { return source_; }

 private:
  // A truth is a bit in a word: first the tests', then the gates'.
  using Bits = uint64_t;
  struct Text {
    uint16_t begin = 0;  // in texts_
    uint16_t size = 0;
  };
  struct Test {
    Text value;
    FilterExpression::Kind kind{};
    uint8_t bit = 0;
  };
  // Whose tests are tests_[first_test..end_test) and have `bits`.
  struct Key {
    Text name;
    uint16_t first_test = 0;
    uint16_t end_test = 0;
    Bits bits = 0;
  };
  // Sets its bit if all of `set` are set and none of `clear` is. With negations this is also "any".
  struct Gate {
    Bits set = 0;
    Bits clear = 0;
    uint8_t bit = 0;
  };
  class Compiler;

  Filter() = default;
  void Look(std::string_view entry, Bits* bits) const;
  bool TextIs(Text text, std::string_view other) const;
  bool Passes(const Test& test, std::string_view value) const;

  std::string source_;
  std::string texts_;
  uint64_t key_sizes_ = 0;  // bit (size % 64) of every key: most other keys are told by their size
  std::vector<Key> keys_;
  std::vector<Test> tests_;
  std::vector<Gate> gates_;
  uint8_t result_bit_ = 0;
  bool result_negated_ = false;
};

}  // namespace estiba
