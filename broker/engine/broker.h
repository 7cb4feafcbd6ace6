#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "broker/engine/config.h"
#include "broker/engine/directory.h"
#include "broker/engine/pattern_directory.h"
#include "broker/engine/snapshot_directory.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {

struct BrokerOptions {
  uint64_t budget_bytes = 0;  // 0: no limit
  TopicConfig topic_defaults;
  SubscriptionConfig subscription_defaults;
  bool auto_create_topics = true;
  bool auto_create_subscriptions = true;
  uint32_t max_topics = 100'000;
  uint32_t max_subscriptions = 100'000;
  uint32_t max_snapshots = 5'000;
  // Most bytes in one delivery, unless a single message is larger.
  uint32_t frame_bytes = 128 << 10;
  uint64_t seed = 0;  // for jitter, and for incarnations: 64 bits at random
};

struct BrokerStats {
  uint64_t budget_bytes = 0;
  uint64_t held_bytes = 0;
  uint64_t peak_held_bytes = 0;
  uint32_t topics = 0;
  uint32_t subscriptions = 0;
  uint64_t idle_topics = 0;  // deleted because they were idle
  uint64_t idle_subscriptions = 0;
  TopicFigures figures;  // over all topics, also deleted ones
};

// What housekeeping has deleted, as it was idle for too long.
struct Expired {
  std::vector<std::string> topics;
  std::vector<std::string> subscriptions;
};

// All topics and subscriptions, by name: the engine's front door.
//
// Threads: any.
// Lifetime: outlives every stream; executor, clock and timers outlive it.
class Broker {
 public:
  Broker(const BrokerOptions& options, Executor& executor, const Clock& clock, Timers& timers);
  ~Broker();
  // Takes so much of the budget's memory at once, and keeps it. Before anything else.
  absl::Status ReserveMemory(uint64_t bytes);
  // Deletes everything, so that nothing waits for anything any more. What that leads to still needs
  // the executor, if publishes have been waiting for room.
  void Close();

  const BrokerOptions& options() const { return options_; }

  // `config` as it is: defaults are the caller's business.
  absl::StatusOr<TopicPtr> CreateTopic(absl::string_view name, const TopicConfig& config);
  absl::StatusOr<TopicPtr> GetTopic(absl::string_view name) const;
  // For what is published soon, should there be such a topic: has what a publish looks at brought
  // into the cache.
  void PrefetchTopic(const DirectoryKey& name) const { topics_->Prefetch(name); }
  // Several topics at once, where there are such; see Directory::FindAll.
  using WantedTopic = Directory<TopicPtr>::Wanted;
  void FindTopics(absl::Span<WantedTopic* const> all) const { topics_->FindAll(all); }
  // For publishing and subscribing: makes a missing topic with the defaults, if that is on.
  absl::StatusOr<TopicPtr> UseTopic(const DirectoryKey& key);
  absl::Status DeleteTopic(absl::string_view name);
  std::vector<TopicPtr> ListTopics(absl::string_view after, size_t limit) const;
  // All of them.
  std::vector<TopicPtr> AllTopics() const;

  absl::StatusOr<SubscriptionPtr> CreateSubscription(absl::string_view name,
                                                     absl::string_view topic,
                                                     const SubscriptionConfig& config,
                                                     const StartPosition& start);
  absl::StatusOr<SubscriptionPtr> GetSubscription(absl::string_view name) const;
  // For a consumer: finds or makes what it asks for. Empty name: a private subscription. Empty
  // topic: the named subscription must exist. `wanted` is for one that is made; what it leaves out
  // (an ack deadline of 0) is filled in from the defaults, and what it says about the messages must
  // be so for one that exists: otherwise FAILED_PRECONDITION.
  absl::StatusOr<SubscriptionPtr> UseSubscription(absl::string_view name, absl::string_view topic,
                                                  const StartPosition& start,
                                                  const SubscriptionConfig& wanted = {0});
  // Also a pattern subscription.
  absl::Status DeleteSubscription(absl::string_view name);
  // Drops what it holds, and keeps its name; see Subscription::DetachForGood.
  absl::Status DetachSubscription(absl::string_view name);
  // topic empty: of all topics.
  std::vector<SubscriptionPtr> ListSubscriptions(absl::string_view topic, absl::string_view after,
                                                 size_t limit) const;

