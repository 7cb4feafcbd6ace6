#include "client/src/publish_codec.h"

#include "client/src/status.h"
#include "client/src/wire.h"

namespace estiba::internal {

using wire::Reader;
using wire::Tag;
using wire::Type;

grpc::ByteBuffer EncodePublishRequest(const PublishStreamStart& start, uint64_t batch,
                                      const grpc::Slice& records, bool answer_now) {
  const auto& [topic, producer, max_answer_delay_ms] = start;
  size_t size = 1 + wire::VarintSize(batch);
  if (!topic.empty()) size += wire::BytesFieldSize(topic.size());
  if (!producer.empty()) size += wire::BytesFieldSize(producer.size());
  if (max_answer_delay_ms > 0) size += 1 + wire::VarintSize(max_answer_delay_ms);
  if (answer_now) size += 2;
  // Without a start the header is small enough to need no memory of its own.
  grpc::Slice slices[2] = {grpc::Slice(size), records};
  char* out = const_cast<char*>(reinterpret_cast<const char*>(slices[0].begin()));
  if (!topic.empty()) out = wire::WriteBytesField(out, 1, topic);
  *out++ = static_cast<char>(Tag(3, Type::kVarint));
  out = wire::WriteVarint(out, batch);
  if (!producer.empty()) out = wire::WriteBytesField(out, 4, producer);
  if (max_answer_delay_ms > 0) {
    *out++ = static_cast<char>(Tag(6, Type::kVarint));
    out = wire::WriteVarint(out, max_answer_delay_ms);
  }
  if (answer_now) {
    *out++ = static_cast<char>(Tag(7, Type::kVarint));
    *out++ = 1;
  }
  return grpc::ByteBuffer(slices, 2);
}

grpc::ByteBuffer EncodeAnswerNow() {
  const char request[] = {static_cast<char>(Tag(7, Type::kVarint)), 1};
  const grpc::Slice slice(request, sizeof request);
  return grpc::ByteBuffer(&slice, 1);
}

bool ParsePublishResponse(const grpc::ByteBuffer& buffer, std::vector<BatchResult>& results) {
  grpc::Slice slice;
  if (!buffer.TrySingleSlice(&slice).ok() && !buffer.DumpToSingleSlice(&slice).ok()) return false;
  return ParsePublishResponse(
      std::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()), results);
}

bool ParsePublishResponse(std::string_view encoded, std::vector<BatchResult>& results) {
  results.clear();
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() != Tag(1, Type::kBytes)) continue;
    BatchResult& result = results.emplace_back();
    Reader fields(reader.bytes());
    while (fields.Next()) {
      switch (fields.tag()) {
        case Tag(1, Type::kVarint):
          result.batch = fields.number();
          break;
        case Tag(2, Type::kVarint):
          result.first_sequence = fields.number();
          break;
        case Tag(3, Type::kVarint):
          result.count = static_cast<uint32_t>(fields.number());
          break;
        case Tag(6, Type::kVarint):
          result.scheduled = static_cast<uint32_t>(fields.number());
          break;
        case Tag(4, Type::kVarint):
          result.duplicate = fields.number() != 0;
          break;
        case Tag(5, Type::kBytes):
          result.error = ParseError(fields.bytes());
          break;
        default:
          break;
      }
    }
    if (!fields.ok()) return false;
  }
  return reader.ok();
}

}  // namespace estiba::internal
