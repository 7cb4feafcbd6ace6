// google.protobuf.Duration and Timestamp to and from absl's types.
#ifndef ESTIBA_CLIENT_SRC_DURATION_CODEC_H_
#define ESTIBA_CLIENT_SRC_DURATION_CODEC_H_

#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace google::protobuf {
class Duration;
class Timestamp;
}  // namespace google::protobuf

namespace estiba::internal {

// From the wire. nullopt: malformed.
std::optional<absl::Duration> ParseDuration(std::string_view encoded);

// Infinite and out-of-range values become the nearest that the type can carry.
void ToProto(absl::Duration duration, google::protobuf::Duration& out);
void ToProto(absl::Time time, google::protobuf::Timestamp& out);
absl::Duration FromProto(const google::protobuf::Duration& duration);
absl::Time FromProto(const google::protobuf::Timestamp& time);

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_DURATION_CODEC_H_
