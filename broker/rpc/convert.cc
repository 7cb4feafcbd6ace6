#include "broker/rpc/convert.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/filter.h"
#include "broker/engine/limits.h"
#include "broker/engine/pattern_subscription.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"
#include "estiba/v1/admin.pb.h"
#include "estiba/v1/broker.pb.h"

namespace estiba {

absl::Status ReadMillis(absl::string_view field, const google::protobuf::Duration& duration,
                        int64_t min_ms, int64_t max_ms, int64_t* ms) {
  constexpr int64_t kMaxSeconds = int64_t{100} * 365 * 24 * 3600;
  const int64_t seconds = duration.seconds();
  if (seconds >= -kMaxSeconds && seconds <= kMaxSeconds) {
    *ms = seconds * 1000 + duration.nanos() / 1'000'000;
    if (*ms >= min_ms && *ms <= max_ms) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", seconds, " s ", duration.nanos(),
                                                 " ns: between ", min_ms, " ms and ", max_ms,
                                                 " ms"));
}

namespace {

StartPosition::Kind ToKind(v1::StartFrom::Position position) {
  switch (position) {
    case v1::StartFrom::LATEST:
      return StartPosition::Kind::kLatest;
    case v1::StartFrom::LAST:
      return StartPosition::Kind::kLast;
    case v1::StartFrom::LAST_OF_EACH_KEY:
      return StartPosition::Kind::kLastOfEachKey;
    default:
      return StartPosition::Kind::kEarliest;
  }
}

absl::Status ReadTime(absl::string_view field, const google::protobuf::Timestamp& time,
                      StartPosition* position) {
  // The years 1 to 9999, as google/protobuf/timestamp.proto has it.
  constexpr int64_t kMinSeconds = -62'135'596'800;
  constexpr int64_t kMaxSeconds = 253'402'300'799;
  if (time.seconds() < kMinSeconds || time.seconds() > kMaxSeconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", time.seconds(), " s ", time.nanos(),
                                                   " ns: is not a valid timestamp"));
  }
  *position = {StartPosition::Kind::kTime, 0, time.seconds() * 1000 + time.nanos() / 1'000'000};
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadStartFrom(absl::string_view field, const v1::StartFrom& from,
                           StartPosition* position) {
  switch (from.from_case()) {
    case v1::StartFrom::kSequence:
      if (from.sequence() == 0) {
        return absl::InvalidArgumentError(absl::StrCat(field, ".sequence: 0: at least 1"));
      }
      *position = {StartPosition::Kind::kSequence, from.sequence(), 0};
      return absl::OkStatus();
    case v1::StartFrom::kTime:
      return ReadTime(absl::StrCat(field, ".time"), from.time(), position);
    default:
      if (!v1::StartFrom::Position_IsValid(from.position())) {
        return absl::InvalidArgumentError(
            absl::StrCat(field, ".position: ", from.position(), ": is not a known position"));
      }
      position->kind = ToKind(from.position());
      return absl::OkStatus();
  }
}

