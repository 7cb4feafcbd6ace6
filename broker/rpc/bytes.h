#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <string>
#include <string_view>
#include <vector>

namespace estiba {

// A received message as contiguous bytes. Holds the buffer; one that arrived in several pieces is
// put together in a copy.
class ReceivedBytes {
 public:
  // Takes the buffer over. False from ok(): the buffer could not be read.
  explicit ReceivedBytes(grpc::ByteBuffer* buffer) {
    ok_ = buffer->TrySingleSlice(&slice_).ok() || buffer->DumpToSingleSlice(&slice_).ok();
    buffer->Clear();
  }

  ReceivedBytes() = default;

  bool ok() const { return ok_; }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(slice_.begin()), slice_.size()};
  }
  // The same bytes, by reference.
  grpc::ByteBuffer ToBuffer() const { return grpc::ByteBuffer(&slice_, 1); }

 private:
  grpc::Slice slice_;
  bool ok_ = false;
};

// A copy of the bytes, to be sent.
inline grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace estiba
