#pragma once

#include <cstdint>
#include <string_view>

namespace estiba {

// Reads the protobuf wire format (protobuf.dev/programming-guides/encoding) without building
// messages. Every function returns false at a malformed or truncated input, and is then done.
// Threads: one at a time. Lifetime: views point into the input.
class WireReader {
 public:
  enum Type : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

  explicit WireReader(std::string_view input)
      : p_(input.data()), end_(input.data() + input.size()) {}

  bool AtEnd() const { return p_ == end_; }
  const char* position() const { return p_; }
  const char* end() const { return end_; }

  bool ReadVarint(uint64_t* value) {
    if (p_ != end_ && static_cast<uint8_t>(*p_) < 0x80) {
      *value = static_cast<uint8_t>(*p_++);
      return true;
    }
    if (end_ - p_ >= 2 && static_cast<uint8_t>(p_[1]) < 0x80) {
      *value = static_cast<uint8_t>(p_[0] & 0x7f) | static_cast<uint64_t>(p_[1]) << 7;
      p_ += 2;
      return true;
    }
    uint64_t result = 0;
    for (int shift = 0; shift < 64 && p_ != end_; shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(*p_++);
      result |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  // The number and type of the next field.
  bool ReadTag(uint32_t* field, uint32_t* type) {
    uint64_t tag = 0;
    if (!ReadVarint(&tag) || tag > 0xffffffffu || tag < 8) return false;
    *field = static_cast<uint32_t>(tag >> 3);
    *type = static_cast<uint32_t>(tag & 7);
    return true;
  }

  // The contents of a length-delimited field, after its tag.
  bool ReadBytes(std::string_view* bytes) {
    uint64_t length = 0;
    if (!ReadVarint(&length) || length > static_cast<uint64_t>(end_ - p_)) return false;
    *bytes = std::string_view(p_, length);
    p_ += length;
    return true;
  }

  // Passes over bytes that were read otherwise: a part of what is left.
  void Advance(const char* position) { p_ = position; }

  // Passes over a field of any type, after its tag.
  bool Skip(uint32_t type) {
    uint64_t varint = 0;
    std::string_view bytes;
    switch (type) {
      case kVarint:
        return ReadVarint(&varint);
      case kFixed64:
        return SkipBytes(8);
      case kLength:
        return ReadBytes(&bytes);
      case kFixed32:
        return SkipBytes(4);
      default:
        return false;  // groups do not occur in proto3
    }
  }

 private:
  bool SkipBytes(int n) {
    if (end_ - p_ < n) return false;
    p_ += n;
    return true;
  }

  const char* p_;
  const char* end_;
};

}  // namespace estiba
