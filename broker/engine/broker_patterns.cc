// Broker: subscriptions over a pattern of topics.
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/broker.h"
#include "broker/engine/limits.h"
#include "broker/engine/pattern.h"

namespace estiba {

absl::StatusOr<PatternSubscriptionPtr> Broker::MakePattern(absl::string_view name,
                                                           absl::string_view pattern,
                                                           const SubscriptionConfig& config,
                                                           StartPosition start) {
  if (absl::Status status = CheckPattern("topic", pattern); !status.ok()) return status;
  if (start.incarnation != 0) {
    // Another broker's: nothing of this one is known to whoever asks, whatever the time.
    if (!around_.incarnations->Made(start.incarnation)) start = {StartPosition::Kind::kTime};
    start.incarnation = 0;
  }
  if (start.kind == StartPosition::Kind::kSequence) {
    return absl::InvalidArgumentError(
        absl::StrCat("from.sequence: ", start.sequence,
                     ": a pattern has topics, each with sequences of its own"));
  }
  if (config.retain_acked || config.idle_expiry_ms != 0) {
    return absl::InvalidArgumentError(
        "config.retain_acked, config.idle_expiry: only for a subscription of one topic");
  }
  if (config.dead_letter.max_attempts != 0 && MatchesPattern(pattern, config.dead_letter.topic)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dead_letter.topic: \"", config.dead_letter.topic, "\": is one that the pattern matches"));
  }
  if (absl::Status s = CheckDeadLetter(pattern, config); !s.ok()) return s;
  const bool named = !name.empty();
  if (named && subscription_count_.fetch_add(1) >= options_.max_subscriptions) {
    subscription_count_.fetch_sub(1, std::memory_order_relaxed);
    return absl::ResourceExhaustedError(
        absl::StrCat("the broker holds ", options_.max_subscriptions,
                     " subscriptions, as many as max-subscriptions allows"));
  }
  PatternSubscriptionPtr made(new PatternSubscription(
      std::string(name), std::string(pattern), config, around_, options_.frame_bytes, patterns_));
  const absl::Status status = patterns_->Add(
      made, start, [this] { return AllTopics(); },
      [&] { return subscriptions_.Find(name) != nullptr; });
  if (status.ok()) return made;
  if (named) subscription_count_.fetch_sub(1, std::memory_order_relaxed);
  return status;
}

absl::StatusOr<PatternSubscriptionPtr> Broker::CreatePattern(absl::string_view name,
                                                             absl::string_view pattern,
                                                             const SubscriptionConfig& config,
                                                             const StartPosition& start) {
  if (absl::Status status = CheckName("name", name); !status.ok()) return status;
  return MakePattern(name, pattern, config, start);
}

absl::StatusOr<PatternSubscriptionPtr> Broker::UsePattern(absl::string_view name,
                                                          absl::string_view pattern,
                                                          const StartPosition& start,
                                                          const SubscriptionConfig& wanted) {
  if (name.empty()) return MakePattern("", pattern, WithDefaults(wanted), start);
  PatternSubscriptionPtr found = patterns_->Find(name);
  if (found == nullptr) {
    if (absl::Status status = CheckName("subscription", name); !status.ok()) return status;
    if (const SubscriptionPtr other = subscriptions_.Find(name)) {
      return absl::FailedPreconditionError(
          absl::StrCat("subscription: \"", name, "\" belongs to topic \"", other->topic()->name(),
                       "\", not to \"", pattern, "\""));
    }
    if (pattern.empty() || !options_.auto_create_subscriptions) {
      return absl::NotFoundError(absl::StrCat("subscription \"", name, "\" does not exist"));
    }
    absl::StatusOr<PatternSubscriptionPtr> made =
        MakePattern(name, pattern, WithDefaults(wanted), start);
    if (!absl::IsAlreadyExists(made.status())) return made;
    found = patterns_->Find(name);
    if (found == nullptr) return absl::AbortedError("the subscription was deleted meanwhile");
  }
  if (!pattern.empty() && found->pattern() != pattern) {
    return absl::FailedPreconditionError(
        absl::StrCat("subscription: \"", name, "\" belongs to the pattern \"", found->pattern(),
                     "\", not to \"", pattern, "\""));
  }
  if (absl::Status s = CheckAgrees(name, wanted, found->config()); !s.ok()) return s;
  return found;
}

bool Broker::DeletePattern(absl::string_view name) {
  const PatternSubscriptionPtr pattern = patterns_->Find(name);
  // (Of several that delete it at once, one.)
  if (pattern == nullptr || !patterns_->Forget(pattern.get())) return false;
  subscription_count_.fetch_sub(1, std::memory_order_relaxed);
  pattern->End(absl::AbortedError(absl::StrCat("subscription \"", name, "\" was deleted")));
  return true;
}

void Broker::EndPatterns() {
  for (const PatternSubscriptionPtr& pattern : patterns_->All()) {
    patterns_->Forget(pattern.get());
    pattern->End(absl::AbortedError("the broker ends"));
  }
}

}  // namespace estiba
