#pragma once

#include <string_view>

#include "broker/base/wire_reader.h"

namespace estiba {

// The ordering key of an encoded estiba.v1.Message, which lies in it; empty: it has none.
inline std::string_view OrderingKey(std::string_view message) {
  constexpr uint32_t kField = 5;
  WireReader reader(message);
  std::string_view key;
  uint32_t field = 0;
  uint32_t type = 0;
  while (!reader.AtEnd() && reader.ReadTag(&field, &type)) {
    const bool wanted = field == kField && type == WireReader::kLength;
    if (wanted ? !reader.ReadBytes(&key) : !reader.Skip(type)) break;
  }
  return key;
}

}  // namespace estiba
