#pragma once

#include <cstdint>
#include <string_view>

#include "broker/base/wire_reader.h"

namespace estiba {

// What an encoded estiba.v1.Message says of its times, in milliseconds; 0: nothing.
struct MessageTimes {
  static constexpr uint32_t kDeliverAfter = 12;
  static constexpr uint32_t kDeliverAt = 13;
  static constexpr uint32_t kTimeToLive = 14;

  int64_t deliver_after_ms = 0;
  int64_t deliver_at_ms = 0;  // since the Unix epoch
  int64_t time_to_live_ms = 0;

  bool scheduled() const { return deliver_after_ms != 0 || deliver_at_ms != 0; }

  // Null for another field.
  int64_t* Field(uint32_t number) {
    if (number == kDeliverAfter) return &deliver_after_ms;
    if (number == kDeliverAt) return &deliver_at_ms;
    return number == kTimeToLive ? &time_to_live_ms : nullptr;
  }
};

// Of a message that CheckMessage has taken.
inline MessageTimes ReadTimes(std::string_view message) {
  MessageTimes times;
  WireReader reader(message);
  uint32_t field = 0;
  uint32_t type = 0;
  while (!reader.AtEnd() && reader.ReadTag(&field, &type)) {
    int64_t* const time = type == WireReader::kVarint ? times.Field(field) : nullptr;
    uint64_t value = 0;
    if (!(time == nullptr ? reader.Skip(type) : reader.ReadVarint(&value))) break;
    if (time != nullptr) *time = static_cast<int64_t>(value);
  }
  return times;
}

}  // namespace estiba
