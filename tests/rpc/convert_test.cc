#include "broker/rpc/convert.h"

#include <cstdint>

#include "estiba/v1/broker.pb.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("A duration is read in whole milliseconds, within its limits") {
  google::protobuf::Duration duration;
  int64_t ms = -1;
  duration.set_seconds(1);
  duration.set_nanos(234'999'999);
  REQUIRE(ReadMillis("f", duration, 1, 2000, &ms).ok());
  CHECK(ms == 1234);
  CHECK(ReadMillis("f", duration, 1234, 1234, &ms).ok());
  CHECK(ReadMillis("f", duration, 1235, 2000, &ms).message() ==
        "f: 1 s 234999999 ns: between 1235 ms and 2000 ms");
  CHECK_FALSE(ReadMillis("f", duration, 1, 1233, &ms).ok());
}

TEST_CASE("No duration at all is too large to be refused properly") {
  for (const int64_t seconds : {INT64_MIN, INT64_MIN / 1000 - 1, INT64_MAX / 1000 + 1, INT64_MAX}) {
    for (const int32_t nanos : {INT32_MIN, 0, INT32_MAX}) {
      google::protobuf::Duration duration;
      duration.set_seconds(seconds);
      duration.set_nanos(nanos);
      int64_t ms = 0;
      CHECK(ReadMillis("f", duration, 0, 600'000, &ms).code() ==
            absl::StatusCode::kInvalidArgument);
    }
  }
}

TEST_CASE("A start is read as position, sequence or time; none is the earliest") {
  StartPosition position;
  v1::StartFrom from;
  REQUIRE(ReadStartFrom("from", from, &position).ok());
  CHECK(position.kind == StartPosition::Kind::kEarliest);
  from.set_position(v1::StartFrom::LATEST);
  REQUIRE(ReadStartFrom("from", from, &position).ok());
  CHECK(position.kind == StartPosition::Kind::kLatest);
  from.set_sequence(5);
  REQUIRE(ReadStartFrom("from", from, &position).ok());
  CHECK(position.kind == StartPosition::Kind::kSequence);
  CHECK(position.sequence == 5);
  from.mutable_time()->set_seconds(1'700'000'000);
  from.mutable_time()->set_nanos(999'999'999);
  REQUIRE(ReadStartFrom("from", from, &position).ok());
  CHECK(position.kind == StartPosition::Kind::kTime);
  CHECK(position.time_ms == 1'700'000'000'999);
}

TEST_CASE("A time that is not a timestamp is refused with field, value and rule") {
  for (const auto& [seconds, nanos] :
       {std::pair<int64_t, int32_t>{INT64_MAX, 0}, {INT64_MIN, 0}, {0, -1}, {0, 1'000'000'000}}) {
    v1::StartFrom from;
    from.mutable_time()->set_seconds(seconds);
    from.mutable_time()->set_nanos(nanos);
    StartPosition position;
    const absl::Status status = ReadStartFrom("from", from, &position);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK_THAT(std::string(status.message()), HasText("from.time: "));
    CHECK_THAT(std::string(status.message()), HasText("is not a valid timestamp"));
  }
}

TEST_CASE("Times are written in seconds and nanoseconds") {
  google::protobuf::Duration duration;
  WriteMillis(61'007, &duration);
  CHECK(duration.seconds() == 61);
  CHECK(duration.nanos() == 7'000'000);
  google::protobuf::Timestamp time;
  WriteTime(1'700'000'000'999, &time);
  CHECK(time.seconds() == 1'700'000'000);
  CHECK(time.nanos() == 999'000'000);
}

}  // namespace
}  // namespace estiba::testing