  // --- Subscriptions over a pattern (broker_patterns.cc); names are shared with the others ---
  absl::StatusOr<PatternSubscriptionPtr> CreatePattern(absl::string_view name,
                                                       absl::string_view pattern,
                                                       const SubscriptionConfig& config,
                                                       const StartPosition& start);
  // Null if there is none of that name.
  PatternSubscriptionPtr FindPattern(absl::string_view name) const { return patterns_->Find(name); }
  // For a consumer: finds or makes it. Empty name: a private one. Empty pattern: it must exist.
  absl::StatusOr<PatternSubscriptionPtr> UsePattern(absl::string_view name,
                                                    absl::string_view pattern,
                                                    const StartPosition& start,
                                                    const SubscriptionConfig& wanted = {0});
  // Named ones; pattern empty: all.
  std::vector<PatternSubscriptionPtr> ListPatterns(absl::string_view pattern,
                                                   absl::string_view after, size_t limit) const {
    return patterns_->List(pattern, after, limit);
  }

  SnapshotDirectory& snapshots() { return *snapshots_; }

  BrokerStats Stats() const;
  // Whether a consumer connected now is still owed something.
  bool Consumable() const;
  // Housekeeping; to be called every few seconds, by one thread at a time.
  Expired Rest();

 private:
  // Pairs of a pattern subscription and a topic.
  static constexpr size_t kMaxJoins = 1'000'000;
  static constexpr size_t kAll = std::numeric_limits<size_t>::max();

  // Whether a consumer that wants this can use a subscription that has that.
  static absl::Status CheckAgrees(absl::string_view name, const SubscriptionConfig& wanted,
                                  const SubscriptionConfig& has);
  SubscriptionConfig WithDefaults(SubscriptionConfig config) const;
  SubscriptionPtr MakeSubscription(std::string name, TopicPtr topic,
                                   const SubscriptionConfig& config);
  // Whether the topic keeps for a time what is to be kept for a time.
  static absl::Status CheckRetain(const Topic& topic, const SubscriptionConfig& config);
  // Whether the dead-letter topic is one that can be; makes it where topics are made on use.
  absl::Status CheckDeadLetter(absl::string_view topic, const SubscriptionConfig& config);
  void Forget(const SubscriptionPtr& subscription);
  // False: there is none of that name.
  bool DeletePattern(absl::string_view name);
  void EndPatterns();
  absl::StatusOr<PatternSubscriptionPtr> MakePattern(absl::string_view name,
                                                     absl::string_view pattern,
                                                     const SubscriptionConfig& config,
                                                     StartPosition start);
  void Retire(const TopicPtr& topic);
  void ExpireIdle(const std::vector<TopicPtr>& topics, Expired* expired);

  const BrokerOptions options_;
  // Shared with those who look topics up by name later, and may outlive this.
  const std::shared_ptr<Directory<TopicPtr>> topics_ = std::make_shared<Directory<TopicPtr>>();
  Topic::Surroundings around_;
  Directory<SubscriptionPtr> subscriptions_;
  // Shared with the pattern subscriptions, which may end after the broker.
  const std::shared_ptr<PatternDirectory> patterns_;
  const std::shared_ptr<SnapshotDirectory> snapshots_;
  std::atomic<uint32_t> topic_count_{0};
  std::atomic<uint32_t> subscription_count_{0};
  std::atomic<bool> expire_subscriptions_{false};  // there is one that may expire, or was
  std::atomic<uint64_t> idle_topics_{0};
  std::atomic<uint64_t> idle_subscriptions_{0};
  mutable absl::Mutex retired_mutex_;
  TopicFigures retired_ ABSL_GUARDED_BY(retired_mutex_);
};

}  // namespace estiba
