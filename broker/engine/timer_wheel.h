#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace estiba {

// Many pending times of one owner, which one system timer can serve: a hierarchical timer wheel
// (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987). Six levels of 64 slots; a
// slot of level n is 64^n ms wide, and a time is kept at the level of the highest digit, in base
// 64, in which it differs from the wheel's time. When the wheel reaches a slot of a higher level,
// what is in it moves down; so no entry moves more than six times, and no slot that is empty is
// looked at. 2^36 ms are 795 days; what lies beyond the current 795 days waits in one list and is
// placed when they are over.
//
// Entries are the caller's; the wheel links them, and allocates nothing. An entry must stay where
// it is, and alive, while it is linked. The wheel itself takes 3 KiB: make one when there is
// something to wait for. Cost: Add, Remove and NextDue constant; Advance constant for each entry
// handed over or moved. Threads: one at a time (the owner's turns).
//
//   while (TimerWheel::Entry* entry = wheel.Advance(clock.SteadyMillis())) Fire(entry);
//   if (wheel.NextDue() != TimerWheel::kNever) timers.At(wheel.NextDue(), this, &tick_);
class TimerWheel {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  class Entry {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry() { assert(!linked()); }

    bool linked() const { return next_ != nullptr; }
    // Of the last Add.
    int64_t due_ms() const { return due_ms_; }

   private:
    friend class TimerWheel;
    Entry* next_ = nullptr;  // a slot's entries form a ring, the slot points to its first
    Entry* previous_ = nullptr;
    int64_t due_ms_ = 0;
  };

  // Times are of any clock that does not begin below 0.
  explicit TimerWheel(int64_t now_ms);
  // Unlinks what is left.
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Links an entry that is not linked. A due time that the wheel has passed becomes the wheel's.
  void Add(Entry* entry, int64_t due_ms);
  // Unlinks an entry that is linked.
  void Remove(Entry* entry);

  // Moves the wheel's time on to `now_ms`, but not past the next entry that is due by then: that
  // one is unlinked and returned. nullptr: nothing more is due by `now_ms`. In the order of due
  // times, and those of one time in the order of their Add. Never early. What is added or removed
  // between the calls counts; callers that always add what is due at once should bound their loop.
  // A time before the wheel's does nothing.
  Entry* Advance(int64_t now_ms);

  // Unlinks and returns any entry, whenever it is due; nullptr: there is none.
  Entry* TakeAny();

  // When to call Advance again: not after the next due time, perhaps before it. kNever: no need.
  // At most six such calls lead to an entry's due time, and one more for every 795 days.
  int64_t NextDue() const;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

 private:
  static constexpr int kLevels = 6;
  static constexpr int kDigitBits = 6;
  static constexpr int kSlots = 1 << kDigitBits;
  static constexpr int kBeyond = kLevels * kSlots;

  int SlotOf(int64_t due_ms) const;
  int FirstSlot() const;
  int64_t StartOf(int slot) const;
  int64_t FirstDueBeyond() const;
  void Link(Entry* entry);
  void Rehang(int slot);
  void Clear(int slot);

  int64_t now_ms_;
  size_t size_ = 0;
  std::array<uint64_t, kLevels> occupied_{};  // a bit for each slot
  std::array<Entry*, kBeyond + 1> slots_{};
};
static_assert(sizeof(TimerWheel::Entry) <= 32);

}  // namespace estiba
