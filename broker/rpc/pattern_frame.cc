#include "broker/rpc/pattern_frame.h"

#include <grpcpp/support/slice.h>

#include <string>

#include "broker/base/wire_writer.h"
#include "broker/rpc/bytes.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1.
enum ResponseField : uint32_t { kTopic = 11, kTopicChanges = 12 };
enum TopicChangeField : uint32_t { kNumber = 1, kName = 2, kNextSequence = 3, kLeft = 4 };

}  // namespace

grpc::ByteBuffer WithTopic(uint32_t number, const grpc::ByteBuffer& frame) {
  std::string field;
  WireWriter(field).Varint(kTopic, number);
  std::vector<grpc::Slice> slices;
  // (By reference; it fails for compressed buffers only, which ours are not.)
  if (!frame.Dump(&slices).ok()) return frame;
  slices.insert(slices.begin(), grpc::Slice(field.data(), field.size()));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer EncodeTopicChanges(const std::vector<TopicChange>& changes) {
  std::string response;
  for (const TopicChange& change : changes) {
    std::string body;
    WireWriter writer(body);
    writer.Varint(kNumber, change.number);
    writer.Bytes(kName, change.name);
    if (change.left) {
      writer.Varint(kLeft, 1);
    } else {
      writer.Varint(kNextSequence, change.next_sequence);
    }
    WireWriter(response).Bytes(kTopicChanges, body);
  }
  return ToBuffer(response);
}

}  // namespace estiba