namespace {

constexpr int64_t kDefaultMinRetryMs = 10'000;
constexpr uint32_t kDefaultAttempts = 5;

absl::Status ReadRetry(absl::string_view field, const v1::RetryPolicy& in, RetryPolicy* out) {
  RetryPolicy policy{0, kMaxRetryMs};
  if (in.has_max_backoff()) {
    if (absl::Status s = ReadMillis(absl::StrCat(field, ".max_backoff"), in.max_backoff(), 0,
                                    kMaxRetryMs, &policy.max_ms);
        !s.ok()) {
      return s;
    }
  }
  policy.min_ms = std::min(kDefaultMinRetryMs, policy.max_ms);
  if (in.has_min_backoff()) {
    if (absl::Status s = ReadMillis(absl::StrCat(field, ".min_backoff"), in.min_backoff(), 0,
                                    policy.max_ms, &policy.min_ms);
        !s.ok()) {
      return s;
    }
  }
  *out = policy;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadSubscriptionConfig(absl::string_view field, const v1::SubscriptionConfig& in,
                                    SubscriptionConfig* out) {
  if (in.has_ack_deadline()) {
    if (absl::Status s = ReadMillis(absl::StrCat(field, ".ack_deadline"), in.ack_deadline(),
                                    kMinAckDeadlineMs, kMaxAckDeadlineMs, &out->ack_deadline_ms);
        !s.ok()) {
      return s;
    }
  }
  out->retain_acked = in.retain_acked();
  if (in.has_idle_expiry()) {
    if (absl::Status s = ReadMillis(absl::StrCat(field, ".idle_expiry"), in.idle_expiry(),
                                    kMinIdleExpiryMs, kMaxIdleExpiryMs, &out->idle_expiry_ms);
        !s.ok()) {
      return s;
    }
  }
  if (!in.filter().empty()) {
    absl::StatusOr<std::shared_ptr<const Filter>> filter = Filter::Compile(in.filter());
    if (!filter.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(field, ".", filter.status().message()));
    }
    out->filter = *std::move(filter);
  }
  out->ordered = in.ordered();
  out->exactly_once = in.exactly_once();
  if (in.has_retry()) {
    if (absl::Status s = ReadRetry(absl::StrCat(field, ".retry"), in.retry(), &out->retry);
        !s.ok()) {
      return s;
    }
  }
  if (!in.has_dead_letter()) return absl::OkStatus();
  const uint32_t attempts = in.dead_letter().max_attempts();
  if (attempts > kMaxDeadLetterAttempts) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".dead_letter.max_attempts: ", attempts,
                                                   ": between 1 and ", kMaxDeadLetterAttempts));
  }
  out->dead_letter = {in.dead_letter().topic(), attempts == 0 ? kDefaultAttempts : attempts};
  return CheckName(absl::StrCat(field, ".dead_letter.topic"), out->dead_letter.topic);
}

void WriteMillis(int64_t ms, google::protobuf::Duration* duration) {
  duration->set_seconds(ms / 1000);
  duration->set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
}

void WriteTime(int64_t unix_ms, google::protobuf::Timestamp* time) {
  time->set_seconds(unix_ms / 1000);
  time->set_nanos(static_cast<int32_t>(unix_ms % 1000 * 1'000'000));
}

void WriteTopic(const Topic& topic, v1::Topic* out) {
  out->set_name(topic.name());
  v1::TopicConfig* config = out->mutable_config();
  switch (topic.config().full_policy) {
    case FullPolicy::kReject:
      config->set_full_policy(v1::REJECT);
      break;
    case FullPolicy::kBlock:
      config->set_full_policy(v1::BLOCK);
      break;
    case FullPolicy::kDropOldest:
      config->set_full_policy(v1::DROP_OLDEST);
      break;
  }
  config->set_budget_bytes(topic.config().budget_bytes);
  config->set_retention_bytes(topic.config().retention_bytes);
  if (topic.config().retention_age_ms > 0) {
    WriteMillis(topic.config().retention_age_ms, config->mutable_retention_age());
  }
  WriteMillis(topic.config().dedup_window_ms, config->mutable_dedup_window());
  if (topic.config().idle_expiry_ms > 0) {
    WriteMillis(topic.config().idle_expiry_ms, config->mutable_idle_expiry());
  }
  WriteTime(topic.create_time_ms(), out->mutable_create_time());
  const TopicStats from = topic.Stats();
  v1::TopicStats* stats = out->mutable_stats();
  stats->set_next_sequence(from.next_sequence);
  stats->set_held_bytes(from.held_bytes);
  stats->set_held_messages(from.held_messages);
  stats->set_scheduled_messages(from.scheduled_messages);
  stats->set_forgotten_ids(from.figures.forgotten_ids);
  stats->set_subscriptions(from.subscriptions);
  stats->set_published_messages(from.figures.published_messages);
  stats->set_published_bytes(from.figures.published_bytes);
  stats->set_rejected_batches(from.figures.rejected_batches);
  stats->set_rejected_messages(from.figures.rejected_messages);
  stats->set_blocked_batches(from.figures.blocked_batches);
  stats->set_dropped_messages(from.figures.dropped_messages);
  stats->set_expired_messages(from.figures.expired_messages);
  stats->set_duplicate_batches(from.figures.duplicate_batches);
}

