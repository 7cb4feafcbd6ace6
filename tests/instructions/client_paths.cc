// The client's main paths: messages into requests, and frames into messages, without gRPC's own
// work.
#include <string>

#include "client/src/batch_buffer.h"
#include "client/src/frame_buffer.h"
#include "client/src/publish_codec.h"
#include "tests/instructions/paths.h"

namespace estiba::testing {
namespace {

grpc::Slice Encode(internal::BatchBuffer& buffer, const MessageRef& message, uint32_t batch) {
  for (uint32_t i = 0; i < batch; ++i) buffer.Append(message, internal::EncodedSize(message));
  return buffer.Release();
}

void Send(uint32_t messages, uint32_t batch) {
  const std::string payload(kPayloadBytes, 'x');
  MessageRef message;
  message.data = payload;
  internal::BatchBuffer buffer;
  uint64_t bytes = 0;
  for (uint32_t sent = 0; sent < messages; sent += batch) {
    bytes += internal::EncodePublishRequest({}, sent + 1, Encode(buffer, message, batch)).Length();
  }
  Require(bytes > uint64_t{messages} * kPayloadBytes, "every byte");
}

void Receive(uint32_t messages) {
  const std::string payload(kPayloadBytes, 'x');
  MessageRef message;
  message.data = payload;
  internal::BatchBuffer records;
  const grpc::Slice slice = Encode(records, message, kBatch);
  // first_sequence, count, delivery_attempt and publish_time_ms, as the broker writes them.
  std::string frame("\x08\x01\x18\xf4\x03\x20\x01\x28\x01");
  frame.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  internal::FrameBuffer buffer;
  uint64_t bytes = 0;
  for (uint32_t received = 0; received < messages; received += kBatch) {
    Require(buffer.Parse(frame), "a frame");
    for (const MessageView& view : buffer.messages()) bytes += view.data().size();
  }
  Require(bytes == uint64_t{messages} * kPayloadBytes, "every byte");
}

Paths ClientPaths() {
  return {
      {"send-batches", [](uint32_t n) { Send(n, kBatch); }},
      {"send-single-messages", [](uint32_t n) { Send(n, 1); }},
      {"receive", Receive},
  };
}

}  // namespace
}  // namespace estiba::testing

int main(int argc, char** argv) {
  return estiba::testing::RunPath(estiba::testing::ClientPaths(), argc, argv);
}
