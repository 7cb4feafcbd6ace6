#include "client/src/admin_codec.h"

#include "client/src/batch_buffer.h"
#include "client/src/duration_codec.h"

namespace estiba::internal {

void ToProto(const TopicConfig& config, v1::TopicConfig& out) {
  out.set_full_policy(static_cast<v1::FullPolicy>(config.full_policy));
  out.set_budget_bytes(config.budget_bytes);
  if (config.retention_age != absl::ZeroDuration()) {
    ToProto(config.retention_age, *out.mutable_retention_age());
  }
  out.set_retention_bytes(config.retention_bytes);
  if (config.dedup_window != absl::ZeroDuration()) {
    ToProto(config.dedup_window, *out.mutable_dedup_window());
  }
  if (config.idle_expiry != absl::ZeroDuration()) {
    ToProto(config.idle_expiry, *out.mutable_idle_expiry());
  }
}

void ToProto(const SubscriptionConfig& config, v1::SubscriptionConfig& out) {
  if (config.ack_deadline != absl::ZeroDuration()) {
    ToProto(config.ack_deadline, *out.mutable_ack_deadline());
  }
  out.set_filter(config.filter);
  out.set_ordered(config.ordered);
  out.set_exactly_once(config.exactly_once);
  if (config.retry.min_backoff != absl::ZeroDuration()) {
    ToProto(config.retry.min_backoff, *out.mutable_retry()->mutable_min_backoff());
  }
  if (config.retry.max_backoff != absl::ZeroDuration()) {
    ToProto(config.retry.max_backoff, *out.mutable_retry()->mutable_max_backoff());
  }
  if (!config.dead_letter.topic.empty() || config.dead_letter.max_attempts != 0) {
    out.mutable_dead_letter()->set_topic(config.dead_letter.topic);
    out.mutable_dead_letter()->set_max_attempts(config.dead_letter.max_attempts);
  }
  out.set_retain_acked(config.retain_acked);
  if (config.idle_expiry != absl::ZeroDuration()) {
    ToProto(config.idle_expiry, *out.mutable_idle_expiry());
  }
}

void ToProto(const StartFrom& from, v1::StartFrom& out) {
  switch (from.kind()) {
    case StartFrom::Kind::kEarliest:
      out.set_position(v1::StartFrom::EARLIEST);
      break;
    case StartFrom::Kind::kLatest:
      out.set_position(v1::StartFrom::LATEST);
      break;
    case StartFrom::Kind::kLast:
      out.set_position(v1::StartFrom::LAST);
      break;
    case StartFrom::Kind::kLastOfEachKey:
      out.set_position(v1::StartFrom::LAST_OF_EACH_KEY);
      break;
    case StartFrom::Kind::kSequence:
      out.set_sequence(from.sequence());
      break;
    case StartFrom::Kind::kTime:
      ToProto(from.time(), *out.mutable_time());
      break;
  }
}

void ToProto(const StatsQuery& query, v1::StatsRequest& out) {
  out.set_topics(query.topics);
  out.set_topic(query.topic);
}

void ToProto(const Message& message, v1::Message& out) {
  out.set_data(message.data);
  out.set_ordering_key(message.ordering_key);
  for (const auto& [key, value] : message.attributes) (*out.mutable_attributes())[key] = value;
  ForEachTime(message.timing, [&](uint32_t field, uint64_t value) {
    const int64_t ms = static_cast<int64_t>(value);
    if (field == v1::Message::kDeliverAfterMsFieldNumber) out.set_deliver_after_ms(ms);
    if (field == v1::Message::kDeliverAtMsFieldNumber) out.set_deliver_at_ms(ms);
    if (field == v1::Message::kTimeToLiveMsFieldNumber) out.set_time_to_live_ms(ms);
  });
}

TopicInfo FromProto(const v1::Topic& topic) {
  TopicInfo info;
  info.name = topic.name();
  const v1::TopicConfig& config = topic.config();
  info.config.full_policy = static_cast<FullPolicy>(config.full_policy());
  info.config.budget_bytes = config.budget_bytes();
  info.config.retention_age = FromProto(config.retention_age());
  info.config.retention_bytes = config.retention_bytes();
  info.config.dedup_window = FromProto(config.dedup_window());
  info.config.idle_expiry = FromProto(config.idle_expiry());
  info.create_time = FromProto(topic.create_time());
  const v1::TopicStats& stats = topic.stats();
  info.stats.next_sequence = stats.next_sequence();
  info.stats.held_bytes = stats.held_bytes();
  info.stats.held_messages = stats.held_messages();
  info.stats.scheduled_messages = stats.scheduled_messages();
  info.stats.forgotten_ids = stats.forgotten_ids();
  info.stats.subscriptions = stats.subscriptions();
  info.stats.published_messages = stats.published_messages();
  info.stats.published_bytes = stats.published_bytes();
  info.stats.rejected_batches = stats.rejected_batches();
  info.stats.rejected_messages = stats.rejected_messages();
  info.stats.blocked_batches = stats.blocked_batches();
  info.stats.dropped_messages = stats.dropped_messages();
  info.stats.expired_messages = stats.expired_messages();
  info.stats.duplicate_batches = stats.duplicate_batches();
  return info;
}

SubscriptionInfo FromProto(const v1::Subscription& subscription) {
  SubscriptionInfo info;
  info.name = subscription.name();
  info.topic = subscription.topic();
  const v1::SubscriptionConfig& config = subscription.config();
  info.config.ack_deadline = FromProto(config.ack_deadline());
  info.config.filter = config.filter();
  info.config.ordered = config.ordered();
  info.config.exactly_once = config.exactly_once();
  info.config.retry.min_backoff = FromProto(config.retry().min_backoff());
  info.config.retry.max_backoff = FromProto(config.retry().max_backoff());
  info.config.dead_letter = {config.dead_letter().topic(), config.dead_letter().max_attempts()};
  info.config.retain_acked = config.retain_acked();
  info.config.idle_expiry = FromProto(config.idle_expiry());
  info.create_time = FromProto(subscription.create_time());
  const v1::SubscriptionStats& stats = subscription.stats();
  info.stats.next_sequence = stats.next_sequence();
  info.stats.floor_sequence = stats.floor_sequence();
  info.stats.backlog_messages = stats.backlog_messages();
  info.stats.outstanding_messages = stats.outstanding_messages();
  info.stats.redeliver_messages = stats.redeliver_messages();
  info.stats.consumers = stats.consumers();
  info.stats.delivered_messages = stats.delivered_messages();
  info.stats.delivered_bytes = stats.delivered_bytes();
  info.stats.acked_messages = stats.acked_messages();
  info.stats.nacked_messages = stats.nacked_messages();
  info.stats.expired_leases = stats.expired_leases();
  info.stats.gap_messages = stats.gap_messages();
  info.stats.filtered_messages = stats.filtered_messages();
  info.stats.expired_messages = stats.expired_messages();
  info.stats.delayed_messages = stats.delayed_messages();
  info.stats.dead_lettered_messages = stats.dead_lettered_messages();
  info.stats.dead_letter_waiting = stats.dead_letter_waiting();
  info.stats.blocked_messages = stats.blocked_messages();
  info.stats.skipped_messages = stats.skipped_messages();
  info.stats.seeks = stats.seeks();
  info.stats.paused = stats.paused();
  info.stats.detached = stats.detached();
  info.stats.refused_acks = stats.refused_acks();
  return info;
}

SnapshotInfo FromProto(const v1::Snapshot& snapshot) {
  SnapshotInfo info;
  info.name = snapshot.name();
  info.topic = snapshot.topic();
  info.labels = {snapshot.labels().begin(), snapshot.labels().end()};
  info.create_time = FromProto(snapshot.create_time());
  info.expire_time = FromProto(snapshot.expire_time());
  info.next_sequence = snapshot.next_sequence();
  info.unacked_messages = snapshot.unacked_messages();
  info.lost_messages = snapshot.lost_messages();
  return info;
}

BrokerStats FromProto(const v1::StatsResponse& stats) {
  BrokerStats out;
  out.time = FromProto(stats.time());
  out.version = stats.version();
  out.uptime = FromProto(stats.uptime());
  out.budget_bytes = stats.budget_bytes();
  out.held_bytes = stats.held_bytes();
  out.peak_held_bytes = stats.peak_held_bytes();
  out.resident_bytes = stats.resident_bytes();
  out.topic_count = stats.topic_count();
  out.subscription_count = stats.subscription_count();
  out.publish_streams = stats.publish_streams();
  out.subscribe_streams = stats.subscribe_streams();
  out.published_messages = stats.published_messages();
  out.published_bytes = stats.published_bytes();
  out.delivered_messages = stats.delivered_messages();
  out.delivered_bytes = stats.delivered_bytes();
  out.rejected_messages = stats.rejected_messages();
  out.dropped_messages = stats.dropped_messages();
  out.expired_messages = stats.expired_messages();
  out.idle_topics = stats.idle_topics();
  out.idle_subscriptions = stats.idle_subscriptions();
  out.draining = stats.draining();
  const v1::RequestStats& requests = stats.requests();
  out.requests = {requests.pending(),      requests.requests(), requests.replies(),
                  requests.late_replies(), requests.expired(),  requests.no_responders(),
                  requests.refused()};
  for (const v1::Topic& topic : stats.topics()) out.topics.push_back(FromProto(topic));
  for (const v1::Subscription& subscription : stats.subscriptions()) {
    out.subscriptions.push_back(FromProto(subscription));
  }
  return out;
}

ConnectionInfo FromProto(const v1::Connection& connection) {
  ConnectionInfo info;
  info.id = connection.id();
  info.client_name = connection.client_name();
  info.peer = connection.peer();
  info.method = connection.method();
  info.open_time = FromProto(connection.open_time());
  info.topic = connection.topic();
  info.subscription = connection.subscription();
  info.messages = connection.messages();
  info.bytes = connection.bytes();
  return info;
}

}  // namespace estiba::internal
