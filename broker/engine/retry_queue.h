#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/btree_map.h"
#include "broker/engine/lease_table.h"
#include "broker/engine/stragglers.h"
#include "broker/engine/timer_wheel.h"

namespace estiba {

// What an entry costs, about: its node, and its share of the tree.
inline constexpr uint64_t kDelayedBytes = 128;
// The wheel itself.
inline constexpr uint64_t kRetryQueueBytes = 4'096;

// Messages that are to be delivered again, but not yet: by sequence, because acks and retention
// still reach them, and by time.
//
// Bound: what the consumers' credit let out. Threads: one at a time (the subscription's turn).
// Cost: O(log n) for each run; cutting a run walks its messages.
class RetryQueue {
 public:
  explicit RetryQueue(int64_t now_ms) : wheel_(now_ms) {}
  ~RetryQueue() { Clear(); }
  RetryQueue(const RetryQueue&) = delete;
  RetryQueue& operator=(const RetryQueue&) = delete;

  void Add(Redelivery redelivery, int64_t due_ms) {
    messages_ += redelivery.run.count;
    auto node = std::make_unique<Node>();
    node->redelivery = std::move(redelivery);
    wheel_.Add(node.get(), due_ms);
    const uint64_t first = node->redelivery.run.first;
    map_.emplace(first, std::move(node));
  }

  // Takes out what is due, and calls f(Redelivery&&) with each run.
  template <typename F>
  void TakeDue(int64_t now_ms, F&& f) {
    while (TimerWheel::Entry* entry = wheel_.Advance(now_ms)) {
      const auto it = map_.find(static_cast<Node*>(entry)->redelivery.run.first);
      Redelivery redelivery = std::move(it->second->redelivery);
      map_.erase(it);
      messages_ -= redelivery.run.count;
      f(std::move(redelivery));
    }
  }

  // Takes out what lies in first..last (both included), whenever it is due; f as above. What is cut
  // off stays, with its time.
  template <typename F>
  void Carve(uint64_t first, uint64_t last, F&& f) {
    auto it = map_.upper_bound(first);
    if (it != map_.begin()) --it;
    while (it != map_.end() && it->first <= last) {
      if (it->second->redelivery.run.end() <= first) {
        ++it;
        continue;
      }
      const int64_t due_ms = it->second->due_ms();
      Redelivery r = Take(it);
      if (r.run.first < first) {
        Add({r.run.TakeFront(static_cast<uint32_t>(first - r.run.first)), r.attempt}, due_ms);
      }
      if (r.run.end() - 1 > last) {
        const Run inside = r.run.TakeFront(static_cast<uint32_t>(last + 1 - r.run.first));
        f(Redelivery{inside, r.attempt});
        Add(std::move(r), due_ms);
        return;
      }
      f(std::move(r));
      it = map_.lower_bound(first);
    }
  }

  template <typename F>
  void ForEach(F&& f) const {
    for (const auto& [first, node] : map_) f(node->redelivery);
  }
  void CountIn(Stragglers& stragglers) const {
    for (const auto& [first, node] : map_) stragglers.Count(node->redelivery.run);
  }
  void MoveWith(Stragglers& stragglers) {
    for (auto& [first, node] : map_) stragglers.Move(node->redelivery.run);
  }

  bool empty() const { return map_.empty(); }
  uint64_t messages() const { return messages_; }
  // The lowest sequence; there must be one.
  uint64_t first() const { return map_.begin()->first; }
  // See TimerWheel::NextDue.
  int64_t NextDue() const { return wheel_.NextDue(); }
  uint64_t bytes() const { return kRetryQueueBytes + map_.size() * kDelayedBytes; }

 private:
  struct Node : TimerWheel::Entry {
    Redelivery redelivery;
  };
  using Map = absl::btree_map<uint64_t, std::unique_ptr<Node>>;

  Redelivery Take(Map::iterator it) {
    wheel_.Remove(it->second.get());
    Redelivery redelivery = std::move(it->second->redelivery);
    map_.erase(it);
    messages_ -= redelivery.run.count;
    return redelivery;
  }
  void Clear() {
    while (!map_.empty()) Take(map_.begin());
  }

  TimerWheel wheel_;
  Map map_;
  uint64_t messages_ = 0;
};

}  // namespace estiba
