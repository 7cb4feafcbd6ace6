#pragma once

#include <cstdint>
#include <utility>
#include <vector>

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
// Bookkeeping: one entry for each delivered frame, not for each message; acks out of order cut
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
