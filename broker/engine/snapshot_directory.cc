#include "broker/engine/snapshot_directory.h"

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"

namespace estiba {
namespace {

constexpr size_t kAll = std::numeric_limits<size_t>::max();

absl::Status NotFound(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("snapshot \"", name, "\" does not exist"));
}

}  // namespace

void SnapshotDirectory::Create(absl::string_view name, const SubscriptionPtr& subscription,
                               Snapshot::Labels labels, int64_t life_ms, SnapshotDone done) {
  if (absl::Status status = CheckName("name", name); !status.ok()) return done(status);
  Find(name).IgnoreError();  // makes room where it has expired
  bool made = false;
  const SnapshotPtr snapshot = snapshots_.FindOrMake(
      name,
      [&]() -> SnapshotPtr {
        if (size_.fetch_add(1, std::memory_order_relaxed) >= most_) {
          size_.fetch_sub(1, std::memory_order_relaxed);
          return nullptr;
        }
        const int64_t now = clock_.WallMillis();
        return new Snapshot(std::string(name), subscription->topic(), std::move(labels), now,
                            now + life_ms);
      },
      &made);
  if (snapshot == nullptr) {
    return done(absl::ResourceExhaustedError(
        absl::StrCat("the broker holds ", most_, " snapshots, as many as max-snapshots allows")));
  }
  if (!made) {
    return done(absl::AlreadyExistsError(absl::StrCat("snapshot \"", name, "\" exists")));
  }
  subscription->Capture(snapshot, [self = shared_from_this(), snapshot,
                                   done = std::move(done)](const absl::Status& status) {
    if (status.ok()) return done(snapshot);
    self->Drop(snapshot);
    done(status);
  });
}

absl::StatusOr<SnapshotPtr> SnapshotDirectory::Find(absl::string_view name) {
  SnapshotPtr snapshot = snapshots_.Find(name);
  if (snapshot == nullptr) return NotFound(name);
  if (!Expired(*snapshot)) return snapshot;
  Drop(snapshot);
  return NotFound(name);
}

absl::Status SnapshotDirectory::Delete(absl::string_view name) {
  const absl::StatusOr<SnapshotPtr> snapshot = Find(name);
  if (snapshot.ok()) Drop(*snapshot);
  return snapshot.status();
}

std::vector<SnapshotPtr> SnapshotDirectory::List(absl::string_view topic, absl::string_view after,
                                                 size_t limit) {
  return snapshots_.List(after, limit, [&](const SnapshotPtr& s) {
    return !Expired(*s) && (topic.empty() || s->topic()->name() == topic);
  });
}

void SnapshotDirectory::DropOf(const TopicPtr& topic) {
  for (const SnapshotPtr& s : List(topic->name(), "", kAll)) {
    if (s->topic() == topic) Drop(s);
  }
}

void SnapshotDirectory::DropExpired() {
  const auto expired = [&](const SnapshotPtr& s) { return Expired(*s); };
  for (const SnapshotPtr& s : snapshots_.All(expired)) Drop(s);
}

void SnapshotDirectory::Drop(const SnapshotPtr& snapshot) {
  if (!snapshots_.RemoveIf(snapshot->name(), snapshot)) return;
  size_.fetch_sub(1, std::memory_order_relaxed);
  snapshot->topic()->Drop(snapshot);
}

}  // namespace estiba
