#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace estiba {

// The limits that proto/estiba/v1/message.proto and broker.proto document.
inline constexpr uint32_t kMaxRequestBytes = 16 << 20;
inline constexpr uint32_t kMaxMessageBytes = 10 << 20;
inline constexpr uint32_t kMaxBatchMessages = 100'000;
inline constexpr uint32_t kMaxAttributes = 100;
inline constexpr uint32_t kMaxAttributeKeyBytes = 256;
inline constexpr uint32_t kMaxAttributeValueBytes = 1024;
inline constexpr uint32_t kMaxOrderingKeyBytes = 1024;
inline constexpr uint32_t kMaxNameBytes = 255;
inline constexpr uint32_t kMaxProducerBytes = 64;
inline constexpr uint32_t kMaxDedupIdBytes = 128;
inline constexpr uint32_t kMaxAnswerDelayMs = 10'000;
inline constexpr int64_t kMinDedupWindowMs = 1'000;
inline constexpr int64_t kMaxDedupWindowMs = 3'600'000;
inline constexpr uint32_t kMaxAckEntries = 10'000;
inline constexpr uint32_t kMaxReplies = 10'000;
inline constexpr uint32_t kMaxErrorBytes = 1024;
inline constexpr int64_t kMaxMessageTimeMs = int64_t{366} * 24 * 3600 * 1000;
inline constexpr int64_t kMaxUnixMs = 253'402'300'799'999;
inline constexpr int64_t kDefaultRequestMs = 30'000;
inline constexpr int64_t kMaxRequestMs = 600'000;
inline constexpr int64_t kMinAckDeadlineMs = 100;
inline constexpr int64_t kMaxAckDeadlineMs = 600'000;
inline constexpr uint32_t kMaxDeadLetterAttempts = 100;
inline constexpr uint32_t kMaxReasonBytes = 1024;
inline constexpr int64_t kMaxRetryMs = 600'000;
inline constexpr int64_t kMinRetentionMs = 1'000;
inline constexpr int64_t kMaxRetentionMs = int64_t{31} * 24 * 3600 * 1000;
inline constexpr uint32_t kMaxLabels = 64;
inline constexpr uint32_t kMaxLabelBytes = 63;
inline constexpr int64_t kMinIdleExpiryMs = 1'000;
inline constexpr int64_t kMaxIdleExpiryMs = int64_t{366} * 24 * 3600 * 1000;
inline constexpr uint64_t kMinTopicBytes = 64 << 10;
inline constexpr uint32_t kMaxCreditMessages = 10'000'000;
inline constexpr uint64_t kMaxCreditBytes = uint64_t{4} << 30;

// INVALID_ARGUMENT naming the field, the value and the rule, unless the name is a valid topic or
// subscription name.
absl::Status CheckName(absl::string_view field, absl::string_view name);

}  // namespace estiba
