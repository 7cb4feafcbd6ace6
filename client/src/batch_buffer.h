// A batch while it is gathered: `messages` records of a PublishRequest, back to back in one growing
// buffer, which is handed to gRPC without a copy.
//
// Owner: one Publisher, under its lock; not thread-safe. Appending cannot fail (memory aside).
#ifndef ESTIBA_CLIENT_SRC_BATCH_BUFFER_H_
#define ESTIBA_CLIENT_SRC_BATCH_BUFFER_H_

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "client/src/wire.h"
#include "estiba/message.h"

namespace estiba::internal {

// Bytes of `message` as an estiba.v1.Message, and of the record that carries it in a batch.
size_t EncodedSizeOfAll(const MessageRef& message);
inline bool HasOnlyData(const MessageRef& message) {
  return message.attributes.empty() && message.ordering_key.empty() && message.timing == nullptr;
}
inline size_t EncodedSize(const MessageRef& message) {
  if (!HasOnlyData(message)) return EncodedSizeOfAll(message);
  return message.data.empty() ? 0 : wire::BytesFieldSize(message.data.size());
}
inline size_t RecordSize(size_t encoded_size) { return wire::BytesFieldSize(encoded_size); }

// Calls f(field number, milliseconds) for what is set of a message's timing.
template <typename F>
void ForEachTime(const MessageTiming& timing, F&& f) {
  const auto time = [&](uint32_t field, absl::Duration d) {
    const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(d, absl::Milliseconds(1)));
    f(field, static_cast<uint64_t>(std::max<int64_t>(ms, 1)));
  };
  constexpr uint32_t kDeliverAfter = 12;
  constexpr uint32_t kDeliverAt = 13;
  constexpr uint32_t kTimeToLive = 14;
  if (timing.deliver_after > absl::ZeroDuration()) time(kDeliverAfter, timing.deliver_after);
  // Any time that is over means: at once.
  const bool at = timing.deliver_at != absl::InfinitePast();
  if (at) time(kDeliverAt, timing.deliver_at - absl::UnixEpoch());
  if (timing.time_to_live > absl::ZeroDuration()) time(kTimeToLive, timing.time_to_live);
}

class BatchBuffer {
 public:
  // Encodes `message`, whose EncodedSize the caller has (it had to check it against the limit).
  void Append(const MessageRef& message, size_t encoded_size) {
    const size_t record_size = RecordSize(encoded_size);
    if (capacity_ - size_ < record_size) Grow(record_size);
    char* out = memory_.get() + size_;
    *out++ = static_cast<char>(wire::Tag(kMessages, wire::Type::kBytes));
    out = wire::WriteVarint(out, encoded_size);
    if (!HasOnlyData(message)) {
      Encode(message, out);
    } else if (!message.data.empty()) {
      wire::WriteBytesField(out, kData, message.data);
    }
    size_ += record_size;
    ++count_;
  }

  size_t bytes() const { return size_; }
  uint32_t count() const { return count_; }
  // How many of them will get their sequences later.
  uint32_t scheduled() const { return scheduled_; }
  bool empty() const { return count_ == 0; }

  // Hands over what was gathered and starts anew. The next buffer starts about as large as this one
  // became: batches grow with the load, so the last one is the best guess for the next.
  grpc::Slice Release();

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };

  // Field numbers of estiba.v1.PublishRequest and Message.
  static constexpr uint32_t kMessages = 2;
  static constexpr uint32_t kData = 1;

  // Makes room for `bytes` more.
  void Grow(size_t bytes);
  void Encode(const MessageRef& message, char* out);

  std::unique_ptr<char, Free> memory_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  uint32_t count_ = 0;
  uint32_t scheduled_ = 0;
  size_t next_capacity_ = 512;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_BATCH_BUFFER_H_
