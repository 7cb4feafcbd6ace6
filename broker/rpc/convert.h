#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "broker/engine/config.h"

namespace google::protobuf {
class Duration;
class Timestamp;
}  // namespace google::protobuf

namespace estiba {

namespace v1 {
class StartFrom;
class Subscription;
class SubscriptionConfig;
class Topic;
}  // namespace v1

class PatternSubscription;
class Subscription;
class Topic;

// Between the API's messages and the engine's types. Errors are INVALID_ARGUMENT naming `field`,
// the value and the rule.

absl::Status ReadMillis(absl::string_view field, const google::protobuf::Duration& duration,
                        int64_t min_ms, int64_t max_ms, int64_t* ms);
absl::Status ReadStartFrom(absl::string_view field, const v1::StartFrom& from,
                           StartPosition* position);
// Changes what is set in the message.
absl::Status ReadSubscriptionConfig(absl::string_view field, const v1::SubscriptionConfig& in,
                                    SubscriptionConfig* out);

void WriteMillis(int64_t ms, google::protobuf::Duration* duration);
void WriteTime(int64_t unix_ms, google::protobuf::Timestamp* time);
void WriteTopic(const Topic& topic, v1::Topic* out);
void WriteSubscription(const Subscription& subscription, v1::Subscription* out);
void WriteSubscription(const PatternSubscription& subscription, v1::Subscription* out);

}  // namespace estiba
