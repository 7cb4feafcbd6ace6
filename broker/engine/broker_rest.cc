// Broker: housekeeping.
#include <limits>

#include "absl/strings/str_cat.h"
#include "broker/engine/broker.h"

namespace estiba {

Expired Broker::Rest() {
  Expired expired;
  const std::vector<TopicPtr> topics = AllTopics();
  ExpireIdle(topics, &expired);
  snapshots_->DropExpired();
  const bool wanted = around_.memory->wanted.exchange(false, std::memory_order_relaxed);
  for (const TopicPtr& topic : topics) {
    topic->Rest();
    if (wanted) topic->YieldHistory();
  }
  around_.memory->pool.Trim();
  return expired;
}

void Broker::ExpireIdle(const std::vector<TopicPtr>& topics, Expired* expired) {
  const int64_t now = around_.clock.SteadyMillis();
  if (expire_subscriptions_.load(std::memory_order_relaxed)) {
    const auto idle = [&](const SubscriptionPtr& s) { return s->IdleExpired(now); };
    for (const SubscriptionPtr& s : subscriptions_.All(idle)) {
      if (!subscriptions_.RemoveIf(s->name(), s)) continue;
      subscription_count_.fetch_sub(1, std::memory_order_relaxed);
      idle_subscriptions_.fetch_add(1, std::memory_order_relaxed);
      // A consumer that comes at this very moment is told, and makes a new one.
      s->End(absl::AbortedError(
          absl::StrCat("subscription \"", s->name(), "\" was deleted, as nobody used it")));
      expired->subscriptions.push_back(s->name());
    }
  }
  for (const TopicPtr& topic : topics) {
    if (!topic->IdleExpired(now) || !topics_->RemoveIf(topic->name(), topic)) continue;
    idle_topics_.fetch_add(1, std::memory_order_relaxed);
    Retire(topic);
    expired->topics.push_back(topic->name());
  }
}

}  // namespace estiba
