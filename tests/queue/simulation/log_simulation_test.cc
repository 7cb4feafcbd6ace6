#include <memory>
#include <string>
#include <vector>

#include "broker/queue/log.h"
#include "tests/queue/records.h"
#include "tests/queue/simulation/explore.h"
#include "tests/queue/simulation/var.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::simulation {
namespace {

using testing::Bodies;
using testing::MakeRecord;
using testing::NumberedBody;

struct Shape {
  int batches;
  int batch;
  size_t message_bytes;
  int readers;
  uint32_t peek_count = 2;

  uint64_t messages() const { return static_cast<uint64_t>(batches) * batch; }
};

struct State {
  explicit State(const Shape& s) : shape(s), messages(s.messages() + 1) {
    for (int i = 0; i < s.readers; ++i) cursors.push_back(log.At(1));
  }

  const Shape shape;
  std::shared_ptr<Memory> memory = std::make_shared<Memory>(1 << 20, Segment::kPage);
  std::shared_ptr<Storage> storage = std::make_shared<Storage>(memory, 0);
  // Stands for the bytes of each message: written before the append and when they are freed, read
  // by the readers.
  std::vector<Var<uint64_t>> messages;
  Log log{storage};
  std::vector<Cursor> cursors;
  // The last sequence that the log has, as seen from outside of the program.
  uint64_t appended = 0;
  // Tells the writer that a cursor was the last to leave a segment.
  Atomic<int> left{0};
  int left_count = 0;
};

void Append(State& state, uint64_t first) {
  std::string records;
  for (int i = 0; i < state.shape.batch; ++i) {
    state.messages[first + i] = first + i;
    records += MakeRecord(NumberedBody(first + i, state.shape.message_bytes));
  }
  // Far apart on both clocks: segments stay small, and every batch gets an index entry.
  const int64_t now_ms = static_cast<int64_t>(first) * 100'000;
  Check(state.log.Append(records.data(), static_cast<uint32_t>(records.size()),
                         static_cast<uint32_t>(state.shape.batch), now_ms, now_ms),
        "no room in the budget");
  state.appended = first + state.shape.batch - 1;
}

void Reclaim(State& state) {
  const uint64_t begin = state.log.begin_sequence();
  state.log.Reclaim();
  for (uint64_t s = begin; s < state.log.begin_sequence(); ++s) state.messages[s] = 0;
  for (const Cursor& cursor : state.cursors) {
    Check(!cursor || cursor.sequence() >= state.log.begin_sequence(),
          "a cursor's messages were freed");
  }
}

void Write(State& state) {
  for (int b = 0; b < state.shape.batches; ++b) {
    Append(state, static_cast<uint64_t>(b) * state.shape.batch + 1);
    Reclaim(state);
  }
  state.log.Seal();
  // The cursors' word alone must be enough to free everything.
  for (int told = -1; state.log.begin_sequence() <= state.shape.messages();) {
    WaitUntil([&state, told] { return state.left_count > told; });
    told = state.left.load(std::memory_order_acquire);
    Reclaim(state);
  }
}

void TellIfLeft(State& state, Cursor& cursor) {
  if (!cursor.TakeLeft()) return;
  state.left.fetch_add(1, std::memory_order_release);
  ++state.left_count;
}

void CheckRun(State& state, const Run& run, uint64_t expected) {
  Check(run.first == expected, "a run that does not follow the last one");
  const std::vector<std::string> bodies = Bodies(run);
  Check(bodies.size() == run.count, "a run that is not whole records");
  for (uint32_t i = 0; i < bodies.size(); ++i) {
    Check(state.messages[run.first + i] == run.first + i, "memory that was freed");
    Check(bodies[i] == NumberedBody(run.first + i, state.shape.message_bytes), "other bytes");
  }
}

// What a reader looks up in the index, while the writer may be adding to it.
void CheckIndex(State& state, const Cursor& cursor, const Run& run) {
  const auto index = static_cast<uint32_t>(run.first - run.segment->base_sequence());
  const uint64_t batch_first = (run.first - 1) / state.shape.batch * state.shape.batch + 1;
  Check(run.segment->TimeOf(index) == static_cast<int64_t>(batch_first) * 100'000, "wrong time");
  const uint32_t change = run.segment->NextTimeChange(index);
  Check(change == UINT32_MAX || run.segment->base_sequence() + change ==
                                    batch_first + static_cast<uint64_t>(state.shape.batch),
        "wrong time change");
  Cursor clone = cursor.Clone();
  Check(clone.sequence() == run.first, "a clone elsewhere");
  Check(clone.Peek(UINT32_MAX, 1).offset == run.offset, "a clone at another byte");
  clone.Reset();
  TellIfLeft(state, clone);
}

void Read(State& state, Cursor& cursor, bool use_index) {
  for (uint64_t expected = 1; expected <= state.shape.messages();) {
    {
      const Run run = cursor.Peek(UINT32_MAX, state.shape.peek_count);
      if (!run.empty()) {
        CheckRun(state, run, expected);
        if (use_index) CheckIndex(state, cursor, run);
        cursor.Advance(run);
        expected += run.count;
      }
    }
    TellIfLeft(state, cursor);
    // A newer end may not be visible yet, where the log has it already: then it is asked again.
    WaitUntil([&state, expected] {
      return state.appended >= expected || expected > state.shape.messages();
    });
  }
  cursor.Reset();
  TellIfLeft(state, cursor);
}

SetUp Readers(const Shape& shape, bool use_index) {
  return [=](Program& program) {
    auto state = std::make_shared<State>(shape);
    program.Thread([=] { Write(*state); });
    for (Cursor& cursor : state->cursors) {
      program.Thread([=, &cursor] { Read(*state, cursor, use_index); });
    }
    program.Finally([=] {
      Check(state->log.message_bytes() == 0, "messages were left");
      Check(state->log.held_bytes() == sizeof(Segment), "memory is still held");
      Check(state->storage->budget.UsedApprox() == sizeof(Segment), "bytes were not given back");
      Check(state->log.end_sequence() == shape.messages() + 1, "wrong end");
    });
  };
}

// A cursor that jumps ahead while segments come and go.
SetUp Skip(const Shape& shape) {
  return [=](Program& program) {
    auto state = std::make_shared<State>(shape);
    program.Thread([=] { Write(*state); });
    program.Thread([=] {
      Cursor& cursor = state->cursors[0];
      for (uint64_t to = 1; to <= shape.messages();) {
        WaitUntil([=] { return state->appended >= to; });
        cursor.SkipTo(to);
        TellIfLeft(*state, cursor);
        Check(cursor.sequence() <= to, "skipped too far");
        const Run run = cursor.Peek(UINT32_MAX, 1);
        if (!run.empty()) CheckRun(*state, run, cursor.sequence());
        if (!run.empty() && run.first == to) to += 2;
      }
      cursor.Reset();
      TellIfLeft(*state, cursor);
    });
  };
}

TEST_CASE("Log: in all schedules a cursor reads everything once, in order, while it is freed") {
  const Outcome outcome = ExploreAll({.preemptions = 2, .stale_loads = 1, .spurious_failures = 0},
                                     Readers({3, 1, 2500, 1}, false));
  CHECK(outcome.failure == "");
  CHECK(outcome.executions > 1000);
}

TEST_CASE("Log: in all schedules a cursor sees whole messages in a segment that is written to") {
  CHECK(ExploreAll({.preemptions = 2, .stale_loads = 1, .spurious_failures = 0},
                   Readers({2, 1, 300, 1, 1}, true))
            .failure == "");
}

TEST_CASE(
    "Log: in random schedules two cursors read everything once, in order, while it is freed") {
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Readers({6, 2, 1300, 2}, false)).failure == "");
}

TEST_CASE("Log: in random schedules the index is right for a reader while the writer adds to it") {
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Readers({5, 2, 400, 2, 1}, true)).failure == "");
}

TEST_CASE("Log: in random schedules a cursor that skips ahead finds its place") {
  CHECK(ExploreRandomly(testing::Seed(), 10'000, Skip({8, 1, 1800, 1})).failure == "");
}

}  // namespace
}  // namespace estiba::simulation
