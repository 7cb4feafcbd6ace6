#include "client/src/frame_buffer.h"

#include <algorithm>
#include <utility>

#include "client/src/duration_codec.h"
#include "client/src/wire.h"

namespace estiba {

using internal::wire::Reader;
using internal::wire::Tag;
using internal::wire::Type;

bool MessageViewBuilder::Parse(std::string_view encoded, MessageView& view) {
  view.encoded_ = encoded;
  view.ordering_key_ = std::string_view();
  view.data_ = std::string_view();
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kBytes)) {
      view.data_ = reader.bytes();
    } else if (reader.tag() == Tag(5, Type::kBytes)) {
      view.ordering_key_ = reader.bytes();
    }
  }
  return reader.ok();
}

const char* MessageViewBuilder::ParsePlain(const char* p, const char* end,
                                           std::vector<MessageView>& views) {
  using internal::wire::ReadShortLength;
  constexpr char kMessageTag = static_cast<char>(Tag(2, Type::kBytes));
  constexpr char kDataTag = static_cast<char>(Tag(1, Type::kBytes));
  for (const char* next = p; next != end && *next == kMessageTag; p = next) {
    const char* const record = next;
    uint32_t size = 0;
    uint32_t data_size = 0;
    if (!ReadShortLength(++next, end, size) || size == 0) break;
    const char* const encoded = next;
    const char* const message_end = next + size;
    if (*next != kDataTag || !ReadShortLength(++next, message_end, data_size)) break;
    if (next + data_size != message_end) break;
    MessageView& view = views.emplace_back();
    view.encoded_ = std::string_view(encoded, size);
    view.data_ = std::string_view(next, data_size);
    const char* const data = next;
    next = message_end;
    // Often the next are of the same size. Where each of them begins is known then before the one
    // in front of it has been read, so that the processor need not wait for memory every time.
    const ptrdiff_t record_size = message_end - record;
    if (record_size < 8) continue;
    const auto head = static_cast<size_t>(data - record);
    for (; end - next >= record_size && internal::wire::SameBytes(next, record, head);
         next += record_size) {
      MessageView& same = views.emplace_back();
      same.encoded_ = std::string_view(next + (encoded - record), size);
      same.data_ = std::string_view(next + head, data_size);
    }
  }
  return p;
}

}  // namespace estiba

namespace estiba::internal {

using wire::Reader;
using wire::Tag;
using wire::Type;

namespace {

bool ParseRange(std::string_view encoded, SequenceRange& range) {
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kVarint)) range.first = reader.number();
    if (reader.tag() == Tag(2, Type::kVarint)) range.last = reader.number();
  }
  return reader.ok();
}

bool ParseGap(std::string_view encoded, Gap& gap) {
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kBytes)) {
      if (!ParseRange(reader.bytes(), gap.range)) return false;
    } else if (reader.tag() == Tag(2, Type::kVarint)) {
      // A reason that this version does not know is reported as unspecified.
      if (reader.number() <= static_cast<uint64_t>(Gap::Reason::kNotKept)) {
        gap.reason = static_cast<Gap::Reason>(reader.number());
      }
    }
  }
  return reader.ok();
}

bool ParseStarted(std::string_view encoded, Started& started) {
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kBytes)) started.topic = reader.bytes();
    if (reader.tag() == Tag(2, Type::kBytes)) started.subscription = reader.bytes();
    if (reader.tag() == Tag(3, Type::kVarint)) started.next_sequence = reader.number();
    if (reader.tag() == Tag(5, Type::kVarint)) started.exactly_once = reader.number() != 0;
    if (reader.tag() == Tag(6, Type::kVarint)) started.incarnation = reader.number();
    if (reader.tag() == Tag(4, Type::kBytes)) {
      const std::optional<absl::Duration> deadline = ParseDuration(reader.bytes());
      if (!deadline) return false;
      started.ack_deadline = *deadline;
    }
  }
  return reader.ok();
}

// estiba.v1.Verdicts.
bool ParseAnswer(std::string_view encoded, Answer& answer) {
  Reader reader(encoded);
  while (reader.Next()) {
    if (reader.tag() == Tag(1, Type::kVarint))
      answer.topic = static_cast<uint32_t>(reader.number());
    if (reader.tag() == Tag(3, Type::kVarint)) answer.more = reader.number() != 0;
    if (reader.tag() != Tag(2, Type::kBytes)) continue;
    uint64_t of = 0;
    uint64_t outcome = 0;
    VerdictRange& verdict = answer.verdicts.emplace_back();
    Reader fields(reader.bytes());
    while (fields.Next()) {
      if (fields.tag() == Tag(1, Type::kVarint)) of = fields.number();
      if (fields.tag() == Tag(2, Type::kVarint)) outcome = fields.number();
      if (fields.tag() == Tag(3, Type::kVarint)) verdict.range.first = fields.number();
      if (fields.tag() == Tag(4, Type::kVarint)) verdict.range.last = fields.number();
    }
    verdict.ack = of == 0;
    verdict.done = outcome == 0;
    verdict.unordered = outcome == 2;
    if (!fields.ok() || verdict.range.last < verdict.range.first) return false;
  }
  return reader.ok();
}

}  // namespace

