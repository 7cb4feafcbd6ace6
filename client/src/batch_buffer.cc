#include "client/src/batch_buffer.h"

#include <algorithm>
#include <new>

namespace estiba::internal {
namespace {

// Field numbers of estiba.v1.Message and of its map entries.
constexpr uint32_t kAttributes = 2;
constexpr uint32_t kOrderingKey = 5;
constexpr uint32_t kEntryKey = 1;
constexpr uint32_t kEntryValue = 2;

size_t EntrySize(const AttributeRef& attribute) {
  return wire::BytesFieldSize(attribute.first.size()) +
         wire::BytesFieldSize(attribute.second.size());
}

}  // namespace

size_t EncodedSizeOfAll(const MessageRef& message) {
  size_t size = message.data.empty() ? 0 : wire::BytesFieldSize(message.data.size());
  if (!message.ordering_key.empty()) size += wire::BytesFieldSize(message.ordering_key.size());
  for (const AttributeRef& attribute : message.attributes) {
    size += wire::BytesFieldSize(EntrySize(attribute));
  }
  if (message.timing != nullptr) {
    ForEachTime(*message.timing, [&](uint32_t, uint64_t ms) { size += 1 + wire::VarintSize(ms); });
  }
  return size;
}

void BatchBuffer::Encode(const MessageRef& message, char* out) {
  if (!message.data.empty()) out = wire::WriteBytesField(out, kData, message.data);
  for (const AttributeRef& attribute : message.attributes) {
    *out++ = static_cast<char>(wire::Tag(kAttributes, wire::Type::kBytes));
    out = wire::WriteVarint(out, EntrySize(attribute));
    out = wire::WriteBytesField(out, kEntryKey, attribute.first);
    out = wire::WriteBytesField(out, kEntryValue, attribute.second);
  }
  if (!message.ordering_key.empty()) {
    out = wire::WriteBytesField(out, kOrderingKey, message.ordering_key);
  }
  if (message.timing != nullptr) {
    ForEachTime(*message.timing, [&](uint32_t field, uint64_t ms) {
      *out++ = static_cast<char>(wire::Tag(field, wire::Type::kVarint));
      out = wire::WriteVarint(out, ms);
    });
    if (message.timing->scheduled()) ++scheduled_;
  }
}

grpc::Slice BatchBuffer::Release() {
  next_capacity_ = std::max<size_t>(512, std::min<size_t>(std::bit_ceil(size_), 1 << 20));
  char* memory = memory_.release();
  grpc::Slice slice(
      memory, size_, [](void* user) { std::free(user); }, memory);
  capacity_ = size_ = count_ = scheduled_ = 0;
  return slice;
}

void BatchBuffer::Grow(size_t bytes) {
  const size_t wanted = std::max({size_ + bytes, capacity_ * 2, next_capacity_});
  char* grown = static_cast<char*>(std::realloc(memory_.get(), wanted));
  if (grown == nullptr) throw std::bad_alloc();
  memory_.release();  // realloc has freed or moved it
  memory_.reset(grown);
  capacity_ = wanted;
}

}  // namespace estiba::internal
