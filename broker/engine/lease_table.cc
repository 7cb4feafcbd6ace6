#include "broker/engine/lease_table.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace estiba {
namespace {

// A lease is a straggler after this long.
constexpr int64_t kStragglerMs = 1'000;
// Its segment is nearly dead when less than this share of it is leased.
constexpr uint64_t kNearlyDead = 8;

}  // namespace

void LeaseTable::Extend(uint64_t first, uint64_t last, const Consumer* consumer,
                        int64_t deadline_ms) {
  std::vector<Lease> taken;
  leases_.Carve(first, last, [&](Lease&& lease) { taken.push_back(std::move(lease)); });
  for (Lease& lease : taken) {
    if (lease.consumer == consumer) lease.deadline_ms = deadline_ms;
    leases_.Insert(std::move(lease));
  }
}

void LeaseTable::DropBytesBefore(uint64_t sequence) {
  if (leases_.empty() || sequence <= 1) return;
  std::vector<Lease> taken;
  leases_.Carve(leases_.first(), sequence - 1,
                [&](Lease&& lease) { taken.push_back(std::move(lease)); });
  for (Lease& lease : taken) {
    lease.run.segment = nullptr;
    lease.run.bytes = 0;
    leases_.Insert(std::move(lease));
  }
}

void LeaseTable::MoveStragglers(int64_t now_ms, uint64_t sent_to,
                                const std::shared_ptr<Storage>& storage) {
  absl::flat_hash_map<const Segment*, uint64_t> leased_bytes;
  for (const auto& [first, lease] : leases_.entries()) {
    if (lease.run.segment != nullptr) leased_bytes[lease.run.segment.get()] += lease.run.bytes;
  }
  for (auto& [first, lease] : leases_.entries()) {
    const Segment* segment = lease.run.segment.get();
    if (segment == nullptr || lease.granted_ms + kStragglerMs > now_ms) continue;
    if (segment->end_sequence() >= sent_to) continue;
    if (leased_bytes[segment] * kNearlyDead > segment->capacity()) continue;
    if (SegmentPtr copy = Segment::TryCopy(storage, lease.run)) {
      lease.run.offset = 0;
      lease.run.segment = std::move(copy);
    }
  }
}

int64_t LeaseTable::NextDeadline() const {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [first, lease] : leases_.entries()) next = std::min(next, lease.deadline_ms);
  return next;
}

}  // namespace estiba
