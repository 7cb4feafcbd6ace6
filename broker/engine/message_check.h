#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "broker/engine/message_times.h"

namespace estiba {

// Checks one encoded estiba.v1.Message: well formed, only known fields, inside the limits that
// message.proto documents, valid UTF-8 where consumers rely on it (a consumer's protobuf would
// otherwise refuse the whole frame). Does not allocate unless it fails. `times`: what it says of
// them.
// Error: INVALID_ARGUMENT, naming messages[index], the field, the value and the rule.
absl::Status CheckMessage(uint32_t index, std::string_view encoded, MessageTimes* times);

bool IsUtf8(std::string_view text);

}  // namespace estiba
