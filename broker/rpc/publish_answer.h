#pragma once

#include <cstdint>
#include <string>

#include "broker/engine/publish.h"

namespace estiba {

// Appends one `results` entry of an estiba.v1.PublishResponse, encoded.
void AppendResult(uint64_t batch, const PublishResult& result, std::string* response);

}  // namespace estiba
