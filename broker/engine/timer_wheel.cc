#include "broker/engine/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace estiba {

// The invariant that everything stands on: an entry lies in SlotOf(due_ms) for the present now_ms_.
// It holds because now_ms_ never goes past the start of an occupied slot without Rehang, and while
// it is before that start, the highest digit that differs stays the same.

TimerWheel::TimerWheel(int64_t now_ms) : now_ms_(std::max<int64_t>(now_ms, 0)) {}

TimerWheel::~TimerWheel() {
  for (Entry* const first : slots_) {
    for (Entry* entry = first; entry != nullptr;) {
      Entry* const next = entry->next_ == first ? nullptr : entry->next_;
      entry->next_ = entry->previous_ = nullptr;
      entry = next;
    }
  }
}

void TimerWheel::Add(Entry* entry, int64_t due_ms) {
  assert(!entry->linked());
  entry->due_ms_ = std::max(due_ms, now_ms_);
  Link(entry);
  ++size_;
}

void TimerWheel::Remove(Entry* entry) {
  assert(entry->linked());
  const int slot = SlotOf(entry->due_ms_);
  if (entry->next_ == entry) {
    Clear(slot);
  } else {
    entry->next_->previous_ = entry->previous_;
    entry->previous_->next_ = entry->next_;
    if (slots_[slot] == entry) slots_[slot] = entry->next_;
  }
  entry->next_ = entry->previous_ = nullptr;
  --size_;
}

TimerWheel::Entry* TimerWheel::Advance(int64_t now_ms) {
  if (now_ms < now_ms_) return nullptr;
  while (size_ > 0) {
    const int slot = FirstSlot();
    const int64_t start = StartOf(slot);
    if (start > now_ms) break;
    if (slot < kSlots) {
      Entry* const entry = slots_[slot];
      now_ms_ = start;
      Remove(entry);
      return entry;
    }
    // Of the lists beyond, those of empty ranges are passed over.
    now_ms_ = slot < kBeyond ? start : std::max(start, std::min(FirstDueBeyond(), now_ms));
    Rehang(slot);
  }
  now_ms_ = now_ms;
  return nullptr;
}

TimerWheel::Entry* TimerWheel::TakeAny() {
  if (size_ == 0) return nullptr;
  Entry* const entry = slots_[FirstSlot()];
  Remove(entry);
  return entry;
}

int64_t TimerWheel::NextDue() const { return size_ == 0 ? kNever : StartOf(FirstSlot()); }

int TimerWheel::SlotOf(int64_t due_ms) const {
  const uint64_t differing = static_cast<uint64_t>(due_ms ^ now_ms_);
  const int level = (std::bit_width(differing | 1) - 1) / kDigitBits;
  if (level >= kLevels) return kBeyond;
  return level * kSlots + static_cast<int>(due_ms >> (level * kDigitBits) & (kSlots - 1));
}

// Each level's slots begin before those of the next, and none is left behind now_ms_.
int TimerWheel::FirstSlot() const {
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] != 0) return level * kSlots + std::countr_zero(occupied_[level]);
  }
  return kBeyond;
}

int64_t TimerWheel::StartOf(int slot) const {
  if (slot == kBeyond) return ((now_ms_ >> kLevels * kDigitBits) + 1) << kLevels * kDigitBits;
  const int shift = slot / kSlots * kDigitBits;
  const int64_t higher_digits = now_ms_ >> (shift + kDigitBits) << kDigitBits;
  return (higher_digits | slot % kSlots) << shift;
}

int64_t TimerWheel::FirstDueBeyond() const {
  const Entry* const first = slots_[kBeyond];
  int64_t due_ms = first->due_ms_;
  for (const Entry* e = first->next_; e != first; e = e->next_)
    due_ms = std::min(due_ms, e->due_ms_);
  return due_ms;
}

void TimerWheel::Link(Entry* entry) {
  const int slot = SlotOf(entry->due_ms_);
  Entry*& first = slots_[slot];
  if (first == nullptr) {
    first = entry->next_ = entry->previous_ = entry;
    if (slot < kBeyond) occupied_[slot / kSlots] |= uint64_t{1} << slot % kSlots;
    return;
  }
  entry->next_ = first;
  entry->previous_ = first->previous_;
  first->previous_->next_ = entry;
  first->previous_ = entry;
}

// Places a slot's entries anew, after now_ms_ has moved.
void TimerWheel::Rehang(int slot) {
  Entry* entry = slots_[slot];
  entry->previous_->next_ = nullptr;
  Clear(slot);
  while (entry != nullptr) {
    Entry* const next = entry->next_;
    Link(entry);
    entry = next;
  }
}

void TimerWheel::Clear(int slot) {
  slots_[slot] = nullptr;
  if (slot < kBeyond) occupied_[slot / kSlots] &= ~(uint64_t{1} << slot % kSlots);
}

}  // namespace estiba
