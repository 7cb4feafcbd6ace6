#include "broker/queue/segment.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "broker/base/prefetch.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

// How far memory is ahead of what is written: a part of the capacity within limits.
constexpr uint32_t kAheadShare = 16;
constexpr uint32_t kLeastAhead = 16 << 10;
constexpr uint32_t kMostAhead = 64 << 10;

}  // namespace

const char* Run::data() const { return segment->block() + offset; }

Run Run::TakeFront(uint32_t n) {
  Run front = *this;
  front.count = n;
  if (segment == nullptr && n < count) {
    // The memory was given up; the bytes, still counted as credit, are shared out.
    front.bytes = count == 0 ? 0 : static_cast<uint32_t>(uint64_t{bytes} * n / count);
  } else if (n < count) {
    front.bytes = static_cast<uint32_t>(SkipRecords(data(), n) - data());
    offset += front.bytes;
  }
  bytes -= front.bytes;
  first += n;
  count -= n;
  return front;
}

SegmentPtr Segment::TryMake(std::shared_ptr<Storage> storage, uint64_t base_sequence,
                            uint32_t capacity, uint64_t* prepaid) {
  const uint64_t charge = uint64_t{capacity} + sizeof(Segment);
  if (capacity == 0) {
    storage->budget.ForceCharge(charge);
    return SegmentPtr(new Segment(std::move(storage), base_sequence, {}, 0));
  }
  const uint64_t paid = prepaid == nullptr ? 0 : std::min(charge, *prepaid);
  const uint64_t unpaid = charge - paid;
  if (unpaid > 0 && !storage->budget.TryCharge(unpaid)) return nullptr;
  const Block block = storage->memory->pool.Allocate(capacity);
  if (block.data == nullptr) {
    if (unpaid > 0) storage->budget.Release(unpaid);
    return nullptr;
  }
  if (prepaid != nullptr) *prepaid -= paid;
  return SegmentPtr(new Segment(std::move(storage), base_sequence, block, capacity));
}

SegmentPtr Segment::TryCopy(std::shared_ptr<Storage> storage, const Run& run) {
  const Segment& from = *run.segment;
  uint32_t index = static_cast<uint32_t>(run.first - from.base_sequence());
  const uint32_t end = index + run.count;
  uint32_t marks = 1;
  for (uint32_t i = from.NextTimeChange(index); i < end; i = from.NextTimeChange(i)) ++marks;
  constexpr uint32_t kAlignment = 3;
  SegmentPtr copy =
      TryMake(std::move(storage), run.first,
              kAlignment + run.bytes + (marks + 1) * static_cast<uint32_t>(sizeof(IndexEntry)));
  if (copy == nullptr) return nullptr;
  const char* p = run.data();
  while (index < end) {
    const uint32_t stop = std::min(from.NextTimeChange(index), end);
    const char* next = SkipRecords(p, stop - index);
    copy->Append(p, static_cast<uint32_t>(next - p), stop - index, from.TimeOf(index),
                 from.first_expiry_ms());
    p = next;
    index = stop;
  }
  return copy;
}

uint32_t Segment::CapacityFor(uint32_t bytes) {
  const uint32_t needed = bytes + sizeof(IndexEntry);
  return (needed + kPage - 1) / kPage * kPage;
}

Segment::Segment(std::shared_ptr<Storage> storage, uint64_t base_sequence, const Block& block,
                 uint32_t capacity)
    : storage_(std::move(storage)),
      base_sequence_(base_sequence),
      block_(block.data),
      slab_(block.slab),
      capacity_(capacity),
      resident_(block.resident) {}

Segment::~Segment() {
  if (block_ != nullptr) storage_->memory->pool.Free({block_, slab_, resident_}, capacity_);
  storage_->budget.Release(Charge());
}

// Entries lie at the block's back, aligned to 4 bytes, the first one last.
const Segment::IndexEntry& Segment::Entry(uint32_t i) const {
  const char* const entry = block_ + (capacity_ & ~3u) - (i + 1) * sizeof(IndexEntry);
  NoteRead(entry);
  return *reinterpret_cast<const IndexEntry*>(entry);
}

uint32_t Segment::Room() const {
  const uint64_t end = end_.load(std::memory_order_relaxed);  // the writer's own store
  const uint32_t entries = entries_.load(std::memory_order_relaxed);
  const uint64_t taken = (end >> 32) + (uint64_t{entries} + 1) * sizeof(IndexEntry);
  return taken >= (capacity_ & ~3u) ? 0 : static_cast<uint32_t>((capacity_ & ~3u) - taken);
}

bool Segment::TakesTime(int64_t now_ms) const {
  return entries_.load(std::memory_order_relaxed) == 0 ||  // the writer's own store
         now_ms - base_time_ms_ <= std::numeric_limits<uint32_t>::max();
}

void Segment::Populate(uint32_t end) {
  const uint32_t ahead = std::clamp(capacity_ / kAheadShare, kLeastAhead, kMostAhead);
  const uint32_t wanted = std::max(end, resident_ + ahead);
  Block block{block_, slab_, resident_};
  BlockPool::Populate(&block, std::min(capacity_, (wanted + kPage - 1) / kPage * kPage));
  resident_ = block.resident;
}

