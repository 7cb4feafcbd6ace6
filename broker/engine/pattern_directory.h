#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "broker/engine/pattern_index.h"
#include "broker/engine/pattern_subscription.h"

namespace estiba {

// The pattern subscriptions, and which topics are whose.
//
// A topic joins every pattern that matches it before anybody can publish to it, so nothing is
// missed: topics become visible under the same lock under which patterns are entered. No turn runs
// under that lock (see Actor::PostDeferred), and a topic that exists already is found without it.
//
// Cost: making or deleting a topic looks up the patterns that match its name, however many do not
// (PatternIndex); publishing costs nothing.
// Bound: max_joins pairs of a pattern subscription and a topic, each of which is a subscription of
// that topic; a topic or pattern that would exceed it is not made.
//
// Threads: any. Lifetime: shared by the broker and the pattern subscriptions that have not ended.
class PatternDirectory {
 public:
  explicit PatternDirectory(size_t max_joins) : max_joins_(max_joins) {}

  // Makes a topic visible: `enter` does, after calling Join for it.
  template <typename Enter>
  auto EnterTopic(Enter&& enter) {
    absl::MutexLock lock(&mutex_);
    return enter();
  }
  // Within EnterTopic: the topic joins the patterns that match it, from its first message on.
  // False: there are too many joins already.
  bool Join(const TopicPtr& topic);
  // The topic is no longer visible.
  void Leave(const TopicPtr& topic);

  // Enters a pattern subscription; the topics that exist and match join it from `start` on.
  // `topics` lists the visible ones; `taken` says whether an ordinary subscription has the name.
  // ALREADY_EXISTS, RESOURCE_EXHAUSTED.
  absl::Status Add(const PatternSubscriptionPtr& pattern, const StartPosition& start,
                   const std::function<std::vector<TopicPtr>()>& topics,
                   const std::function<bool()>& taken);
  // It has ended, or is about to. False: it was not here.
  bool Forget(PatternSubscription* pattern);

  PatternSubscriptionPtr Find(absl::string_view name) const;
  // Named ones after a name, in the order of names; of this pattern, empty: all.
  std::vector<PatternSubscriptionPtr> List(absl::string_view pattern, absl::string_view after,
                                           size_t limit) const;
  // All of them, also private ones.
  std::vector<PatternSubscriptionPtr> All() const;

 private:
  struct Entry {
    PatternSubscriptionPtr pattern;
    absl::flat_hash_set<const Topic*> joined;
  };

  void JoinOne(Entry& entry, const TopicPtr& topic, const StartPosition& start);

  const size_t max_joins_;
  mutable absl::Mutex mutex_;
  PatternIndex<Entry*> index_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<const PatternSubscription*, std::unique_ptr<Entry>> entries_
      ABSL_GUARDED_BY(mutex_);
  absl::btree_map<std::string, PatternSubscription*> names_ ABSL_GUARDED_BY(mutex_);
  size_t joins_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace estiba
