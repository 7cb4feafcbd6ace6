#include "client/src/wire.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/catch.h"

namespace estiba::internal::wire {
namespace {

std::string Varint(uint64_t value) {
  char bytes[10];
  return std::string(bytes, WriteVarint(bytes, value));
}

TEST_CASE("A varint reads back as it was written, and has the size foretold") {
  std::vector<uint64_t> values = {0, 1, std::numeric_limits<uint64_t>::max()};
  for (int bit = 1; bit < 64; ++bit) {
    values.push_back((uint64_t{1} << bit) - 1);
    values.push_back(uint64_t{1} << bit);
  }
  for (const uint64_t value : values) {
    const std::string encoded = Varint(value);
    CAPTURE(value);
    REQUIRE(encoded.size() == VarintSize(value));
    const std::string field = absl::StrCat("\x08", encoded);
    Reader reader(field);
    REQUIRE(reader.Next());
    REQUIRE(reader.tag() == Tag(1, Type::kVarint));
    REQUIRE(reader.number() == value);
    REQUIRE_FALSE(reader.Next());
    REQUIRE(reader.ok());
  }
}

TEST_CASE("A reader of nothing is at its end, without a complaint") {
  Reader reader("");
  REQUIRE_FALSE(reader.Next());
  REQUIRE(reader.ok());
}

TEST_CASE("A reader passes over fixed-size fields") {
  const std::string encoded = absl::StrCat("\x0d", "abcd", "\x11", "abcdefgh", "\x18\x05");
  Reader reader(encoded);
  REQUIRE(reader.Next());
  REQUIRE(reader.tag() == Tag(1, Type::kFixed32));
  REQUIRE(reader.Next());
  REQUIRE(reader.tag() == Tag(2, Type::kFixed64));
  REQUIRE(reader.Next());
  REQUIRE(reader.number() == 5);
  REQUIRE_FALSE(reader.Next());
  REQUIRE(reader.ok());
}

TEST_CASE("A reader refuses what is cut off, overlong or of an unknown type") {
  const std::string malformed[] = {
      "\x08",                                                              // no value
      "\x08\x80",                                                          // half a value
      absl::StrCat("\x08", std::string(10, '\xff'), "\x01"),               // eleven bytes of value
      absl::StrCat("\x12\x05", "abcd"),                                    // four of five bytes
      absl::StrCat("\x12", Varint(std::numeric_limits<uint64_t>::max())),  // a length that wraps
      absl::StrCat("\x0d", "abc"),                                         // three of four bytes
      absl::StrCat("\x11", "abcdefg"),                                     // seven of eight bytes
      "\x0b",                                                              // a group
      std::string("\0\x01", 2),                                            // field number 0
  };
  for (const std::string& encoded : malformed) {
    Reader reader(encoded);
    while (reader.Next()) {
    }
    CAPTURE(encoded.size());
    REQUIRE_FALSE(reader.ok());
  }
}

}  // namespace
}  // namespace estiba::internal::wire