void Segment::Append(const char* records, uint32_t bytes, uint32_t count, int64_t now_ms,
                     int64_t expiry_ms) {
  const uint64_t end = end_.load(std::memory_order_relaxed);  // the writer's own stores
  const uint32_t entries = entries_.load(std::memory_order_relaxed);
  const uint32_t used = static_cast<uint32_t>(end >> 32);
  const uint32_t index = static_cast<uint32_t>(end);
  if (entries == 0) base_time_ms_ = now_ms;
  const uint32_t later = static_cast<uint32_t>(std::max<int64_t>(0, now_ms - base_time_ms_));
  if (entries == 0 || Entry(entries - 1).later_ms < later ||
      index - Entry(entries - 1).index >= kIndexStride) {
    const uint32_t floor_ms = entries == 0 ? 0 : Entry(entries - 1).later_ms;
    const IndexEntry& entry = Entry(entries);
    NoteWrite(&entry);
    const_cast<IndexEntry&>(entry) = {used, index, std::max(later, floor_ms)};
    entries_.store(entries + 1, std::memory_order_release);  // S2: publishes the entry
  }
  if (used + bytes > resident_) Populate(used + bytes);
  std::memcpy(block_ + used, records, bytes);
  if (expiry_ms < first_expiry_ms()) first_expiry_ms_.store(expiry_ms, std::memory_order_relaxed);
  // S1: publishes the messages and, for readers that come by the end, their index entries and
  // times.
  end_.store((uint64_t{used} + bytes) << 32 | (index + count), std::memory_order_release);
}

Segment::Place Segment::NextPlace() const {
  const uint32_t used = static_cast<uint32_t>(end_.load(std::memory_order_relaxed) >> 32);
  const uint32_t entries = entries_.load(std::memory_order_relaxed);
  return {block_ + used, block_ + (capacity_ & ~3u) - (entries + 1) * sizeof(IndexEntry)};
}

void Segment::Prefetch(const Place& place) const {
  PrefetchLines(this, sizeof(Segment) + kCacheLine);
  if (place.record == nullptr) return;
  PrefetchLines(place.record, 3 * kCacheLine);
  PrefetchLines(place.entry, 1);
}

Segment::End Segment::end() const {
  const uint64_t end = end_.load(std::memory_order_acquire);  // S1
  return {static_cast<uint32_t>(end >> 32), static_cast<uint32_t>(end)};
}

uint32_t Segment::LastEntryByIndex(uint32_t index) const {
  uint32_t low = 0;
  uint32_t high = EntryCount();
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    (Entry(middle).index <= index ? low : high) = middle;
  }
  return low;
}

Run Segment::RunAt(uint32_t offset, uint32_t index, uint32_t max_bytes, uint32_t max_count) {
  const End published = end();
  uint32_t stop = published.count;
  uint32_t stop_offset = published.bytes;
  if (published.bytes - offset > max_bytes || published.count - index > max_count) {
    // The index leads to within a stride of the end; only from there messages are walked, as each
    // step is likely a cache miss.
    const uint32_t limit_offset = offset + std::min(max_bytes, published.bytes - offset);
    const uint32_t limit_index = index + std::min(max_count, published.count - index);
    const char* const limit = block_ + limit_offset;
    const IndexEntry& entry = Entry(LastEntryWithin(limit_index, limit_offset));
    const bool jump = entry.index > index;
    const char* p = jump ? block_ + entry.offset : SkipRecord(block_ + offset);
    uint32_t n = jump ? entry.index - index : 1;
    for (; n < limit_index - index; ++n) {
      const char* next = SkipRecord(p);
      if (next > limit) break;
      p = next;
    }
    stop = index + n;
    stop_offset = static_cast<uint32_t>(p - block_);
  }
  return {this, offset, stop_offset - offset, base_sequence_ + index, stop - index};
}

uint32_t Segment::LastEntryWithin(uint32_t index, uint32_t offset) const {
  uint32_t low = 0;
  uint32_t high = EntryCount();
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    (Entry(middle).index <= index && Entry(middle).offset <= offset ? low : high) = middle;
  }
  return low;
}

uint32_t Segment::OffsetOf(uint32_t index) const {
  const End published = end();
  if (index >= published.count) return published.bytes;
  const IndexEntry& entry = Entry(LastEntryByIndex(index));
  const char* from = block_ + entry.offset;
  return static_cast<uint32_t>(SkipRecords(from, index - entry.index) - block_);
}

int64_t Segment::TimeOf(uint32_t index) const {
  return base_time_ms_ + Entry(LastEntryByIndex(index)).later_ms;
}

uint32_t Segment::IndexAtTime(int64_t time_ms) const {
  const uint32_t count = end().count;
  const uint32_t entries = EntryCount();
  if (count == 0) return 0;
  uint32_t low = 0;
  uint32_t high = entries;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (base_time_ms_ + Entry(middle).later_ms < time_ms) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == entries ? count : std::min(Entry(low).index, count);
}

uint32_t Segment::NextTimeChange(uint32_t index) const {
  const uint32_t entries = EntryCount();
  uint32_t i = LastEntryByIndex(index);
  const uint32_t time = Entry(i).later_ms;
  while (++i < entries) {
    if (Entry(i).later_ms != time) return Entry(i).index;
  }
  return std::numeric_limits<uint32_t>::max();
}

}  // namespace estiba
