#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "broker/engine/interval_map.h"
#include "broker/engine/stragglers.h"
#include "broker/queue/segment.h"

namespace estiba {

class Consumer;

// Messages delivered and not yet acked.
struct Lease {
  Run run;
  uint32_t attempt = 1;
  Consumer* consumer = nullptr;
  int64_t deadline_ms = 0;  // steady clock
  int64_t granted_ms = 0;
  // Of an ordered subscription: acked, and waits for earlier messages of its key. One message.
  bool acked = false;
};

// Messages to be delivered again; attempt is the one to come.
struct Redelivery {
  Run run;
  uint32_t attempt = 1;
};

// The leases of a subscription, by sequence.
//
// Bookkeeping: one entry for each run of a frame, not for each message; acks out of order cut
// entries in two. Bound: the consumers' credit.
// Threads: one at a time (the subscription's turn).
class LeaseTable {
 public:
  void Grant(Lease lease) { leases_.Insert(std::move(lease)); }

  template <typename F>
  void Take(uint64_t first, uint64_t last, F&& f) {
    leases_.Carve(first, last, std::forward<F>(f));
  }
  template <typename F>
  void TakeExpired(int64_t now_ms, F&& f) {
    leases_.TakeIf([=](const Lease& l) { return l.deadline_ms <= now_ms; }, std::forward<F>(f));
  }
  template <typename F>
  void TakeOf(const Consumer* consumer, F&& f) {
    leases_.TakeIf([=](const Lease& l) { return l.consumer == consumer; }, std::forward<F>(f));
  }

  template <typename F>
  void ForEach(F&& f) const {
    for (const auto& [first, lease] : leases_.entries()) f(lease);
  }

  // What the consumer holds in first..last.
  template <typename F>
  void TakeOf(const Consumer* consumer, uint64_t first, uint64_t last, F&& f) {
    std::vector<Lease> others;
    leases_.Carve(first, last, [&](Lease&& lease) {
      if (lease.consumer == consumer) {
        f(std::move(lease));
      } else {
        others.push_back(std::move(lease));
      }
    });
    for (Lease& lease : others) leases_.Insert(std::move(lease));
  }

  // The same, as far as it still holds it: only leases whose deadline has not come. Those of others
  // are not touched.
  template <typename F>
  void TakeHeld(const Consumer* consumer, uint64_t first, uint64_t last, int64_t now_ms, F&& f) {
    absl::InlinedVector<std::pair<uint64_t, uint64_t>, 4> held;
    const auto& entries = leases_.entries();
    auto it = entries.upper_bound(first);
    if (it != entries.begin()) --it;
    for (; it != entries.end() && it->first <= last; ++it) {
      const Lease& lease = it->second;
      if (lease.consumer != consumer || lease.deadline_ms <= now_ms) continue;
      const uint64_t from = std::max(first, lease.run.first);
      const uint64_t to = std::min(last, lease.run.end() - 1);
      if (from <= to) held.emplace_back(from, to);
    }
    for (const auto& [from, to] : held) leases_.Carve(from, to, f);
  }

  // New deadline for those in the range that belong to the consumer.
  void Extend(uint64_t first, uint64_t last, const Consumer* consumer, int64_t deadline_ms);
  // Lets go of the memory of what lies before a sequence: still outstanding, but nothing to
  // redeliver.
  void DropMemoryBefore(uint64_t sequence);
  void CountIn(Stragglers& stragglers) const { stragglers.Count(leases_); }
  void MoveWith(Stragglers& stragglers, int64_t now_ms);

  size_t size() const { return leases_.size(); }
  bool empty() const { return leases_.empty(); }
  uint64_t messages() const { return leases_.messages(); }
  uint64_t first() const { return leases_.first(); }
  // Of a table that is not empty. Walks all leases.
  int64_t NextDeadline() const;

 private:
  IntervalMap<Lease> leases_;
};

}  // namespace estiba
