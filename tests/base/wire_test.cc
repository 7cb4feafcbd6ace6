// The wire format, read and written.
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "broker/base/wire_reader.h"
#include "broker/base/wire_writer.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

TEST_CASE("WireWriter: writes what protobuf's documentation shows") {
  std::string out;
  WireWriter writer(out);
  writer.Varint(1, 150);
  writer.Bytes(2, "testing");
  CHECK(out == std::string("\x08\x96\x01\x12\x07testing"));
}

TEST_CASE("WireReader: reads back what was written, at every size") {
  std::mt19937_64 random(testing::Seed());
  for (int i = 0; i < 2'000; ++i) {
    const uint32_t field = 1 + static_cast<uint32_t>(random() % ((1u << 29) - 1));
    const uint64_t value = random() >> (random() % 64);
    const std::string bytes(random() % 300, 'b');
    std::string out;
    WireWriter(out).Varint(field, value);
    WireWriter(out).Bytes(field, bytes);
    WireReader reader(out);
    uint32_t got_field = 0;
    uint32_t type = 0;
    uint64_t got_value = 0;
    std::string_view got_bytes;
    REQUIRE(reader.ReadTag(&got_field, &type));
    REQUIRE(got_field == field);
    REQUIRE(type == WireReader::kVarint);
    REQUIRE(reader.ReadVarint(&got_value));
    REQUIRE(got_value == value);
    REQUIRE(reader.ReadTag(&got_field, &type));
    REQUIRE(type == WireReader::kLength);
    REQUIRE(reader.ReadBytes(&got_bytes));
    REQUIRE(got_bytes == bytes);
    REQUIRE(reader.AtEnd());
  }
}

TEST_CASE("WireReader: every truncation is noticed") {
  std::string out;
  WireWriter(out).Varint(1, std::numeric_limits<uint64_t>::max());
  WireWriter(out).Bytes(2, "abc");
  const size_t first = 11;
  for (size_t n = 0; n < out.size(); ++n) {
    WireReader reader(std::string_view(out).substr(0, n));
    bool ok = true;
    while (ok && !reader.AtEnd()) {
      uint32_t field = 0;
      uint32_t type = 0;
      ok = reader.ReadTag(&field, &type) && reader.Skip(type);
    }
    CHECK(ok == (n == 0 || n == first));
  }
}

TEST_CASE("WireReader: refuses tags and varints that cannot be") {
  uint32_t field = 0;
  uint32_t type = 0;
  uint64_t value = 0;
  CHECK(!WireReader(std::string_view("\x00", 1)).ReadTag(&field, &type));
  CHECK(!WireReader("\x07").ReadTag(&field, &type));
  CHECK(!WireReader("\xff\xff\xff\xff\xff\x01").ReadTag(&field, &type));
  CHECK(!WireReader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").ReadVarint(&value));
  CHECK(!WireReader("").ReadVarint(&value));
  for (const uint32_t group : {3u, 4u, 6u, 7u}) CHECK(!WireReader("abc").Skip(group));
  std::string_view bytes;
  CHECK(!WireReader("\xff\xff\xff\xff\xff\xff\xff\xff\x7f").ReadBytes(&bytes));
}

TEST_CASE("WireReader: random bytes are read or refused, never beyond their end") {
  std::mt19937_64 random(testing::Seed());
  for (int i = 0; i < 50'000; ++i) {
    std::vector<char> input(random() % 40);  // on the heap, for AddressSanitizer
    for (char& c : input) c = static_cast<char>(random() % (random() % 2 ? 256 : 32));
    WireReader reader(std::string_view(input.data(), input.size()));
    uint32_t field = 0;
    uint32_t type = 0;
    while (!reader.AtEnd() && reader.ReadTag(&field, &type) && reader.Skip(type)) {
    }
  }
}

}  // namespace
}  // namespace estiba
