#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <limits>
#include <memory>

#include "broker/queue/atomic.h"
#include "broker/queue/block_pool.h"
#include "broker/queue/budget.h"

namespace estiba {

// What all topics of a broker take their memory from.
struct Memory {
  Memory(uint64_t budget_bytes, uint32_t segment_bytes)
      : budget(budget_bytes), pool(segment_bytes, budget), max_segment_bytes(segment_bytes) {}

  Budget budget;
  BlockPool pool;
  // Capacity of the segments of a busy topic. A multiple of 4 KiB.
  const uint32_t max_segment_bytes;
  // A publish found no room here: whoever keeps what nobody needs is to let go of it.
  std::atomic<bool> wanted{false};
};

// One topic's share of it. Segments keep it alive: a frame that is still on its way out may hold
// one longer than its topic exists.
struct Storage {
  Storage(std::shared_ptr<Memory> m, uint64_t budget_bytes)
      : memory(std::move(m)), budget(budget_bytes, &memory->budget) {}

  const std::shared_ptr<Memory> memory;
  Budget budget;
};

class Segment;
using SegmentPtr = boost::intrusive_ptr<Segment>;

// Consecutive messages in a segment: what a frame carries, what a lease covers. Keeps the segment's
// memory; copying it copies no message.
struct Run {
  SegmentPtr segment;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  uint64_t first = 0;
  uint32_t count = 0;

  const char* data() const;
  uint64_t end() const { return first + count; }
  bool empty() const { return count == 0; }
  // Cuts off and returns the first `n` messages (n <= count). Walks n records.
  Run TakeFront(uint32_t n);
};

// A contiguous block of memory with stored messages back to back from its front, and a sparse index
// of them growing from its back. Filled once, front to back, never changed after.
//
// Threads: one writer (Append, set_next); any number of readers for everything else, without locks.
// Memory: what Append wrote is visible to whoever reads an end() that covers it.
// Lifetime: reference-counted; the block goes back to the pool, and its bytes to the budget, with
// the last reference.
class Segment : public boost::intrusive_ref_counter<Segment> {
 public:
  // At most one entry for an append: where the publish time changes, or the last entry is 64
  // messages back or more. All messages of an append have the same time.
  struct IndexEntry {
    uint32_t offset;
    uint32_t index;
    uint32_t later_ms;
  };
  static constexpr uint32_t kIndexStride = 64;
  // Smallest block; capacities are multiples of it.
  static constexpr uint32_t kPage = 4096;
  static constexpr int64_t kNeverExpires = std::numeric_limits<int64_t>::max();

  struct End {
    uint32_t bytes;
    uint32_t count;
  };

  // Null when the budget or the system has no room. `capacity` 0 makes a segment without a block,
  // which costs next to nothing.
  // prepaid: so much has been charged to the budget for it already; what it takes of that is
  // subtracted. Null: nothing.
  static SegmentPtr TryMake(std::shared_ptr<Storage> storage, uint64_t base_sequence,
                            uint32_t capacity, uint64_t* prepaid = nullptr);
  // A copy of a run, not empty, in a segment of its own, as small as it can be; null as above.
  static SegmentPtr TryCopy(std::shared_ptr<Storage> storage, const Run& run);
  // Capacity that holds so much in one append.
  static uint32_t CapacityFor(uint32_t bytes);
  ~Segment();

  // Writer: bytes that one more append may bring.
  uint32_t Room() const;
  // Writer: whether one more append may come so late. Entries count 49 days from the first append.
  bool TakesTime(int64_t now_ms) const;
  // Writer: appends `count` records, at least one, bytes <= Room(). now_ms: publish time, not
  // before the last one's, and TakesTime. expiry_ms: none of them has outlived its time to live
  // before.
  void Append(const char* records, uint32_t bytes, uint32_t count, int64_t now_ms,
              int64_t expiry_ms = kNeverExpires);

  // Where the next append writes, a message and its index entry.
  struct Place {
    const char* record = nullptr;
    const char* entry = nullptr;
  };
  // Writer.
  Place NextPlace() const;
  // Has what an append looks at brought into the cache. Reads nothing of the segment.
  void Prefetch(const Place& place) const;

  // What has been published: a release/acquire pair with Append.
  End end() const;
  uint64_t base_sequence() const { return base_sequence_; }
  uint64_t end_sequence() const { return base_sequence_ + end().count; }
  uint32_t capacity() const { return capacity_; }
  const char* block() const { return block_; }

  // Messages from `index` (at `offset`) on: at least one, at most max_count, and no more than
  // max_bytes unless the first alone is larger. index < end().count; limits at least 1.
  Run RunAt(uint32_t offset, uint32_t index, uint32_t max_bytes, uint32_t max_count);
  // Byte offset of a message, index <= end().count. Walks from the last index entry before it: 63
  // messages and one append at most.
  uint32_t OffsetOf(uint32_t index) const;
  // Publish time of a message, index < end().count.
  int64_t TimeOf(uint32_t index) const;
  // The first message published at or after the time; end().count if there is none.
  uint32_t IndexAtTime(int64_t time_ms) const;
  // First index after `index` with a later publish time; UINT32_MAX if there is none. The writer
  // may be about to publish it: then it is end().count. index < end().count.
  uint32_t NextTimeChange(uint32_t index) const;

  // The earliest time at which a message has outlived its time to live, of those that an end()
  // seen before covers; kNeverExpires if none ever does.
  int64_t first_expiry_ms() const { return first_expiry_ms_.load(std::memory_order_relaxed); }

  // The next segment of the log: set once, by the writer, after its last Append here.
  Segment* next() const { return next_.load(std::memory_order_acquire); }         // S3
  void set_next(Segment* next) { next_.store(next, std::memory_order_release); }  // S3

  // Cursors standing in this segment. The log keeps a segment while it, or an earlier one, has any.
  void AddAnchor() { anchors_.fetch_add(1, std::memory_order_relaxed); }
  // True: that was the last. Release is enough: only the writer, in Anchored, builds upon it.
  bool DropAnchor() { return anchors_.fetch_sub(1, std::memory_order_release) == 1; }  // S4
  bool Anchored() const { return anchors_.load(std::memory_order_acquire) != 0; }      // S4

 private:
  Segment(std::shared_ptr<Storage> storage, uint64_t base_sequence, const Block& block,
          uint32_t capacity);

  // Has the block hold memory up to there, and a little further.
  void Populate(uint32_t end);
  uint32_t Charge() const { return capacity_ + sizeof(Segment); }
  const IndexEntry& Entry(uint32_t i) const;
  // The last entry that is not after a message. There must be one.
  // The last entry at or before both a message and a byte offset.
  uint32_t LastEntryWithin(uint32_t index, uint32_t offset) const;
  uint32_t LastEntryByIndex(uint32_t index) const;
  uint32_t EntryCount() const { return entries_.load(std::memory_order_acquire); }  // S2

  const std::shared_ptr<Storage> storage_;
  const uint64_t base_sequence_;
  char* const block_;
  Slab* const slab_;
  const uint32_t capacity_;
  uint32_t resident_;         // see Block
  int64_t base_time_ms_ = 0;  // written before the first end_ store, constant after
  Atomic<uint64_t> end_{0};   // bytes << 32 | count
  Atomic<uint32_t> entries_{0};
  Atomic<int64_t> first_expiry_ms_{kNeverExpires};  // published with end_
  Atomic<Segment*> next_{nullptr};
  Atomic<uint32_t> anchors_{0};
};

}  // namespace estiba
