#include "tests/queue/simulation/memory.h"

#include <algorithm>

#include "tests/queue/simulation/world.h"

namespace estiba::simulation {
namespace {

// Old values beyond this many are no longer offered.
constexpr size_t kHistory = 8;

bool Acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

bool Releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

}  // namespace

void Clock::Join(const Clock& other) {
  for (int i = 0; i < kMaxThreads; ++i) times[i] = std::max(times[i], other.times[i]);
}

Cell::Cell(uint64_t value) { Push(value, {}); }

void Cell::Push(uint64_t value, const Clock& released) {
  World& world = World::Current();
  if (history_.size() == kHistory) {
    history_.erase(history_.begin());
    trimmed_ = true;
  }
  history_.push_back({value, released, {}});
  history_.back().seen[world.thread()] = world.now();
  world.Tick();
}

size_t Cell::OldestVisible() const {
  const Clock& clock = World::Current().clock();
  for (size_t i = history_.size(); i-- > 0;) {
    for (int thread = 0; thread < kMaxThreads; ++thread) {
      const uint32_t seen = history_[i].seen[thread];
      if (seen != 0 && clock.Covers(thread, seen)) return i;
    }
  }
  if (!trimmed_) Fail("a thread uses an atomic without knowing of its construction");
  return 0;
}

void Cell::Read(size_t index, std::memory_order order) const {
  World& world = World::Current();
  Entry& entry = history_[index];
  if (entry.seen[world.thread()] == 0) entry.seen[world.thread()] = world.now();
  if (Acquires(order)) world.clock().Join(entry.released);
}

uint64_t Cell::Load(std::memory_order order) const {
  World& world = World::Current();
  world.Point();
  const size_t newest = history_.size() - 1;
  const size_t index = order == std::memory_order_seq_cst
                           ? newest
                           : newest - world.ChooseAge(newest - OldestVisible() + 1);
  const uint64_t value = history_[index].value;
  Read(index, order);
  world.Tick();
  return value;
}

void Cell::Store(uint64_t value, std::memory_order order) {
  World& world = World::Current();
  world.Point();
  OldestVisible();
  Push(value, Releases(order) ? world.clock() : Clock());
}

uint64_t Cell::BeginChange(std::memory_order order) {
  World::Current().Point();
  OldestVisible();
  Read(history_.size() - 1, order);
  return history_.back().value;
}

void Cell::EndChange(uint64_t value, std::memory_order order) {
  Clock released = history_.back().released;  // a release sequence goes on through changes
  if (Releases(order)) released.Join(World::Current().clock());
  Push(value, released);
}

bool Cell::CompareExchange(uint64_t& expected, uint64_t desired, std::memory_order success,
                           std::memory_order failure, bool weak) {
  World& world = World::Current();
  world.Point();
  OldestVisible();
  const uint64_t value = history_.back().value;
  if (value == expected && !(weak && world.ChooseSpuriousFailure())) {
    Read(history_.size() - 1, success);
    EndChange(desired, success);
    return true;
  }
  expected = value;
  Read(history_.size() - 1, failure);
  world.Tick();
  return false;
}

void NotePlainRead(const void* address) {
  World& world = World::Current();
  Shadow& shadow = world.shadow(address);
  if (shadow.writer >= 0 && !world.clock().Covers(shadow.writer, shadow.write_time)) {
    Fail("data race: a read beside a write");
  }
  shadow.reads[world.thread()] = world.now();
}

void NotePlainWrite(const void* address) {
  World& world = World::Current();
  Shadow& shadow = world.shadow(address);
  if (shadow.writer >= 0 && !world.clock().Covers(shadow.writer, shadow.write_time)) {
    Fail("data race: a write beside a write");
  }
  for (int thread = 0; thread < kMaxThreads; ++thread) {
    if (!world.clock().Covers(thread, shadow.reads[thread])) {
      Fail("data race: a write beside a read");
    }
  }
  shadow = {};
  shadow.writer = world.thread();
  shadow.write_time = world.now();
}

void ForgetPlain(const void* address) { World::Current().shadow(address) = {}; }

}  // namespace estiba::simulation
