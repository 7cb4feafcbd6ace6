#include "broker/queue/log.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/queue/records.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::Bodies;
using testing::MakeRecord;
using testing::NumberedBody;

constexpr uint32_t kNoLimit = UINT32_MAX;
constexpr uint32_t kMaxSegment = 64 << 10;
constexpr int64_t kMinute = 60'000;

// A log whose messages are numbered by their sequences. Minutes pass between appends unless the
// test says otherwise, so that segments stay at one page.
struct Fixture {
  explicit Fixture(uint64_t budget_bytes = 0)
      : memory(std::make_shared<Memory>(budget_bytes, kMaxSegment)),
        storage(std::make_shared<Storage>(memory, 0)),
        log(std::make_unique<Log>(storage)) {}

  bool Append(uint32_t count, size_t bytes, int64_t pause_ms = kMinute) {
    now_ms += pause_ms;
    return AppendAt(count, bytes, now_ms);
  }
  bool AppendAt(uint32_t count, size_t bytes, int64_t wall_ms) {
    std::string records;
    for (uint32_t i = 0; i < count; ++i) {
      records += MakeRecord(NumberedBody(log->end_sequence() + i, bytes));
    }
    return log->Append(records.data(), static_cast<uint32_t>(records.size()), count, now_ms,
                       wall_ms);
  }
  uint64_t used() const { return storage->budget.UsedApprox(); }

  std::shared_ptr<Memory> memory;
  std::shared_ptr<Storage> storage;
  std::unique_ptr<Log> log;
  int64_t now_ms = 1'000'000'000;
};

// Reads to the end; every message must be of `bytes` and follow the last one. The sequence after.
uint64_t ReadAll(Cursor& cursor, size_t bytes, uint32_t max_bytes = kNoLimit) {
  for (;;) {
    const uint64_t expected = cursor.sequence();
    const Run run = cursor.Peek(max_bytes, kNoLimit);
    if (run.empty()) return expected;
    REQUIRE(run.first == expected);
    const std::vector<std::string> bodies = Bodies(run);
    REQUIRE(bodies.size() == run.count);
    bool same = true;
    for (uint32_t i = 0; i < run.count; ++i)
      same &= bodies[i] == NumberedBody(run.first + i, bytes);
    REQUIRE(same);
    cursor.Advance(run);
    REQUIRE(cursor.sequence() == run.end());
  }
}

TEST_CASE("Log: a new one is empty, begins at 1 and costs next to nothing") {
  Fixture f;
  CHECK(f.log->begin_sequence() == 1);
  CHECK(f.log->end_sequence() == 1);
  CHECK(f.log->SecondSegment() == 1);
  CHECK(f.log->message_bytes() == 0);
  CHECK(f.log->held_bytes() < 256);
  CHECK_FALSE(f.log->HasOpenBlock());
  CHECK_FALSE(f.log->Reclaim());
  f.log->Seal();
  CHECK(f.log->held_bytes() == f.used());
  Cursor cursor = f.log->At(1);
  CHECK(cursor.Peek(1, 1).empty());
  CHECK(f.log->At(99).sequence() == 1);
  CHECK(f.log->AtTime(0).sequence() == 1);
}

TEST_CASE("Log: one exists even where the budget is full") {
  Fixture f(1);
  CHECK_FALSE(f.Append(1, 1));
  CHECK(f.log->end_sequence() == 1);
}

TEST_CASE("Log: one message is read by cursors made before and after it") {
  Fixture f;
  Cursor before = f.log->At(1);
  REQUIRE(f.Append(1, 10));
  Cursor after = f.log->At(1);
  CHECK(ReadAll(before, 10) == 2);
  CHECK(ReadAll(after, 10) == 2);
  CHECK(f.log->end_sequence() == 2);
  CHECK(f.log->message_bytes() == 12);
  CHECK(f.log->HasOpenBlock());
}

