#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace estiba {

// Checks one encoded estiba.v1.Message: well formed, only known fields, inside the limits that
// message.proto documents, valid UTF-8 where consumers rely on it (a consumer's protobuf would
// otherwise refuse the whole frame). Does not allocate unless it fails.
// Error: INVALID_ARGUMENT, naming messages[index], the field, the value and the rule.
absl::Status CheckMessage(uint32_t index, std::string_view encoded);

bool IsUtf8(std::string_view text);

}  // namespace estiba
