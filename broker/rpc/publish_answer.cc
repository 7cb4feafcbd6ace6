#include "broker/rpc/publish_answer.h"

#include "broker/base/wire_writer.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1.
enum PublishResponseField : uint32_t { kResults = 1 };
enum BatchResultField : uint32_t {
  kBatch = 1,
  kFirstSequence = 2,
  kCount = 3,
  kDuplicate = 4,
  kError = 5,
  kScheduled = 6
};
enum ErrorField : uint32_t { kCode = 1, kMessage = 2, kRetryAfter = 3 };
enum DurationField : uint32_t { kSeconds = 1, kNanos = 2 };

std::string EncodeError(const PublishResult& result) {
  std::string error;
  WireWriter writer(error);
  writer.Varint(kCode, static_cast<uint64_t>(result.status.code()));
  const auto message = result.status.message();
  writer.Bytes(kMessage, {message.data(), message.size()});
  if (result.retry_after_ms > 0) {
    std::string duration;
    WireWriter duration_writer(duration);
    duration_writer.Varint(kSeconds, static_cast<uint64_t>(result.retry_after_ms / 1000));
    duration_writer.Varint(kNanos, static_cast<uint64_t>(result.retry_after_ms % 1000 * 1'000'000));
    writer.Bytes(kRetryAfter, duration);
  }
  return error;
}

}  // namespace

void AppendResult(uint64_t batch, const PublishResult& result, std::string* response) {
  std::string entry;  // short enough not to allocate, unless there is an error
  WireWriter writer(entry);
  if (batch != 0) writer.Varint(kBatch, batch);
  if (result.status.ok()) {
    writer.Varint(kFirstSequence, result.first_sequence);
    writer.Varint(kCount, result.count);
    if (result.duplicate) writer.Varint(kDuplicate, 1);
    if (result.scheduled != 0) writer.Varint(kScheduled, result.scheduled);
  } else {
    writer.Bytes(kError, EncodeError(result));
  }
  WireWriter(*response).Bytes(kResults, entry);
}

}  // namespace estiba
