#include "broker/engine/dead_letter.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_reader.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/message_times.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

constexpr uint32_t kAttributesField = 2;
constexpr uint64_t kBatchBytes = 32 << 10;  // a copy beside the budget, so not much

void AppendAttribute(std::string_view key, std::string_view value, WireWriter& writer) {
  std::string entry;
  WireWriter entry_writer(entry);
  entry_writer.Bytes(1, key);
  entry_writer.Bytes(2, value);
  writer.Bytes(kAttributesField, entry);
}

// Whether an encoded attribute is one of those that are replaced.
bool IsOurs(std::string_view entry) {
  WireReader reader(entry);
  uint32_t field = 0;
  uint32_t type = 0;
  std::string_view text;
  std::string_view key;
  while (!reader.AtEnd() && reader.ReadTag(&field, &type)) {
    if (type != WireReader::kLength || !reader.ReadBytes(&text)) break;
    if (field == 1) key = text;
  }
  return key == kSourceTopic || key == kSourceSubscription || key == kSourceSequence ||
         key == kAttempts || key == kReason;
}

// The fields of a message without those attributes and its times, which have had their effect. What
// is malformed is kept as it is.
std::string WithoutOurs(std::string_view message) {
  std::string kept;
  WireReader reader(message);
  while (!reader.AtEnd()) {
    const char* const begin = reader.position();
    uint32_t field = 0;
    uint32_t type = 0;
    std::string_view entry;
    if (!reader.ReadTag(&field, &type)) return std::string(message);
    const bool attribute = field == kAttributesField && type == WireReader::kLength;
    if (!(attribute ? reader.ReadBytes(&entry) : reader.Skip(type))) return std::string(message);
    if (attribute ? IsOurs(entry) : MessageTimes().Field(field) != nullptr) continue;
    kept.append(begin, reader.position());
  }
  return kept;
}

}  // namespace

void AppendDeadLetter(std::string_view message, const std::string& topic,
                      const std::string& subscription, uint64_t sequence, uint32_t attempts,
                      const std::string& reason, std::string* records) {
  std::string letter = WithoutOurs(message);
  WireWriter writer(letter);
  AppendAttribute(kSourceTopic, topic, writer);
  if (!subscription.empty()) AppendAttribute(kSourceSubscription, subscription, writer);
  AppendAttribute(kSourceSequence, absl::StrCat(sequence), writer);
  AppendAttribute(kAttempts, absl::StrCat(attempts), writer);
  AppendAttribute(kReason, reason, writer);
  static_assert(kRecordTag == (2 << 3 | 2), "a record is field 2");
  WireWriter(*records).Bytes(2, letter);
}

void DeadLetterBatch::Fill(IntervalMap<DeadLetter>& waiting, uint32_t most,
                           const std::string& topic, const std::string& subscription) {
  Clear();
  uint32_t taken = 0;
  while (!waiting.empty() && taken < most && encoded_.size() < kBatchBytes) {
    DeadLetter letter = waiting.PopFront();
    const char* p = letter.run.data();
    uint32_t n = 0;
    while (n < letter.run.count && taken < most && encoded_.size() < kBatchBytes) {
      const std::string_view message = RecordBody(p);
      AppendDeadLetter(message, topic, subscription, letter.run.first + n, letter.attempts,
                       *letter.reason, &encoded_);
      p = message.data() + message.size();
      ++n;
      ++taken;
    }
    letters_.push_back({letter.run.TakeFront(n), letter.attempts, letter.reason});
    if (!letter.run.empty()) waiting.Insert(std::move(letter));
  }
  records = encoded_.data();
  bytes = static_cast<uint32_t>(encoded_.size());
  count = taken;
  result = {};
}

void DeadLetterBatch::Abandon() {
  letters_.clear();
  abandoned_.store(true, std::memory_order_relaxed);
}

void DeadLetterBatch::Clear() {
  abandoned_.store(false, std::memory_order_relaxed);
  letters_.clear();
  std::string().swap(encoded_);
}

}  // namespace estiba
