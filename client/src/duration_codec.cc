#include "client/src/duration_codec.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>

#include "client/src/wire.h"

namespace estiba::internal {
namespace {

// The ranges that google/protobuf/duration.proto and timestamp.proto allow.
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;
constexpr int64_t kMinTimestampSeconds = -62'135'596'800;
constexpr int64_t kMaxTimestampSeconds = 253'402'300'799;

}  // namespace

std::optional<absl::Duration> ParseDuration(std::string_view encoded) {
  absl::Duration duration;
  wire::Reader reader(encoded);
  while (reader.Next()) {
    const int64_t number = static_cast<int64_t>(reader.number());
    if (reader.tag() == wire::Tag(1, wire::Type::kVarint)) duration += absl::Seconds(number);
    if (reader.tag() == wire::Tag(2, wire::Type::kVarint)) duration += absl::Nanoseconds(number);
  }
  if (!reader.ok()) return std::nullopt;
  return duration;
}

void ToProto(absl::Duration duration, google::protobuf::Duration& out) {
  duration =
      std::clamp(duration, absl::Seconds(-kMaxDurationSeconds), absl::Seconds(kMaxDurationSeconds));
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int32_t>(duration / absl::Nanoseconds(1)));
}

void ToProto(absl::Time time, google::protobuf::Timestamp& out) {
  time = std::clamp(time, absl::FromUnixSeconds(kMinTimestampSeconds),
                    absl::FromUnixSeconds(kMaxTimestampSeconds));
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down
  out.set_seconds(seconds);
  out.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace estiba::internal
