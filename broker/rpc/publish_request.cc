#include "broker/rpc/publish_request.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_reader.h"
#include "broker/engine/limits.h"
#include "broker/engine/message_check.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

enum Field : uint32_t {
  kTopic = 1,
  kMessages = 2,
  kBatch = 3,
  kProducer = 4,
  kDedupId = 5,
  kAnswerDelay = 6,
  kAnswerNow = 7
};

void AddRecord(std::string_view record, bool canonical, std::string_view message,
               PublishRequestView* request) {
  std::string_view& records = request->records;
  if (!canonical) {
    // An over-long varint in front of the message; legal, but not what a record looks like.
    if (request->gathered.empty()) request->gathered.assign(records);
    request->gathered.push_back(kRecordTag);
    for (size_t n = message.size();; n >>= 7) {
      request->gathered.push_back(static_cast<char>(n >= 0x80 ? n | 0x80 : n));
      if (n < 0x80) break;
    }
    request->gathered.append(message);
    records = request->gathered;
  } else if (request->gathered.empty() && (records.empty() || records.end() == record.begin())) {
    records = {records.empty() ? record.data() : records.data(), records.size() + record.size()};
  } else {
    if (request->gathered.empty()) request->gathered.assign(records);
    request->gathered.append(record);
    records = request->gathered;
  }
}

// A length of one or two bytes, in the fewest, of something that ends by `end`.
inline bool ReadShortLength(const char** p, const char* end, uint32_t* length) {
  if (*p == end) return false;
  *length = static_cast<uint8_t>(*(*p)++);
  if (*length >= 0x80) {
    if (*p == end) return false;
    const uint32_t high = static_cast<uint8_t>(*(*p)++);
    if (high >= 0x80 || high == 0) return false;
    *length = (*length & 0x7f) | high << 7;
  }
  return *length <= static_cast<uint32_t>(end - *p);
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

// Most messages are data and nothing else, up to 16 KiB, with nothing between them. Passes over as
// many of these as follow one another, which takes a fraction of what looking at each field does;
// there is nothing in them to check. Returns how many.
uint32_t PassPlainRecords(const char** position, const char* end) {
  constexpr char kDataTag = 1 << 3 | WireReader::kLength;
  uint32_t count = 0;
  for (const char* p = *position; p != end && *p == kRecordTag; ++count, *position = p) {
    const char* const record = p;
    uint32_t message = 0;
    uint32_t data = 0;
    if (!ReadShortLength(&++p, end, &message)) break;
    const char* const message_end = p + message;
    if (message == 0) continue;
    if (*p != kDataTag || !ReadShortLength(&++p, message_end, &data)) break;
    const auto head = static_cast<size_t>(p - record);
    p += data;
    if (p != message_end) break;
    // Often the next are of the same size. Where each of them begins is known then before the one
    // in front of it has been read, so that the processor need not wait for memory every time.
    const ptrdiff_t size = p - record;
    if (size < 8) continue;
    for (; end - p >= size && SameBytes(p, record, head); p += size) ++count;
  }
  return count;
}

// Bytes of the shortest tag and length in front of a message.
size_t HeaderBytes(size_t message_bytes) {
  size_t n = 2;
  while (message_bytes >>= 7) ++n;
  return n;
}

}  // namespace

std::string_view PeekTopic(std::string_view bytes) {
  WireReader reader(bytes);
  uint32_t field = 0;
  uint32_t type = 0;
  std::string_view topic;
  if (reader.AtEnd() || !reader.ReadTag(&field, &type)) return {};
  if (field != kTopic || type != WireReader::kLength || !reader.ReadBytes(&topic)) return {};
  return topic;
}

bool ParsePublishRequest(std::string_view bytes, PublishRequestView* request) {
  WireReader reader(bytes);
  while (!reader.AtEnd()) {
    const char* const start = reader.position();
    const char* position = start;
    if (const uint32_t plain = PassPlainRecords(&position, reader.end()); plain > 0) {
      reader.Advance(position);
      const auto size = static_cast<size_t>(position - start);
      AddRecord({start, size}, /*canonical=*/true, {}, request);
      request->count += plain;
      continue;
    }
    uint32_t field = 0;
    uint32_t type = 0;
    if (!reader.ReadTag(&field, &type)) return false;
    std::string_view value;
    if (field == kMessages && type == WireReader::kLength) {
      if (!reader.ReadBytes(&value)) return false;
      const std::string_view record(start, static_cast<size_t>(reader.position() - start));
      if (request->refusal.ok()) {
        MessageTimes times;
        request->refusal = CheckMessage(request->count, value, &times);
        request->scheduled |= times.scheduled();
        request->expires |= times.time_to_live_ms != 0;
      }
      AddRecord(record, record.size() == value.size() + HeaderBytes(value.size()), value, request);
      ++request->count;
    } else if (field == kTopic && type == WireReader::kLength) {
      if (!reader.ReadBytes(&request->topic)) return false;
    } else if (field == kBatch && type == WireReader::kVarint) {
      if (!reader.ReadVarint(&request->batch)) return false;
    } else if (field == kProducer && type == WireReader::kLength) {
      if (!reader.ReadBytes(&request->producer)) return false;
    } else if (field == kDedupId && type == WireReader::kLength) {
      if (!reader.ReadBytes(&request->dedup_id)) return false;
    } else if (field == kAnswerDelay && type == WireReader::kVarint) {
      if (!reader.ReadVarint(&request->max_answer_delay_ms)) return false;
    } else if (field == kAnswerNow && type == WireReader::kVarint) {
      uint64_t value_read = 0;
      if (!reader.ReadVarint(&value_read)) return false;
      request->answer_now = value_read != 0;
    } else if (!reader.Skip(type)) {
      return false;
    }
  }
  if (!request->refusal.ok()) return true;
  if (request->count == 0) {
    request->refusal = absl::InvalidArgumentError("messages: a batch has at least one");
  } else if (request->count > kMaxBatchMessages) {
    request->refusal = absl::InvalidArgumentError(
        absl::StrCat("messages: ", request->count, ": at most ", kMaxBatchMessages));
  } else if (request->producer.size() > kMaxProducerBytes) {
    request->refusal = absl::InvalidArgumentError(absl::StrCat(
        "producer: ", request->producer.size(), " bytes: at most ", kMaxProducerBytes));
  } else if (request->dedup_id.size() > kMaxDedupIdBytes) {
    request->refusal = absl::InvalidArgumentError(
        absl::StrCat("dedup_id: ", request->dedup_id.size(), " bytes: at most ", kMaxDedupIdBytes));
  }
  return true;
}

}  // namespace estiba