bool FrameBuffer::Parse(const grpc::ByteBuffer& buffer, uint32_t epoch) {
  if (!buffer.TrySingleSlice(&slice_).ok() && !buffer.DumpToSingleSlice(&slice_).ok()) return false;
  return Parse(std::string_view(reinterpret_cast<const char*>(slice_.begin()), slice_.size()),
               epoch);
}

bool FrameBuffer::Parse(std::string_view encoded, uint32_t epoch) {
  messages_.clear();
  time_marks_.clear();
  sequence_marks_.clear();
  bytes_ = 0;
  started_.reset();
  gap_.reset();
  topic_number_ = 0;
  topic_changes_.clear();
  answers_.clear();
  topic_.reset();

  // The broker writes the header first, but fields may come in any order, so messages get their
  // sequences when everything is read.
  Header header;
  header.epoch = epoch;
  Reader reader(encoded);
  const char* const end = encoded.data() + encoded.size();
  while (true) {
    const char* const plain = reader.rest().data();
    const char* const after = MessageViewBuilder::ParsePlain(plain, end, messages_);
    bytes_ += static_cast<uint64_t>(after - plain);
    reader.Advance(after);
    if (!reader.Next()) break;
    switch (reader.tag()) {
      case Tag(2, Type::kBytes):
        if (!AddMessage(reader.bytes())) return false;
        break;
      case Tag(1, Type::kVarint):
        header.first_sequence = reader.number();
        break;
      case Tag(3, Type::kVarint):
        messages_.reserve(std::min<uint64_t>(reader.number(), encoded.size() / 2));
        break;
      case Tag(4, Type::kVarint):
        header.delivery_attempt = static_cast<uint32_t>(reader.number());
        break;
      case Tag(5, Type::kVarint):
        header.publish_time_ms = static_cast<int64_t>(reader.number());
        break;
      case Tag(6, Type::kBytes):
        if (!AddMark(reader.bytes(), time_marks_)) return false;
        break;
      case Tag(7, Type::kBytes):
        if (!ParseGap(reader.bytes(), gap_.emplace())) return false;
        break;
      case Tag(11, Type::kVarint):
        topic_number_ = static_cast<uint32_t>(reader.number());
        break;
      case Tag(12, Type::kBytes): {
        NumberedChange& change = topic_changes_.emplace_back();
        Reader fields(reader.bytes());
        while (fields.Next()) {
          if (fields.tag() == Tag(1, Type::kVarint)) {
            change.number = static_cast<uint32_t>(fields.number());
          }
          if (fields.tag() == Tag(2, Type::kBytes)) change.change.topic = fields.bytes();
          if (fields.tag() == Tag(4, Type::kVarint)) change.change.left = fields.number() != 0;
        }
        if (!fields.ok()) return false;
        break;
      }
      case Tag(13, Type::kBytes):
        if (!ParseAnswer(reader.bytes(), answers_.emplace_back())) return false;
        break;
      case Tag(8, Type::kBytes):
        if (!ParseStarted(reader.bytes(), started_.emplace())) return false;
        break;
      case Tag(9, Type::kBytes):
        if (!AddMark(reader.bytes(), sequence_marks_)) return false;
        break;
      default:
        break;  // a field of a later version
    }
  }
  if (!reader.ok()) return false;
  PlaceMessages(header);
  return true;
}

bool FrameBuffer::AddMark(std::string_view encoded, std::vector<Mark>& marks) {
  Mark mark;
  Reader fields(encoded);
  while (fields.Next()) {
    if (fields.tag() == Tag(1, Type::kVarint)) mark.index = static_cast<uint32_t>(fields.number());
    if (fields.tag() == Tag(2, Type::kVarint)) mark.more = fields.number();
  }
  if (fields.ok()) marks.push_back(mark);
  return fields.ok();
}

bool FrameBuffer::AddMessage(std::string_view encoded) {
  bytes_ += wire::BytesFieldSize(encoded.size());
  return MessageViewBuilder::Parse(encoded, messages_.emplace_back());
}

void FrameBuffer::PlaceMessages(const Header& header) {
  uint64_t sequence = header.first_sequence;
  int64_t time_ms = header.publish_time_ms;
  size_t time = 0;
  size_t hole = 0;
  for (size_t i = 0; i < messages_.size(); ++i) {
    while (time < time_marks_.size() && time_marks_[time].index <= i) {
      time_ms = header.publish_time_ms + static_cast<int64_t>(time_marks_[time++].more);
    }
    while (hole < sequence_marks_.size() && sequence_marks_[hole].index <= i) {
      sequence = header.first_sequence + i + sequence_marks_[hole++].more;
    }
    MessageViewBuilder::Place(messages_[i], sequence++, time_ms, header.delivery_attempt,
                              header.epoch);
  }
}

void FrameBuffer::SetTopic(std::shared_ptr<const PatternTopic> topic) {
  topic_ = std::move(topic);
  for (MessageView& message : messages_) MessageViewBuilder::SetTopic(message, topic_.get());
  if (gap_) gap_->topic = topic_->name;
}

}  // namespace estiba::internal
