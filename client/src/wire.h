// The protobuf wire format, as much of it as the hot paths need: written and read by hand, because
// a message object per message is what a broker client cannot afford.
//
// Free functions and a value type; no threads, no allocation. A Reader never reads outside the
// bytes it was given; malformed input ends it with ok() == false.
#ifndef ESTIBA_CLIENT_SRC_WIRE_H_
#define ESTIBA_CLIENT_SRC_WIRE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace estiba::internal::wire {

enum class Type : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint32_t Tag(uint32_t field, Type type) {
  return field << 3 | static_cast<uint32_t>(type);
}

// Bytes that `value` takes as a varint, 1-10.
constexpr size_t VarintSize(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Each Write puts its bytes at `out`, which has room, and returns the end of them.
inline char* WriteVarint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

// Field numbers up to 15 only, so that the tag is one byte.
inline char* WriteBytesField(char* out, uint32_t field, std::string_view bytes) {
  *out++ = static_cast<char>(Tag(field, Type::kBytes));
  out = WriteVarint(out, bytes.size());
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}
constexpr size_t BytesFieldSize(size_t bytes) { return 1 + VarintSize(bytes) + bytes; }

// A length of one or two bytes, in the fewest, of something that ends by `end`.
inline bool ReadShortLength(const char*& p, const char* end, uint32_t& length) {
  if (p == end) return false;
  length = static_cast<unsigned char>(*p++);
  if (length >= 0x80) {
    if (p == end) return false;
    const uint32_t high = static_cast<unsigned char>(*p++);
    if (high >= 0x80 || high == 0) return false;
    length = (length & 0x7f) | high << 7;
  }
  return length <= static_cast<uint32_t>(end - p);
}

// Whether the first `size` bytes are the same, 1-8; both have eight.
inline bool SameBytes(const char* a, const char* b, size_t size) {
  uint64_t x = 0;
  uint64_t y = 0;
  std::memcpy(&x, a, 8);
  std::memcpy(&y, b, 8);
  const size_t rest = 64 - 8 * size;
  return (std::endian::native == std::endian::little ? (x ^ y) << rest : (x ^ y) >> rest) == 0;
}

// Walks the fields of one encoded message.
class Reader {
 public:
  explicit Reader(std::string_view encoded)
      : at_(encoded.data()), end_(encoded.data() + encoded.size()) {}

  // Goes to the next field. False at the end, and on malformed input.
  bool Next() {
    if (at_ == end_) return false;
    uint64_t tag = 0;
    if (!ReadVarint(tag) || tag > UINT32_MAX || tag >> 3 == 0) return Fail();
    tag_ = static_cast<uint32_t>(tag);
    switch (static_cast<Type>(tag_ & 7)) {
      case Type::kVarint:
        return ReadVarint(number_) || Fail();
      case Type::kBytes: {
        uint64_t size = 0;
        if (!ReadVarint(size) || size > static_cast<uint64_t>(end_ - at_)) return Fail();
        bytes_ = std::string_view(at_, static_cast<size_t>(size));
        at_ += size;
        return true;
      }
      case Type::kFixed64:
        return Skip(8) || Fail();
      case Type::kFixed32:
        return Skip(4) || Fail();
    }
    return Fail();
  }

  // Of the field Next went to. Compare with Tag(...): a field of another type is another tag.
  uint32_t tag() const { return tag_; }
  uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

  // False once malformed input was met.
  bool ok() const { return ok_; }
  // Passes over what was read otherwise.
  void Advance(const char* position) { at_ = position; }
  // What has not been walked yet.
  std::string_view rest() const { return std::string_view(at_, static_cast<size_t>(end_ - at_)); }

 private:
  bool ReadVarint(uint64_t& value) {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {
      value = static_cast<unsigned char>(*at_++);
      return true;
    }
    if (end_ - at_ >= 2 && static_cast<unsigned char>(at_[1]) < 0x80) {
      value = static_cast<unsigned char>(at_[0] & 0x7f) | static_cast<uint64_t>(at_[1]) << 7;
      at_ += 2;
      return true;
    }
    uint64_t result = 0;
    for (int shift = 0; shift < 70 && at_ != end_; shift += 7) {
      const unsigned char byte = static_cast<unsigned char>(*at_++);
      result |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        value = result;
        return true;
      }
    }
    return false;
  }

  bool Skip(ptrdiff_t count) {
    if (end_ - at_ < count) return false;
    at_ += count;
    return true;
  }

  bool Fail() {
    ok_ = false;
    at_ = end_;
    return false;
  }

  const char* at_;
  const char* end_;
  uint32_t tag_ = 0;
  uint64_t number_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace estiba::internal::wire

#endif  // ESTIBA_CLIENT_SRC_WIRE_H_