TEST_CASE("Log: messages of many segments are read in order, in runs of any size") {
  Fixture f;
  Cursor cursor = f.log->At(1);
  for (int i = 0; i < 100; ++i) REQUIRE(f.Append(7, 100));
  for (const uint32_t max_bytes : {1u, 102u, 500u, 100'000u}) {
    Cursor other = f.log->At(1);
    CHECK(ReadAll(other, 100, max_bytes) == 701);
  }
  CHECK(f.log->held_bytes() == f.used());
  CHECK(f.log->message_bytes() == 700 * 102);
  CHECK(ReadAll(cursor, 100) == 701);
}

TEST_CASE("Log: a batch fills the open segment and goes on in a new one") {
  Fixture f;
  REQUIRE(f.Append(30, 100));  // 3060 of 4096 bytes
  REQUIRE(f.Append(30, 100));
  const uint64_t second = f.log->SecondSegment();  // the first is the empty one of a new log
  CHECK(second == 1);
  Cursor cursor = f.log->At(1);
  CHECK(ReadAll(cursor, 100) == 61);
  Cursor start = f.log->At(1);
  CHECK(start.Peek(kNoLimit, kNoLimit).count == 39);  // 39 * 102 bytes and two index entries
}

TEST_CASE("Log: a batch of which nothing fits any more goes to a new segment whole") {
  Fixture f;
  REQUIRE(f.Append(1, 4000));
  REQUIRE(f.Append(2, 1000));
  Cursor cursor = f.log->At(2);
  CHECK(cursor.Peek(kNoLimit, kNoLimit).count == 2);
}

TEST_CASE(
    "Log: a batch that fits to the last byte stays in the open segment, one byte more does not") {
  for (const size_t more : {0, 1}) {
    Fixture f;
    REQUIRE(f.Append(1, 1000));  // 1003 bytes and an entry; another entry to come
    const size_t body = Segment::kPage - 2 * sizeof(Segment::IndexEntry) - 1003 - 3;
    REQUIRE(f.Append(1, body + more));
    Cursor cursor = f.log->At(1);
    CHECK(cursor.Peek(kNoLimit, kNoLimit).count == 2 - more);
  }
}

TEST_CASE("Log: a batch and a message larger than the largest segment get one of their own size") {
  Fixture f;
  REQUIRE(f.Append(1, 10));
  REQUIRE(f.Append(3000, 100));
  REQUIRE(f.Append(1, 10 * kMaxSegment));
  REQUIRE(f.Append(1, 100));
  Cursor cursor = f.log->At(2);
  Run run = cursor.Peek(kNoLimit, kNoLimit);
  CHECK(run.count < 50);
  cursor.Advance(run);
  run = cursor.Peek(kNoLimit, kNoLimit);
  CHECK(run.end() == 3002);
  cursor.Advance(run);
  run = cursor.Peek(1, 1);
  REQUIRE(run.count == 1);
  CHECK(Bodies(run)[0] == NumberedBody(3002, 10 * kMaxSegment));
  CHECK(f.log->end_sequence() == 3004);
  CHECK(f.log->held_bytes() == f.used());
}

TEST_CASE("Log: an append that the budget refuses changes nothing, and works once there is room") {
  Fixture f(5 * Segment::kPage);
  Cursor cursor = f.log->At(1);
  while (f.Append(10, 100)) {
  }
  // 2 fit into the open segment, the others do not: none may be taken.
  const uint64_t end = f.log->end_sequence();
  const uint64_t held = f.log->held_bytes();
  const uint64_t bytes = f.log->message_bytes();
  const uint64_t used = f.used();
  CHECK_FALSE(f.Append(100, 100));
  CHECK_FALSE(f.Append(1, 3 * Segment::kPage));
  CHECK(f.log->end_sequence() == end);
  CHECK(f.log->held_bytes() == held);
  CHECK(f.log->message_bytes() == bytes);
  CHECK(f.used() == used);
  CHECK(f.memory->budget.UsedApprox() == used);
  CHECK(ReadAll(cursor, 100) == end);
  REQUIRE(f.log->Reclaim());
  CHECK(f.Append(10, 100));
  CHECK(ReadAll(cursor, 100) == end + 10);
}

TEST_CASE("Log: refused appends do not make the segments after them larger") {
  Fixture f(3 * Segment::kPage);
  Cursor cursor = f.log->At(1);
  REQUIRE(f.Append(1, 3900));
  REQUIRE(f.Append(1, 3900));
  for (int i = 0; i < 20; ++i) CHECK_FALSE(f.Append(1, 3900, 1));
  REQUIRE(ReadAll(cursor, 3900) == 3);
  REQUIRE(f.log->Reclaim());
  REQUIRE(f.Append(1, 3900, 5000));
  const Run run = cursor.Peek(1, 1);
  CHECK(run.segment->capacity() == Segment::kPage);
}

TEST_CASE(
    "Log: where the budget refuses the size of a busy topic, the smallest that fits is taken") {
  Fixture f(48 << 10);
  while (f.Append(10, 100, 0)) {  // doubles until the next double does not fit
  }
  CHECK(f.used() > (48 << 10) - 2 * Segment::kPage);  // 4 + 8 + 16 KiB, then of 4
}

TEST_CASE("Log: segments grow where they fill up fast, and shrink where it takes long") {
  Fixture f;
  const auto capacity_now = [&] {
    Cursor cursor = f.log->At(f.log->end_sequence() - 1);
    return cursor.Peek(1, 1).segment->capacity();
  };
  REQUIRE(f.Append(10, 100));
  CHECK(capacity_now() == Segment::kPage);
  for (int i = 0; i < 5000; ++i) REQUIRE(f.Append(1, 100, 0));
  CHECK(capacity_now() == kMaxSegment);
  for (int i = 0; i < 700; ++i) REQUIRE(f.Append(1, 100, 10));  // 7 s a segment: as it is
  CHECK(capacity_now() == kMaxSegment);
  for (int i = 0; i < 2000; ++i) REQUIRE(f.Append(1, 100, kMinute));
  CHECK(capacity_now() == Segment::kPage);
}

TEST_CASE("Log: a large segment is at most an eighth of what is held, unless it fills up at once") {
  constexpr uint32_t kMost = 1 << 20;
  for (const int64_t pause_ms : {0, 1, 3}) {
    Log log(std::make_shared<Storage>(std::make_shared<Memory>(0, kMost), 0));
    const std::string record = MakeRecord(std::string(1000, 'x'));
    const auto append = [&](int64_t now_ms) {
      REQUIRE(log.Append(record.data(), static_cast<uint32_t>(record.size()), 1, now_ms, now_ms));
    };
    append(0);
    uint32_t largest = 0;
    uint64_t held = log.held_bytes();
    for (int64_t i = 1; i < 3000; ++i) {
      append(i * pause_ms);
      const uint64_t added = log.held_bytes() - std::exchange(held, log.held_bytes());
      const auto capacity = static_cast<uint32_t>(added == 0 ? 0 : added - sizeof(Segment));
      if (pause_ms > 0 && capacity > (16 << 10)) REQUIRE(capacity <= (held - added) / 8);
      largest = std::max(largest, capacity);
    }
    INFO(pause_ms << " ms between messages of 1 KB");
    CHECK(largest == (pause_ms == 0 ? kMost : kMost / 4));
  }
}

TEST_CASE("Log: what was large while much was held is small for what comes now and then") {
  constexpr uint32_t kMost = 1 << 20;
  Log log(std::make_shared<Storage>(std::make_shared<Memory>(0, kMost), 0));
  const std::string record = MakeRecord(std::string(1000, 'x'));
  const auto append = [&](int64_t now_ms) {
    REQUIRE(log.Append(record.data(), static_cast<uint32_t>(record.size()), 1, now_ms, now_ms));
  };
  for (int i = 0; i < 5000; ++i) append(0);  // a burst, which is consumed
  for (int64_t now_ms = 5000; now_ms < 60'000; now_ms += 5000) {
    log.Seal();
    log.Reclaim();
    const uint64_t held = log.held_bytes();
    append(now_ms);
    CHECK(log.held_bytes() - held <= (16 << 10) + sizeof(Segment));
  }
}

TEST_CASE(
    "Log: a hundred thousand 100-byte messages held cost at most a quarter more than their bytes") {
  constexpr size_t kBody = 102;  // 100 bytes of data as a field
  for (const uint32_t batch : {1u, 10u, 256u}) {
    const auto memory = std::make_shared<Memory>(0, 256 << 10);
    const auto storage = std::make_shared<Storage>(memory, 0);
    Log log(storage);
    std::string records;
    for (uint32_t i = 0; i < batch; ++i) records += MakeRecord(std::string(kBody, 'x'));
    for (int64_t ms = 0; log.end_sequence() <= 100'000; ++ms) {  // an append every millisecond
      REQUIRE(log.Append(records.data(), static_cast<uint32_t>(records.size()), batch, ms, ms));
    }
    INFO("batches of " << batch);
    CHECK(static_cast<double>(log.held_bytes()) / static_cast<double>(log.message_bytes()) < 1.25);
    CHECK(storage->budget.UsedApprox() == log.held_bytes());
  }
}

TEST_CASE("Log: publish times do not go back when the clock does, and time look-ups agree") {
  Fixture f;
  REQUIRE(f.AppendAt(1, 10, 1000));
  REQUIRE(f.AppendAt(1, 10, 400));
  REQUIRE(f.AppendAt(1, 10, 2000));
  f.log->Seal();
  REQUIRE(f.AppendAt(1, 10, 500));
  const SegmentPtr first = f.log->At(1).Peek(1, 1).segment;
  CHECK(first->TimeOf(0) == 1000);
  CHECK(first->TimeOf(1) == 1000);
  CHECK(first->TimeOf(2) == 2000);
  CHECK(f.log->At(4).Peek(1, 1).segment->TimeOf(0) == 2000);
  CHECK(f.log->AtTime(0).sequence() == 1);
  CHECK(f.log->AtTime(1000).sequence() == 1);
  CHECK(f.log->AtTime(1001).sequence() == 3);
  CHECK(f.log->AtTime(2000).sequence() == 3);
  CHECK(f.log->AtTime(2001).sequence() == 5);
}

TEST_CASE("Log: publish times are right however long a segment stays open") {
  constexpr int64_t kDay = 24 * 60 * kMinute;
  Fixture f;
  REQUIRE(f.AppendAt(1, 10, 5));
  REQUIRE(f.AppendAt(1, 10, 49 * kDay));
  REQUIRE(f.AppendAt(1, 10, 50 * kDay));  // more milliseconds than 32 bits hold
  REQUIRE(f.AppendAt(1, 10, 400 * kDay));
  std::vector<int64_t> times;
  Cursor cursor = f.log->At(1);
  for (int i = 0; i < 4; ++i) {
    const Run run = cursor.Peek(1, 1);
    REQUIRE(run.count == 1);
    times.push_back(
        run.segment->TimeOf(static_cast<uint32_t>(run.first - run.segment->base_sequence())));
    cursor.Advance(run);
  }
  CHECK(times == std::vector<int64_t>{5, 49 * kDay, 50 * kDay, 400 * kDay});
  CHECK(f.log->AtTime(50 * kDay).sequence() == 3);
  CHECK(f.log->AtTime(50 * kDay + 1).sequence() == 4);
}

TEST_CASE("Log: sealing lets the last segment's memory go, and the log goes on behind it") {
  Fixture f;
  Cursor cursor = f.log->At(1);
  REQUIRE(f.Append(5, 100));
  f.log->Seal();
  CHECK_FALSE(f.log->HasOpenBlock());
  f.log->Seal();  // nothing left to seal
  CHECK(ReadAll(cursor, 100) == 6);
  CHECK(cursor.TakeLeft());
  CHECK(f.log->Reclaim());
  CHECK(f.log->held_bytes() == sizeof(Segment));
  CHECK(f.used() == sizeof(Segment));
  CHECK(f.log->begin_sequence() == 6);
  CHECK(f.log->end_sequence() == 6);
  REQUIRE(f.Append(5, 100));
  CHECK(ReadAll(cursor, 100) == 11);
}

TEST_CASE("Log: only segments at the front in which no cursor stands are freed") {
  Fixture f;
  for (int i = 0; i < 9; ++i) REQUIRE(f.Append(1, 2000));  // two to a segment
  Cursor first = f.log->At(1);
  Cursor fifth = f.log->At(5);
  CHECK(f.log->Reclaim());  // the empty segment of a new log
  CHECK_FALSE(f.log->Reclaim());
  CHECK(f.log->begin_sequence() == 1);
  CHECK(f.log->SecondSegment() == 3);
  Cursor clone = first.Clone();
  first.Reset();
  CHECK_FALSE(first);
  CHECK_FALSE(first.TakeLeft());  // the clone stands there
  CHECK_FALSE(f.log->Reclaim());
  clone.SkipTo(9);
  CHECK(clone.TakeLeft());
  CHECK_FALSE(clone.TakeLeft());
  CHECK(f.log->Reclaim());
  CHECK(f.log->begin_sequence() == 5);
  CHECK(f.log->At(1).sequence() == 5);
  fifth.Reset();
  CHECK(fifth.TakeLeft());
  CHECK(f.log->Reclaim());
  CHECK(f.log->begin_sequence() == 9);
  CHECK_FALSE(f.log->Reclaim());  // the open one stays
  CHECK(ReadAll(clone, 2000) == 10);
  CHECK(f.log->held_bytes() == f.used());
}

TEST_CASE("Log: knows where the last so many bytes begin, by whole segments") {
  Fixture f;
  CHECK(f.log->BeginOfLast(1) == 1);
  for (int i = 0; i < 10; ++i) REQUIRE(f.Append(1, 1997));  // 2000 bytes, two to a segment
  CHECK(f.log->BeginOfLast(1) == 9);
  CHECK(f.log->BeginOfLast(4000) == 9);
  CHECK(f.log->BeginOfLast(4001) == 7);
  CHECK(f.log->BeginOfLast(20'000) == 1);
  CHECK(f.log->BeginOfLast(1'000'000) == 1);
}

TEST_CASE("Cursor: moving it moves its place and its word") {
  Fixture f;
  for (int i = 0; i < 5; ++i) REQUIRE(f.Append(1, 3000));  // one to a segment
  Cursor a = f.log->At(1);
  a.SkipTo(2);
  Cursor b = std::move(a);
  CHECK_FALSE(a);  // NOLINT: moved from is a state of its own here
  CHECK(b.sequence() == 2);
  CHECK(b.TakeLeft());
  CHECK_FALSE(a.TakeLeft());
  Cursor c = f.log->At(4);
  c = std::move(b);
  CHECK(c.sequence() == 2);
  CHECK(c.TakeLeft());  // of the place that it left
  CHECK(f.log->Reclaim());
  CHECK(f.log->begin_sequence() == 2);
  CHECK_FALSE(Cursor().Clone());
}

TEST_CASE("Cursor: skips to any sequence across segments, and never back") {
  Fixture f;
  for (int i = 0; i < 50; ++i) REQUIRE(f.Append(3, 500));
  for (uint64_t from = 1; from <= 151; from += 25) {
    for (uint64_t to = 1; to <= 151; ++to) {
      Cursor cursor = f.log->At(from);
      cursor.SkipTo(to);
      REQUIRE(cursor.sequence() == std::max(from, to));
      REQUIRE(ReadAll(cursor, 500) == 151);
    }
  }
  Cursor beyond = f.log->At(1);
  beyond.SkipTo(1000);
  CHECK(beyond.sequence() == 151);
}

TEST_CASE("Cursor: a skip to the end of a sealed segment leaves it") {
  Fixture f;
  REQUIRE(f.Append(3, 100));
  f.log->Seal();
  Cursor cursor = f.log->At(1);
  cursor.SkipTo(4);
  CHECK(cursor.TakeLeft());
  CHECK(f.log->Reclaim());
  CHECK(f.used() == sizeof(Segment));
}

TEST_CASE("Log: runs outlive it, and their bytes are given back with the last of them") {
  Fixture f;
  REQUIRE(f.Append(3, 100));
  for (int i = 0; i < 100; ++i) REQUIRE(f.Append(3, 100));
  Run run = f.log->At(1).Peek(kNoLimit, kNoLimit);
  Run copy = run;
  f.log.reset();
  CHECK(f.used() == run.segment->capacity() + sizeof(Segment));
  CHECK(run.segment->next() == nullptr);
  f.storage.reset();
  run = Run();
  CHECK(Bodies(copy)[0] == NumberedBody(1, 100));
  CHECK(f.memory->budget.UsedApprox() > 0);
  copy = Run();
  CHECK(f.memory->budget.UsedApprox() == 0);
}

TEST_CASE("Log: it tells where freed segments began that have messages since a time") {
  Fixture f;
  Cursor cursor = f.log->At(1);
  CHECK(f.log->FreedSince(0) == 1);
  const int64_t start = f.now_ms;
  // One segment a minute: messages 1-4, 5-8, ...
  for (int i = 0; i < 200; ++i) {
    REQUIRE(f.Append(4, 1'000));
    cursor.SkipTo(f.log->end_sequence());
    f.log->Reclaim();
  }
  const uint64_t begin = f.log->begin_sequence();
  REQUIRE(begin > 700);
  CHECK(f.log->FreedSince(f.now_ms + 1) == begin);
  SECTION("of those freed last, each") {
    for (uint64_t first = begin - 4; first > begin - 200; first -= 4) {
      const int64_t time = start + kMinute * static_cast<int64_t>((first + 3) / 4);
      REQUIRE(f.log->FreedSince(time) == first);
      REQUIRE(f.log->FreedSince(time - 1) == first);
    }
  }
  SECTION("of those before, only the first of all") {
    CHECK(f.log->FreedSince(start) == 1);
    CHECK(f.log->FreedSince(start + 5 * kMinute) == 1);
  }
}

}  // namespace
}  // namespace estiba