namespace {

void WriteConfig(const SubscriptionConfig& config, v1::SubscriptionConfig* out) {
  WriteMillis(config.ack_deadline_ms, out->mutable_ack_deadline());
  if (config.filter != nullptr) out->set_filter(config.filter->source());
  out->set_ordered(config.ordered);
  out->set_exactly_once(config.exactly_once);
  if (config.retry.max_ms > 0) {
    WriteMillis(config.retry.min_ms, out->mutable_retry()->mutable_min_backoff());
    WriteMillis(config.retry.max_ms, out->mutable_retry()->mutable_max_backoff());
  }
  if (config.dead_letter.max_attempts > 0) {
    out->mutable_dead_letter()->set_topic(config.dead_letter.topic);
    out->mutable_dead_letter()->set_max_attempts(config.dead_letter.max_attempts);
  }
  out->set_retain_acked(config.retain_acked);
  if (config.idle_expiry_ms > 0) WriteMillis(config.idle_expiry_ms, out->mutable_idle_expiry());
}

// Of a subscription of either kind.
template <typename Source>
void WriteFigures(const Source& subscription, absl::string_view topic, v1::Subscription* out) {
  out->set_name(subscription.name());
  out->set_topic(std::string(topic));
  WriteConfig(subscription.config(), out->mutable_config());
  WriteTime(subscription.create_time_ms(), out->mutable_create_time());
  const SubscriptionStats from = subscription.Stats();
  v1::SubscriptionStats* stats = out->mutable_stats();
  stats->set_next_sequence(from.figures.next_sequence);
  stats->set_floor_sequence(from.figures.floor_sequence);
  stats->set_backlog_messages(from.backlog_messages);
  stats->set_outstanding_messages(from.figures.outstanding_messages);
  stats->set_redeliver_messages(from.figures.redeliver_messages);
  stats->set_consumers(static_cast<uint32_t>(from.figures.consumers));
  stats->set_delivered_messages(from.figures.delivered_messages);
  stats->set_delivered_bytes(from.figures.delivered_bytes);
  stats->set_acked_messages(from.figures.acked_messages);
  stats->set_nacked_messages(from.figures.nacked_messages);
  stats->set_expired_leases(from.figures.expired_leases);
  stats->set_gap_messages(from.figures.gap_messages);
  stats->set_filtered_messages(from.figures.filtered_messages);
  stats->set_expired_messages(from.figures.expired_messages);
  stats->set_delayed_messages(from.figures.delayed_messages);
  stats->set_dead_lettered_messages(from.figures.dead_lettered_messages);
  stats->set_dead_letter_waiting(from.figures.dead_letter_waiting);
  stats->set_blocked_messages(from.figures.blocked_messages);
  stats->set_paused(from.figures.paused != 0);
  stats->set_skipped_messages(from.figures.skipped_messages);
  stats->set_seeks(from.figures.seeks);
  stats->set_detached(from.figures.detached != 0);
  stats->set_refused_acks(from.figures.refused_acks);
}

}  // namespace

void WriteSubscription(const Subscription& subscription, v1::Subscription* out) {
  WriteFigures(subscription, subscription.topic()->name(), out);
}

void WriteSubscription(const PatternSubscription& subscription, v1::Subscription* out) {
  WriteFigures(subscription, subscription.pattern(), out);
}

}  // namespace estiba
