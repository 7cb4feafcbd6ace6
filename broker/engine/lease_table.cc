#include "broker/engine/lease_table.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace estiba {
namespace {

// A lease is a straggler after this long.
constexpr int64_t kStragglerMs = 1'000;

}  // namespace

void LeaseTable::Extend(uint64_t first, uint64_t last, const Consumer* consumer,
                        int64_t deadline_ms) {
  std::vector<Lease> taken;
  leases_.Carve(first, last, [&](Lease&& lease) { taken.push_back(std::move(lease)); });
  for (Lease& lease : taken) {
    if (lease.consumer == consumer && !lease.acked) lease.deadline_ms = deadline_ms;
    leases_.Insert(std::move(lease));
  }
}

void LeaseTable::DropMemoryBefore(uint64_t sequence) {
  if (leases_.empty() || sequence <= 1) return;
  std::vector<Lease> taken;
  leases_.Carve(leases_.first(), sequence - 1,
                [&](Lease&& lease) { taken.push_back(std::move(lease)); });
  for (Lease& lease : taken) {
    lease.run.segment = nullptr;
    leases_.Insert(std::move(lease));
  }
}

void LeaseTable::MoveWith(Stragglers& stragglers, int64_t now_ms) {
  stragglers.Move(leases_,
                  [=](const Lease& lease) { return lease.granted_ms + kStragglerMs <= now_ms; });
}

int64_t LeaseTable::NextDeadline() const {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [first, lease] : leases_.entries()) next = std::min(next, lease.deadline_ms);
  return next;
}

}  // namespace estiba
