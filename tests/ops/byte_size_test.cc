#include "broker/ops/byte_size.h"

#include <random>

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

TEST_CASE("A size is a number with an optional unit") {
  const uint64_t k = 1024;
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0},
      {"1", 1},
      {"17B", 17},
      {"1048576", k * k},
      {"1KiB", k},
      {"1Ki", k},
      {"1kib", k},
      {"64MiB", 64 * k * k},
      {"64 MiB", 64 * k * k},
      {"3GiB", 3 * k * k * k},
      {"2TiB", 2 * k * k * k * k},
      {"1K", 1000},
      {"1KB", 1000},
      {"10MB", 10'000'000},
      {"10M", 10'000'000},
      {"1GB", 1'000'000'000},
      {"1TB", 1'000'000'000'000},
      {"1.5GiB", 3 * k * k * k / 2},
      {"0.5KiB", 512},
      {"9223372036854775807", 9223372036854775807u},
  };
  for (const auto& [text, bytes] : cases) {
    INFO(text);
    REQUIRE(ParseByteSize(text) == bytes);
  }
}

TEST_CASE("What is not a size is refused") {
  for (const char* text : {"",           " ",
                           "MiB",        "-1",
                           "+1",         "1.5",
                           "1.5B",       ".5MiB",
                           "1.2.3KiB",   "1XB",
                           "1KiBs",      "1 2",
                           "1e3",        "0x10",
                           "nan",        "inf",
                           "50%",        "9223372036854775808",
                           "9999999TiB", "8388608.5TiB",
                           "1iB"}) {
    INFO(text);
    REQUIRE_FALSE(ParseByteSize(text).has_value());
  }
}

TEST_CASE("A size is written with the largest unit that says it exactly") {
  REQUIRE(FormatByteSize(0) == "0");
  REQUIRE(FormatByteSize(1000) == "1000");
  REQUIRE(FormatByteSize(1024) == "1KiB");
  REQUIRE(FormatByteSize(1536 * 1024) == "1536KiB");
  REQUIRE(FormatByteSize(uint64_t{4} << 30) == "4GiB");
  REQUIRE(FormatByteSize((uint64_t{4} << 30) + 1) == "4294967297");
}

TEST_CASE("Every size that is written can be read back") {
  std::mt19937_64 random(testing::Seed());
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t bytes = (random() >> (1 + random() % 63)) << (random() % 30) >> 1;
    INFO(bytes);
    REQUIRE(ParseByteSize(FormatByteSize(bytes)) == bytes);
  }
}

}  // namespace
}  // namespace estiba
