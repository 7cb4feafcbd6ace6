#include "broker/queue/log.h"

#include <algorithm>
#include <utility>

#include "broker/queue/record.h"

namespace estiba {
namespace {

// How long a segment took to fill up.
constexpr int64_t kVeryFastMs = 10;
constexpr int64_t kFastMs = 1000;
constexpr int64_t kSlowMs = 30'000;
// Segments may be so large in any case, or such a part of what is held.
constexpr uint64_t kSmall = 8 << 10;
constexpr uint64_t kSmallPart = 8;

}  // namespace

Cursor::Cursor(SegmentPtr segment, uint32_t index)
    : segment_(std::move(segment)),
      sequence_(segment_->base_sequence() + index),
      offset_(segment_->OffsetOf(index)) {
  segment_->AddAnchor();
}

Cursor::Cursor(Cursor&& other) noexcept
    : segment_(std::move(other.segment_)),
      sequence_(other.sequence_),
      offset_(other.offset_),
      left_(std::exchange(other.left_, false)) {}

Cursor& Cursor::operator=(Cursor&& other) noexcept {
  if (this != &other) {
    Reset();
    segment_ = std::move(other.segment_);
    sequence_ = other.sequence_;
    offset_ = other.offset_;
    left_ |= std::exchange(other.left_, false);
  }
  return *this;
}

Run Cursor::Peek(uint32_t max_bytes, uint32_t max_count) {
  while (index() >= segment_->end().count) {
    if (!StepToNextSegment()) return {};
  }
  return segment_->RunAt(offset_, index(), max_bytes, max_count);
}

bool Cursor::StepToNextSegment() {
  Segment* next = segment_->next();
  if (next == nullptr) return false;
  // The last append here may have come after the caller looked; it came before `next` was set.
  if (index() < segment_->end().count) return true;
  MoveTo(next);
  return true;
}

void Cursor::MoveTo(Segment* segment) {
  // The next segment is alive: the log frees none behind one with an anchor.
  segment->AddAnchor();
  left_ |= segment_->DropAnchor();
  segment_ = segment;
  sequence_ = segment->base_sequence();
  offset_ = 0;
}

void Cursor::Advance(const Run& run) {
  offset_ += run.bytes;
  sequence_ += run.count;
}

void Cursor::SkipTo(uint64_t sequence) {
  if (sequence < this->sequence()) return;
  while (sequence > segment_->end_sequence() ||
         (sequence == segment_->end_sequence() && segment_->next() != nullptr)) {
    Segment* next = segment_->next();
    if (next == nullptr) break;
    if (sequence < next->base_sequence()) continue;  // an append came in between
    MoveTo(next);
  }
  const uint32_t to = static_cast<uint32_t>(
      std::min<uint64_t>(sequence - segment_->base_sequence(), segment_->end().count));
  if (to <= index()) return;
  sequence_ = segment_->base_sequence() + to;
  offset_ = segment_->OffsetOf(to);
}

Cursor Cursor::Clone() const { return segment_ == nullptr ? Cursor() : Cursor(segment_, index()); }

void Cursor::Reset() {
  if (segment_ == nullptr) return;
  left_ |= segment_->DropAnchor();
  segment_ = nullptr;
}

bool Cursor::TakeLeft() { return std::exchange(left_, false); }

Log::Log(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {
  PushSegment(Segment::TryMake(storage_, 1, 0));
}

Log::~Log() {
  for (const SegmentPtr& segment : segments_) segment->set_next(nullptr);
}

bool Log::Append(const char* records, uint32_t bytes, uint32_t count, int64_t now_ms,
                 int64_t wall_ms, const AppendExtra& extra) {
  // Publish times never go back within a topic, whatever the machine's clock does.
  wall_ms = last_wall_ms_ = std::max(wall_ms, last_wall_ms_);
  const uint64_t first = end_sequence();
  Segment* const tail = tail_;
  const uint32_t room = tail->TakesTime(wall_ms) ? tail->Room() : 0;
  const int64_t expiry_ms =
      extra.shortest_ttl_ms == 0 ? Segment::kNeverExpires : wall_ms + extra.shortest_ttl_ms;
  if (bytes <= room) {
    tail->Append(records, bytes, count, wall_ms, expiry_ms);
  } else {
    // The open segment takes the messages that still fit, a new one the rest; made before anything
    // is copied, so that a batch is taken whole or not at all.
    const char* split = records;
    uint32_t head_count = 0;
    for (const char* next = SkipRecord(split); next - records <= static_cast<ptrdiff_t>(room);
         next = SkipRecord(split)) {
      split = next;
      ++head_count;
    }
    const uint32_t head_bytes = static_cast<uint32_t>(split - records);
    SegmentPtr segment = MakeSegment(bytes - head_bytes, first + head_count, now_ms, extra.prepaid);
    if (segment == nullptr) return false;
    if (head_count > 0) tail->Append(records, head_bytes, head_count, wall_ms, expiry_ms);
    segment->Append(split, bytes - head_bytes, count - head_count, wall_ms, expiry_ms);
    PushSegment(std::move(segment));
  }
  end_sequence_.store(first + count, std::memory_order_relaxed);
  next_place_ = tail_->NextPlace();
  return true;
}

SegmentPtr Log::MakeSegment(uint32_t bytes, uint64_t base_sequence, int64_t now_ms,
                            uint64_t* prepaid) {
  // Twice the size where the last segment filled up fast, half where it took long. A large one is
  // not to be empty for the most part if nothing more comes: it grows to an eighth of what is held,
  // beyond that only if it will be full in no time, and stays so only while it fills up fast.
  const int64_t age_ms = now_ms - last_segment_ms_;
  const uint64_t most = std::max(kSmall, held_bytes_ / kSmallPart);
  uint32_t usual = next_capacity_;
  if (age_ms < kFastMs) {
    const uint32_t twice = std::min(usual * 2, storage_->memory->max_segment_bytes);
    if (twice <= most || age_ms < kVeryFastMs) usual = twice;
  } else if (age_ms > kSlowMs) {
    usual = std::max(usual / 2, Segment::kPage);
  }
  // More may have been held before.
  while (usual > most && age_ms >= kFastMs) usual /= 2;
  const uint32_t needed = Segment::CapacityFor(bytes);
  SegmentPtr segment = Segment::TryMake(storage_, base_sequence, std::max(needed, usual), prepaid);
  if (segment == nullptr && needed < usual) {
    segment = Segment::TryMake(storage_, base_sequence, needed, prepaid);
  }
  if (segment == nullptr) return nullptr;
  next_capacity_ = usual;
  last_segment_ms_ = now_ms;
  return segment;
}

void Log::PushSegment(SegmentPtr segment) {
  held_bytes_ += segment->capacity() + sizeof(Segment);
  Segment* const last = std::exchange(tail_, segment.get());
  segments_.push_back(std::move(segment));
  if (last != nullptr) last->set_next(tail_);
}

uint64_t Log::begin_sequence() const { return segments_.front()->base_sequence(); }

uint64_t Log::message_bytes() const {
  uint64_t bytes = 0;
  for (const SegmentPtr& segment : segments_) bytes += segment->end().bytes;
  return bytes;
}

Cursor Log::At(uint64_t sequence) const {
  auto after = std::upper_bound(
      segments_.begin(), segments_.end(), sequence,
      [](uint64_t s, const SegmentPtr& segment) { return s < segment->base_sequence(); });
  if (after == segments_.begin()) return Cursor(segments_.front(), 0);
  const SegmentPtr& segment = *std::prev(after);
  const uint64_t index = sequence - segment->base_sequence();
  return Cursor(segment, static_cast<uint32_t>(std::min<uint64_t>(index, segment->end().count)));
}

Cursor Log::AtTime(int64_t time_ms) const {
  for (const SegmentPtr& segment : segments_) {
    const uint32_t index = segment->IndexAtTime(time_ms);
    if (index < segment->end().count) return Cursor(segment, index);
  }
  return At(end_sequence());
}

bool Log::Reclaim() {
  bool freed = false;
  while (segments_.size() > 1 && !segments_.front()->Anchored()) {
    held_bytes_ -= segments_.front()->capacity() + sizeof(Segment);
    Remember(*segments_.front());
    segments_.pop_front();
    freed = true;
  }
  return freed;
}

void Log::Remember(const Segment& freed) {
  const uint32_t count = freed.end().count;
  if (count == 0) return;
  freed_.push_back({freed.base_sequence(), freed.TimeOf(count - 1)});
  if (freed_.size() <= kFreedRemembered) return;
  freed_[1].first = freed_[0].first;
  freed_.erase(freed_.begin());
}

uint64_t Log::FreedSince(int64_t time_ms) const {
  const auto first = std::find_if(freed_.begin(), freed_.end(), [=](const Freed& freed) {
    return freed.last_time_ms >= time_ms;
  });
  return first == freed_.end() ? begin_sequence() : first->first;
}

void Log::Seal() {
  if (HasOpenBlock()) PushSegment(Segment::TryMake(storage_, end_sequence(), 0));
}

uint64_t Log::BeginOfLast(uint64_t bytes) const {
  uint64_t sum = 0;
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    sum += (*segment)->end().bytes;
    if (sum >= bytes) return (*segment)->base_sequence();
  }
  return begin_sequence();
}

uint64_t Log::SecondSegment() const {
  return segments_.size() > 1 ? segments_[1]->base_sequence() : end_sequence();
}

}  // namespace estiba
