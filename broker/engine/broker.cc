#include "broker/engine/broker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/filter.h"
#include "broker/engine/limits.h"

namespace estiba {
namespace {

const auto kAny = [](const auto&) { return true; };

// A busy topic's segments: large enough to be cheap, small enough that what one straggling frame
// pins stays a small part of the budget.
uint32_t SegmentBytes(uint64_t budget_bytes) {
  constexpr uint64_t kSmallest = 64 << 10;
  constexpr uint64_t kLargest = 1 << 20;
  if (budget_bytes == 0) return kLargest;
  uint64_t bytes = kSmallest;
  while (bytes < kLargest && bytes * 2 <= budget_bytes / 512) bytes *= 2;
  return static_cast<uint32_t>(bytes);
}

absl::Status NotFound(absl::string_view kind, absl::string_view name) {
  return absl::NotFoundError(absl::StrCat(kind, " \"", name, "\" does not exist"));
}

absl::Status TooMany(absl::string_view kind, uint32_t limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the broker holds ", limit, " ", kind, "s, as many as max-", kind, "s allows"));
}

absl::Status Differs(absl::string_view name, absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat("subscription: \"", name, "\" exists, ", what));
}

}  // namespace

absl::Status Broker::CheckAgrees(absl::string_view name, const SubscriptionConfig& wanted,
                                 const SubscriptionConfig& has) {
  if (wanted.filter != nullptr &&
      (has.filter == nullptr || has.filter->source() != wanted.filter->source())) {
    return Differs(name, has.filter == nullptr
                             ? "without a filter"
                             : absl::StrCat("with another filter: ", has.filter->source()));
  }
  if (wanted.ordered && !has.ordered) return Differs(name, "without ordering");
  if (wanted.retry.max_ms != 0 &&
      (wanted.retry.min_ms != has.retry.min_ms || wanted.retry.max_ms != has.retry.max_ms)) {
    return Differs(name, "with another retry policy");
  }
  if (wanted.dead_letter.max_attempts != 0 &&
      (wanted.dead_letter.topic != has.dead_letter.topic ||
       wanted.dead_letter.max_attempts != has.dead_letter.max_attempts)) {
    return Differs(name, "with another dead-letter policy");
  }
  if (wanted.retain_acked && !has.retain_acked) {
    return Differs(name, "and does not keep what is acked");
  }
  if (wanted.idle_expiry_ms != 0 && wanted.idle_expiry_ms != has.idle_expiry_ms) {
    return Differs(name, "with another idle expiry");
  }
  if (wanted.exactly_once && !has.exactly_once) return Differs(name, "without exactly-once");
  return absl::OkStatus();
}

SubscriptionConfig Broker::WithDefaults(SubscriptionConfig config) const {
  if (config.ack_deadline_ms == 0) {
    config.ack_deadline_ms = options_.subscription_defaults.ack_deadline_ms;
  }
  return config;
}

