#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace estiba {

// Appends protobuf wire format (protobuf.dev/programming-guides/encoding) to a string. Values that
// are 0 are written too; callers leave them out.
// Threads: one at a time. Lifetime: the string outlives it.
class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}

  void Varint(uint32_t field, uint64_t value) {
    AppendVarint(uint64_t{field} << 3);
    AppendVarint(value);
  }
  void Bytes(uint32_t field, std::string_view bytes) {
    AppendVarint(uint64_t{field} << 3 | 2);
    AppendVarint(bytes.size());
    out_.append(bytes);
  }

 private:
  void AppendVarint(uint64_t value) {
    char buffer[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) buffer[n++] = static_cast<char>(value | 0x80);
    buffer[n++] = static_cast<char>(value);
    out_.append(buffer, n);
  }

  std::string& out_;
};

}  // namespace estiba
