#include "client/cli/units.h"

#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

TEST_CASE("a duration is a number with units, days included, or seconds without") {
  CHECK(ParseDuration("0") == absl::ZeroDuration());
  CHECK(ParseDuration("10") == absl::Seconds(10));
  CHECK(ParseDuration("0.5") == absl::Milliseconds(500));
  CHECK(ParseDuration("250ms") == absl::Milliseconds(250));
  CHECK(ParseDuration("1m30s") == absl::Seconds(90));
  CHECK(ParseDuration("1.5h") == absl::Minutes(90));
  CHECK(ParseDuration("7d") == absl::Hours(168));
  CHECK(ParseDuration("1d12h") == absl::Hours(36));
  CHECK(ParseDuration("0.5d") == absl::Hours(12));
}

TEST_CASE("what is not quite a duration is refused") {
  for (const char* text : {"", " ", "abc", "-1s", "10 s", "s", "1x", "d", "-1d", "1d2d", "inf",
                           "1e400", "1s ", "0x10"}) {
    INFO(text);
    CHECK_FALSE(ParseDuration(text).has_value());
  }
}

TEST_CASE("sizes know decimal and binary units, in any case") {
  CHECK(ParseByteSize("0") == 0);
  CHECK(ParseByteSize("4096") == 4096);
  CHECK(ParseByteSize("4096B") == 4096);
  CHECK(ParseByteSize("64KiB") == 65536);
  CHECK(ParseByteSize("64kib") == 65536);
  CHECK(ParseByteSize("64Ki") == 65536);
  CHECK(ParseByteSize("64 KB") == 64000);
  CHECK(ParseByteSize("10M") == 10'000'000);
  CHECK(ParseByteSize("1.5GiB") == 1'610'612'736);
  CHECK(ParseByteSize("9223372036854775807") == 9'223'372'036'854'775'807u);
}

TEST_CASE("what is not quite a size is refused") {
  for (const char* text : {"", "KiB", "12q", "1.5", "-1", "1KiBs", "1..5K", "9223372036854775808",
                           "10000000TiB", ".", "1 2"}) {
    INFO(text);
    CHECK_FALSE(ParseByteSize(text).has_value());
  }
}

TEST_CASE("counts may be grouped and abbreviated") {
  CHECK(ParseCount("1000000") == 1'000'000);
  CHECK(ParseCount("1_000_000") == 1'000'000);
  CHECK(ParseCount("1,000") == 1000);
  CHECK(ParseCount("100k") == 100'000);
  CHECK(ParseCount("1.5M") == 1'500'000);
  CHECK(ParseCount("2G") == 2'000'000'000);
  for (const char* text : {"", "k", "1kk", "1.5", "-3", "3q"}) {
    INFO(text);
    CHECK_FALSE(ParseCount(text).has_value());
  }
}

TEST_CASE("a rate is above zero, with or without its unit") {
  CHECK(ParseRate("100/s") == 100.0);
  CHECK(ParseRate("10k") == 10'000.0);
  CHECK(ParseRate("0.5/s") == 0.5);
  for (const char* text : {"", "0", "0/s", "/s", "-1/s", "10/m", "nan", "inf"}) {
    INFO(text);
    CHECK_FALSE(ParseRate(text).has_value());
  }
}

TEST_CASE("a subscription starts at a word, a sequence, or a time") {
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  CHECK(ParseStartFrom("earliest", now)->kind() == StartFrom::Kind::kEarliest);
  CHECK(ParseStartFrom("latest", now)->kind() == StartFrom::Kind::kLatest);
  CHECK(ParseStartFrom("17", now)->sequence() == 17);
  CHECK(ParseStartFrom("10m ago", now)->time() == now - absl::Minutes(10));
  CHECK(ParseStartFrom("1970-01-12T13:46:40Z", now)->time() == now);
  CHECK(ParseStartFrom("1970-01-12T14:46:40+01:00", now)->time() == now);
  for (const char* text :
       {"", "0", "-1", "first", "ago", "10x ago", "2026-13-01T00:00:00Z", "18446744073709551616"}) {
    INFO(text);
    CHECK_FALSE(ParseStartFrom(text, now).has_value());
  }
}

TEST_CASE("what people read is short") {
  CHECK(HumanDuration(absl::ZeroDuration()) == "0s");
  CHECK(HumanDuration(absl::Nanoseconds(800)) == "800ns");
  CHECK(HumanDuration(absl::Microseconds(480)) == "480us");
  CHECK(HumanDuration(absl::Microseconds(12'500)) == "12.5ms");
  CHECK(HumanDuration(absl::Milliseconds(3200)) == "3.2s");
  CHECK(HumanDuration(absl::Seconds(250)) == "4m10s");
  CHECK(HumanDuration(absl::Minutes(120)) == "2h");
  CHECK(HumanDuration(absl::Hours(76)) == "3d4h");
  CHECK(HumanBytes(0) == "0 B");
  CHECK(HumanBytes(812) == "812 B");
  CHECK(HumanBytes(1536) == "1.5 KiB");
  CHECK(HumanBytes(64.0 * 1024 * 1024) == "64.0 MiB");
  CHECK(HumanBytes(1024.0 * 1024 - 1) == "1.0 MiB");
  CHECK(HumanCount(0) == "0");
  CHECK(HumanCount(999) == "999");
  CHECK(HumanCount(1000) == "1,000");
  CHECK(HumanCount(1234567) == "1,234,567");
  CHECK(ShortNumber(0) == "0");
  CHECK(ShortNumber(7.5) == "7.5");
  CHECK(ShortNumber(950) == "950");
  CHECK(ShortNumber(12'340) == "12.3k");
  CHECK(ShortNumber(999'900) == "1M");
  CHECK(ShortNumber(4'560'000) == "4.56M");
  CHECK(IsoTime(absl::FromUnixMillis(1'123)) == "1970-01-01T00:00:01.123Z");
}

}  // namespace
}  // namespace estiba::cli