namespace {

// Counts one more, up to the limit.
bool TryCount(std::atomic<uint32_t>& count, uint32_t limit) {
  if (count.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

Broker::Broker(const BrokerOptions& options, Executor& executor, const Clock& clock, Timers& timers)
    : options_(options),
      around_{executor,
              clock,
              timers,
              std::make_shared<Memory>(options.budget_bytes, SegmentBytes(options.budget_bytes)),
              std::make_shared<Incarnations>(options.seed),
              options.seed,
              [topics = topics_](absl::string_view name) { return topics->Find(name); }},
      patterns_(std::make_shared<PatternDirectory>(kMaxJoins)),
      snapshots_(std::make_shared<SnapshotDirectory>(clock, options.max_snapshots)) {}

Broker::~Broker() { Close(); }

absl::Status Broker::ReserveMemory(uint64_t bytes) {
  if (around_.memory->pool.Reserve(bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the system has no ", bytes, " bytes of memory to reserve"));
}

void Broker::Close() {
  EndPatterns();
  for (const TopicPtr& topic : AllTopics()) DeleteTopic(topic->name()).IgnoreError();
}

absl::StatusOr<TopicPtr> Broker::CreateTopic(absl::string_view name, const TopicConfig& config) {
  if (absl::Status status = CheckName("name", name); !status.ok()) return status;
  bool made = false;
  bool joined = true;
  TopicPtr topic = patterns_->EnterTopic([&] {
    return topics_->FindOrMake(
        name,
        [&]() -> TopicPtr {
          if (!TryCount(topic_count_, options_.max_topics)) return nullptr;
          TopicPtr fresh(new Topic(std::string(name), config, around_));
          joined = patterns_->Join(fresh);
          return joined ? fresh : nullptr;
        },
        &made);
  });
  if (!joined) {
    topic_count_.fetch_sub(1, std::memory_order_relaxed);
    return absl::ResourceExhaustedError(
        absl::StrCat("name: \"", name, "\" matches patterns that have as many topics as they may, ",
                     kMaxJoins, " over all"));
  }
  if (topic == nullptr) return TooMany("topic", options_.max_topics);
  if (!made) return absl::AlreadyExistsError(absl::StrCat("topic \"", name, "\" exists"));
  return topic;
}

absl::StatusOr<TopicPtr> Broker::GetTopic(absl::string_view name) const {
  TopicPtr topic = topics_->Find(name);
  if (topic == nullptr) return NotFound("topic", name);
  return topic;
}

absl::StatusOr<TopicPtr> Broker::UseTopic(const DirectoryKey& key) {
  if (TopicPtr topic = topics_->Find(key)) return topic;
  const absl::string_view name = key.name();
  if (absl::Status status = CheckName("topic", name); !status.ok()) return status;
  if (!options_.auto_create_topics) return NotFound("topic", name);
  absl::StatusOr<TopicPtr> topic = CreateTopic(name, options_.topic_defaults);
  return absl::IsAlreadyExists(topic.status()) ? GetTopic(name) : topic;
}

absl::Status Broker::DeleteTopic(absl::string_view name) {
  const TopicPtr topic = topics_->Remove(name);
  if (topic == nullptr) return NotFound("topic", name);
  Retire(topic);
  return absl::OkStatus();
}

void Broker::Retire(const TopicPtr& topic) {
  topic_count_.fetch_sub(1, std::memory_order_relaxed);
  topic->Delete();
  patterns_->Leave(topic);
  {
    absl::MutexLock lock(&retired_mutex_);
    retired_.Add(topic->Stats().figures);
  }
  for (const SubscriptionPtr& s : ListSubscriptions(topic->name(), "", kAll)) {
    if (s->topic() == topic) Forget(s);
  }
  snapshots_->DropOf(topic);
}

std::vector<TopicPtr> Broker::ListTopics(absl::string_view after, size_t limit) const {
  return topics_->List(after, limit, kAny);
}

std::vector<TopicPtr> Broker::AllTopics() const { return topics_->All(kAny); }

SubscriptionPtr Broker::MakeSubscription(std::string name, TopicPtr topic,
                                         const SubscriptionConfig& config) {
  return new Subscription(std::move(name), std::move(topic), config, around_, options_.frame_bytes);
}

absl::StatusOr<SubscriptionPtr> Broker::CreateSubscription(absl::string_view name,
                                                           absl::string_view topic_name,
                                                           const SubscriptionConfig& config,
                                                           const StartPosition& start) {
  if (absl::Status status = CheckName("name", name); !status.ok()) return status;
  absl::StatusOr<TopicPtr> topic = GetTopic(topic_name);
  if (!topic.ok()) return topic.status();
  if (absl::Status s = CheckDeadLetter(topic_name, config); !s.ok()) return s;
  if (absl::Status s = CheckRetain(**topic, config); !s.ok()) return s;
  bool made = false;
  SubscriptionPtr subscription = subscriptions_.FindOrMake(
      name,
      [&]() -> SubscriptionPtr {
        if (!TryCount(subscription_count_, options_.max_subscriptions)) return nullptr;
        return MakeSubscription(std::string(name), *topic, config);
      },
      &made);
  if (subscription == nullptr) return TooMany("subscription", options_.max_subscriptions);
  // A pattern may have the name. Whoever enters last sees the other, as it looks after entering.
  if (made && patterns_->Find(name) != nullptr) {
    Forget(subscription);
    made = false;
  }
  if (!made) return absl::AlreadyExistsError(absl::StrCat("subscription \"", name, "\" exists"));
  (*topic)->Attach(subscription, start);
  if (config.idle_expiry_ms != 0) expire_subscriptions_.store(true, std::memory_order_relaxed);
  // Deleted meanwhile? Then DeleteTopic may have looked for its subscriptions too early to see it.
  if ((*topic)->deleted()) {
    Forget(subscription);
    return NotFound("topic", topic_name);
  }
  return subscription;
}

absl::Status Broker::CheckRetain(const Topic& topic, const SubscriptionConfig& config) {
  const TopicConfig& limits = topic.config();
  if (!config.retain_acked || limits.retention_age_ms != 0 || limits.retention_bytes != 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("config.retain_acked: true: needs a topic with a retention by age or size, "
                   "which topic \"",
                   topic.name(), "\" has not"));
}

absl::Status Broker::CheckDeadLetter(absl::string_view topic, const SubscriptionConfig& config) {
  const DeadLetterPolicy& policy = config.dead_letter;
  if (policy.max_attempts == 0) return absl::OkStatus();
  constexpr absl::string_view kField = "dead_letter.topic";
  if (absl::Status status = CheckName(kField, policy.topic); !status.ok()) return status;
  if (policy.topic == topic) {
    return absl::InvalidArgumentError(
        absl::StrCat(kField, ": \"", topic, "\": is the subscription's own topic"));
  }
  return UseTopic(policy.topic).status();
}

void Broker::Forget(const SubscriptionPtr& subscription) {
  if (subscriptions_.RemoveIf(subscription->name(), subscription)) {
    subscription_count_.fetch_sub(1, std::memory_order_relaxed);
  }
}

absl::StatusOr<SubscriptionPtr> Broker::GetSubscription(absl::string_view name) const {
  SubscriptionPtr subscription = subscriptions_.Find(name);
  if (subscription == nullptr && patterns_->Find(name) != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("subscription \"", name, "\" is over a pattern, not of one topic"));
  }
  if (subscription == nullptr) return NotFound("subscription", name);
  return subscription;
}

absl::StatusOr<SubscriptionPtr> Broker::UseSubscription(absl::string_view name,
                                                        absl::string_view topic_name,
                                                        const StartPosition& start,
                                                        const SubscriptionConfig& wanted) {
  const SubscriptionConfig config = WithDefaults(wanted);
  if (name.empty()) {
    absl::StatusOr<TopicPtr> topic = UseTopic(topic_name);
    if (!topic.ok()) return topic.status();
    if (absl::Status s = CheckRetain(**topic, config); !s.ok()) return s;
    if (absl::Status s = CheckDeadLetter(topic_name, config); !s.ok()) return s;
    SubscriptionPtr subscription = MakeSubscription("", *std::move(topic), config);
    subscription->topic()->Attach(subscription, start);
    return subscription;
  }
  SubscriptionPtr found = subscriptions_.Find(name);
  if (found == nullptr) {
    if (const PatternSubscriptionPtr pattern = patterns_->Find(name)) {
      return absl::FailedPreconditionError(
          absl::StrCat("subscription: \"", name, "\" belongs to the pattern \"", pattern->pattern(),
                       "\", not to \"", topic_name, "\""));
    }
    if (absl::Status status = CheckName("subscription", name); !status.ok()) return status;
    if (topic_name.empty() || !options_.auto_create_subscriptions) {
      return NotFound("subscription", name);
    }
    absl::StatusOr<TopicPtr> topic = UseTopic(topic_name);
    if (!topic.ok()) return topic.status();
    absl::StatusOr<SubscriptionPtr> made = CreateSubscription(name, topic_name, config, start);
    if (!absl::IsAlreadyExists(made.status())) return made;
    found = subscriptions_.Find(name);
    if (found == nullptr) return absl::AbortedError("the subscription was deleted meanwhile");
  }
  if (!topic_name.empty() && found->topic()->name() != topic_name) {
    return absl::FailedPreconditionError(
        absl::StrCat("subscription: \"", name, "\" belongs to topic \"", found->topic()->name(),
                     "\", not to \"", topic_name, "\""));
  }
  if (absl::Status s = CheckAgrees(name, wanted, found->config()); !s.ok()) return s;
  return found;
}

absl::Status Broker::DeleteSubscription(absl::string_view name) {
  const SubscriptionPtr subscription = subscriptions_.Remove(name);
  if (subscription == nullptr && DeletePattern(name)) return absl::OkStatus();
  if (subscription == nullptr) return NotFound("subscription", name);
  subscription_count_.fetch_sub(1, std::memory_order_relaxed);
  subscription->End(absl::AbortedError(absl::StrCat("subscription \"", name, "\" was deleted")));
  return absl::OkStatus();
}

absl::Status Broker::DetachSubscription(absl::string_view name) {
  const absl::StatusOr<SubscriptionPtr> subscription = GetSubscription(name);
  if (!subscription.ok()) return subscription.status();
  (*subscription)->DetachForGood();
  return absl::OkStatus();
}

std::vector<SubscriptionPtr> Broker::ListSubscriptions(absl::string_view topic,
                                                       absl::string_view after,
                                                       size_t limit) const {
  return subscriptions_.List(after, limit, [&](const SubscriptionPtr& s) {
    return topic.empty() || s->topic()->name() == topic;
  });
}

BrokerStats Broker::Stats() const {
  BrokerStats stats;
  const Budget& budget = around_.memory->budget;
  stats.budget_bytes = budget.limit();
  stats.held_bytes = budget.UsedApprox();
  stats.peak_held_bytes = budget.PeakApprox();
  stats.topics = topic_count_.load(std::memory_order_relaxed);
  stats.subscriptions = subscription_count_.load(std::memory_order_relaxed);
  stats.idle_topics = idle_topics_.load(std::memory_order_relaxed);
  stats.idle_subscriptions = idle_subscriptions_.load(std::memory_order_relaxed);
  {
    absl::MutexLock lock(&retired_mutex_);
    stats.figures = retired_;
  }
  for (const TopicPtr& topic : AllTopics()) stats.figures.Add(topic->counters().Read());
  return stats;
}

bool Broker::Consumable() const {
  const std::vector<TopicPtr> topics = AllTopics();
  return std::any_of(topics.begin(), topics.end(),
                     [](const TopicPtr& topic) { return topic->Consumable(); });
}

}  // namespace estiba
