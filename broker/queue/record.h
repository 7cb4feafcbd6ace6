#pragma once

#include <cstdint>
#include <string_view>

namespace estiba {

// A stored message is a record: the tag byte of field 2, length-delimited; the length as a varint;
// the encoded message. Records lie back to back, so a run of them is, as it stands, the field
// `repeated Message messages = 2` of any request or response that has it.
// Source of the encoding: protobuf.dev/programming-guides/encoding.
inline constexpr char kRecordTag = 0x12;

// The message of the record at `p`, which must be complete and well formed (as everything in a
// segment is). The record ends where it ends.
inline std::string_view RecordBody(const char* p) {
  uint32_t length = 0;
  int shift = 0;
  uint8_t byte;
  ++p;
  do {
    byte = static_cast<uint8_t>(*p++);
    length |= static_cast<uint32_t>(byte & 0x7f) << shift;
    shift += 7;
  } while (byte & 0x80);
  return std::string_view(p, length);
}

// Past the record at `p`.
inline const char* SkipRecord(const char* p) {
  const std::string_view body = RecordBody(p);
  return body.data() + body.size();
}

// Past `count` records.
inline const char* SkipRecords(const char* p, uint32_t count) {
  while (count-- > 0) p = SkipRecord(p);
  return p;
}

}  // namespace estiba
