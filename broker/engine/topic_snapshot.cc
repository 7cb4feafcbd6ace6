// Topic: the snapshots of its subscriptions.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/snapshot.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {

void Topic::Keep(SnapshotPtr snapshot, SnapshotContents contents, ControlDone done) {
  Post([self = TopicPtr(this), snapshot = std::move(snapshot), contents = std::move(contents),
        done = std::move(done)]() mutable {
    self->seeks_under_way_.fetch_sub(1, std::memory_order_relaxed);
    if (self->deleted()) {
      contents = {};
      self->HandleMoved();
      return done(absl::AbortedError(absl::StrCat("topic \"", self->name_, "\" was deleted")));
    }
    snapshot->Keep(std::move(contents));
    snapshot->Trim(self->trim_to());
    self->snapshots_.push_back(snapshot);
    self->counters_.snapshots.Set(self->snapshots_.size());
    self->HandleMoved();
    done(absl::OkStatus());
  });
}

void Topic::Drop(SnapshotPtr snapshot) {
  Post([self = TopicPtr(this), snapshot = std::move(snapshot)] {
    const auto found = std::find(self->snapshots_.begin(), self->snapshots_.end(), snapshot);
    if (found == self->snapshots_.end()) return;
    self->snapshots_.erase(found);
    self->counters_.snapshots.Set(self->snapshots_.size());
    snapshot->Drop();
    self->HandleMoved();
  });
}

void Topic::SeekTo(SubscriptionPtr subscription, SnapshotPtr snapshot, SeekDone done) {
  Post([self = TopicPtr(this), subscription = std::move(subscription),
        snapshot = std::move(snapshot), done = std::move(done)] {
    const auto& all = self->snapshots_;
    if (std::find(all.begin(), all.end(), snapshot) == all.end()) {
      return done(absl::AbortedError(
          absl::StrCat("snapshot \"", snapshot->name(), "\" is being made or deleted")));
    }
    self->HandleSeek(subscription, snapshot->Place(), done);
  });
}

}  // namespace estiba
