#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "broker/base/clock.h"
#include "broker/engine/directory.h"
#include "broker/engine/snapshot.h"
#include "broker/engine/subscription.h"

namespace estiba {

using SnapshotDone = std::function<void(const absl::StatusOr<SnapshotPtr>&)>;

// All snapshots of a broker, by name. One whose time has come is not found any more; its memory is
// given back at the next look.
//
// Threads: any. Lifetime: shared, as answers on their way may outlive the broker.
// Bound: `most`; beyond, RESOURCE_EXHAUSTED.
class SnapshotDirectory : public std::enable_shared_from_this<SnapshotDirectory> {
 public:
  SnapshotDirectory(const Clock& clock, uint32_t most) : clock_(clock), most_(most) {}

  // Of what the subscription has not consumed, for so long. ALREADY_EXISTS: the name is taken.
  void Create(absl::string_view name, const SubscriptionPtr& subscription, Snapshot::Labels labels,
              int64_t life_ms, SnapshotDone done);
  absl::StatusOr<SnapshotPtr> Find(absl::string_view name);
  absl::Status Delete(absl::string_view name);
  // topic empty: of all topics. In the order of names, from the first after `after` on.
  std::vector<SnapshotPtr> List(absl::string_view topic, absl::string_view after, size_t limit);
  void DropOf(const TopicPtr& topic);
  void DropExpired();
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  bool Expired(const Snapshot& snapshot) const {
    return clock_.WallMillis() >= snapshot.expire_time_ms();
  }
  void Drop(const SnapshotPtr& snapshot);

  const Clock& clock_;
  const uint32_t most_;
  Directory<SnapshotPtr> snapshots_;
  std::atomic<uint32_t> size_{0};
};

}  // namespace estiba
