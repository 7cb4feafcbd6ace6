#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/queue/segment.h"

namespace estiba {

// A reader's place in a log: just before one message. While it exists, the log keeps everything
// from there on.
//
// Threads: one at a time; any number of cursors beside each other and beside the log's writer.
// Lifetime: must not outlive the log. Movable.
class Cursor {
 public:
  Cursor() = default;
  Cursor(SegmentPtr segment, uint32_t index);
  ~Cursor() { Reset(); }
  Cursor(Cursor&& other) noexcept;
  Cursor& operator=(Cursor&& other) noexcept;

  explicit operator bool() const { return segment_ != nullptr; }
  uint64_t sequence() const { return sequence_; }
  const Segment& segment() const { return *segment_; }

  // The messages here, as Segment::RunAt limits them; empty if there are none yet. Steps over to
  // the next segment where this one has ended.
  Run Peek(uint32_t max_bytes, uint32_t max_count);
  // Passes over a run that Peek returned.
  void Advance(const Run& run);
  // Goes on to a sequence at or after the present one and not after the end of the log.
  void SkipTo(uint64_t sequence);
  // Keeps the present place of this one as well.
  Cursor Clone() const;
  // Lets go.
  void Reset();

  // True, once, if this cursor was the last to leave some segment: Log::Reclaim may find something.
  // The destructor tells nobody: Reset and ask first.
  bool TakeLeft();

 private:
  bool StepToNextSegment();
  void MoveTo(Segment* segment);
  uint32_t index() const { return static_cast<uint32_t>(sequence_ - segment_->base_sequence()); }

  SegmentPtr segment_;
  uint64_t sequence_ = 0;
  uint32_t offset_ = 0;
  bool left_ = false;
};

// What few appends have.
struct AppendExtra {
  // The shortest time to live among the records; 0: they live as long as they are kept.
  int64_t shortest_ttl_ms = 0;
  // So much has been charged to the budget for a segment that may be needed; what is used of it is
  // subtracted. Null: nothing.
  uint64_t* prepaid = nullptr;
};

// The messages of one topic, in memory: a chain of segments. One writer appends, cursors follow
// without locks.
//
// Threads: every member belongs to the writer (the topic's turn), except end_sequence().
// Bound: the storage's budget. Full: Append says so and changes nothing.
class Log {
 public:
  explicit Log(std::shared_ptr<Storage> storage);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Copies the records in and gives them the next `count` (at least 1) sequences. False: no room in
  // the budget, nothing was taken. `now_ms` is the steady-clock time that steers segment sizes,
  // `wall_ms` the publish time, which never goes back: an earlier one counts as the last one.
  [[nodiscard]] bool Append(const char* records, uint32_t bytes, uint32_t count, int64_t now_ms,
                            int64_t wall_ms, const AppendExtra& extra = {});

  // Has what the next Append looks at brought into the cache.
  void Prefetch() const { tail_->Prefetch(next_place_); }

  // The sequence that the next message gets. Any thread; only advisory for other threads than the
  // writer's, which learn of messages through their cursor.
  uint64_t end_sequence() const { return end_sequence_.load(std::memory_order_relaxed); }
  // The publish time of the last message; 0: there was none.
  int64_t last_publish_ms() const { return last_wall_ms_; }
  // The first sequence in memory; end_sequence() if there is none.
  uint64_t begin_sequence() const;
  // Encoded bytes in memory, and the memory held for them.
  uint64_t message_bytes() const;
  uint64_t held_bytes() const { return held_bytes_; }

  // The place of a sequence, limited to what is in memory; of the first message published at a time
  // or later.
  Cursor At(uint64_t sequence) const;
  Cursor AtTime(int64_t time_ms) const;

  // The first sequence that may have been published at a time or later and is no longer in memory;
  // begin_sequence() if there is none. Tells segments apart, not messages, and the oldest of them
  // less and less.
  uint64_t FreedSince(int64_t time_ms) const;

  // Frees segments at the front in which no cursor stands. True if it freed any. To be called when
  // a cursor says TakeLeft, and after Append and Seal: the last segment stays, and one that was
  // left while it was the last can go only when another follows.
  bool Reclaim();
  // Ends the open segment, so that its memory can be freed when the cursors have left it.
  void Seal();
  // Whether the open segment holds a block.
  bool HasOpenBlock() const { return tail_->capacity() != 0; }
  // Where the second segment begins: what giving up the first one means (nothing, where that is
  // begin_sequence(): Reclaim frees an empty one). end_sequence() if there is only one.
  uint64_t SecondSegment() const;
  // Where the last segments begin that together hold `bytes` or more, as encoded; begin_sequence()
  // if all of them hold less. Walks those segments.
  uint64_t BeginOfLast(uint64_t bytes) const;

 private:
  // A segment that was freed.
  struct Freed {
    uint64_t first;
    int64_t last_time_ms;
  };
  static constexpr size_t kFreedRemembered = 64;

  void PushSegment(SegmentPtr segment);
  void Remember(const Segment& freed);
  // A segment for `bytes` more, of the size the topic's traffic asks for if the budget allows.
  SegmentPtr MakeSegment(uint32_t bytes, uint64_t base_sequence, int64_t now_ms, uint64_t* prepaid);

  // What an append looks at comes first, in a cache line: topics are many, and each is out of the
  // cache.
  Segment* tail_ = nullptr;
  Segment::Place next_place_;
  int64_t last_wall_ms_ = 0;
  Atomic<uint64_t> end_sequence_{1};
  uint64_t held_bytes_ = 0;
  int64_t last_segment_ms_ = 0;
  uint32_t next_capacity_ = Segment::kPage;
  const std::shared_ptr<Storage> storage_;
  boost::container::deque<SegmentPtr> segments_;  // never empty
  std::vector<Freed> freed_;                      // oldest first; the first may stand for several
};

}  // namespace estiba
