#pragma once

#include <cstdint>
#include <utility>

#include "absl/container/btree_map.h"
#include "broker/queue/segment.h"

namespace estiba {

// What an entry costs, about: the entry, and its share of the tree.
inline constexpr uint64_t kEntryBytes = 96;

// Entries that each cover a run of sequences, without overlap, in the order of sequences. Entry has
// a member `Run run`; the rest of it is copied when an entry is cut in two.
//
// A run whose segment is null stands for messages whose bytes have been given up.
// Threads: one at a time. Cost: O(log n) for whole entries; cutting walks the entry's messages.
template <typename Entry>
class IntervalMap {
 public:
  using Map = absl::btree_map<uint64_t, Entry>;

  void Insert(Entry entry) {
    messages_ += entry.run.count;
    const uint64_t first = entry.run.first;
    map_.emplace(first, std::move(entry));
  }

  // Takes out what lies in first..last (both included), cutting entries at the edges, and calls
  // f(Entry&&) with each piece. f must not change this map.
  template <typename F>
  void Carve(uint64_t first, uint64_t last, F&& f) {
    auto it = map_.upper_bound(first);
    if (it != map_.begin()) --it;
    while (it != map_.end() && it->first <= last) {
      if (it->second.run.end() <= first) {
        ++it;
        continue;
      }
      Entry entry = std::move(it->second);
      it = map_.erase(it);
      messages_ -= entry.run.count;
      if (entry.run.first < first) {
        Entry before = entry;
        before.run = entry.run.TakeFront(static_cast<uint32_t>(first - entry.run.first));
        Insert(std::move(before));
      }
      if (entry.run.end() - 1 > last) {
        Entry inside = entry;
        inside.run = entry.run.TakeFront(static_cast<uint32_t>(last + 1 - entry.run.first));
        Insert(std::move(entry));
        f(std::move(inside));
        return;
      }
      f(std::move(entry));
      it = map_.lower_bound(first);  // Insert may have moved entries
    }
  }

  // Takes out the entries that match; f as in Carve.
  template <typename Match, typename F>
  void TakeIf(Match&& match, F&& f) {
    for (auto it = map_.begin(); it != map_.end();) {
      if (!match(std::as_const(it->second))) {
        ++it;
        continue;
      }
      Entry entry = std::move(it->second);
      it = map_.erase(it);
      messages_ -= entry.run.count;
      f(std::move(entry));
    }
  }

  // Takes out the first entry, which must exist.
  Entry PopFront() {
    Entry entry = std::move(map_.begin()->second);
    map_.erase(map_.begin());
    messages_ -= entry.run.count;
    return entry;
  }

  bool empty() const { return map_.empty(); }
  size_t size() const { return map_.size(); }
  uint64_t messages() const { return messages_; }
  // The lowest sequence; the map must not be empty.
  uint64_t first() const { return map_.begin()->first; }
  // For changing what does not change the sequences covered.
  Map& entries() { return map_; }
  const Map& entries() const { return map_; }

 private:
  Map map_;
  uint64_t messages_ = 0;
};

}  // namespace estiba
