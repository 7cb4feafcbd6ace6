// The JSON half of describe.h.
#include <nlohmann/json.hpp>

#include "client/cli/describe.h"
#include "client/cli/units.h"

namespace estiba::cli {

using nlohmann::ordered_json;

ordered_json ToJson(const TopicInfo& topic) {
  const TopicStats& stats = topic.stats;
  ordered_json config = {{"full_policy", FullPolicyName(topic.config.full_policy)},
                         {"budget_bytes", topic.config.budget_bytes},
                         {"retention_age", absl::ToDoubleSeconds(topic.config.retention_age)},
                         {"retention_bytes", topic.config.retention_bytes},
                         {"dedup_window", absl::ToDoubleSeconds(topic.config.dedup_window)},
                         {"idle_expiry", absl::ToDoubleSeconds(topic.config.idle_expiry)}};
  return {{"name", topic.name},
          {"config", std::move(config)},
          {"create_time", IsoTime(topic.create_time)},
          {"stats",
           {{"next_sequence", stats.next_sequence},
            {"held_bytes", stats.held_bytes},
            {"held_messages", stats.held_messages},
            {"scheduled_messages", stats.scheduled_messages},
            {"forgotten_ids", stats.forgotten_ids},
            {"subscriptions", stats.subscriptions},
            {"published_messages", stats.published_messages},
            {"published_bytes", stats.published_bytes},
            {"rejected_batches", stats.rejected_batches},
            {"rejected_messages", stats.rejected_messages},
            {"blocked_batches", stats.blocked_batches},
            {"dropped_messages", stats.dropped_messages},
            {"expired_messages", stats.expired_messages},
            {"duplicate_batches", stats.duplicate_batches}}}};
}

ordered_json ToJson(const SubscriptionInfo& subscription) {
  const SubscriptionStats& stats = subscription.stats;
  return {{"name", subscription.name},
          {"topic", subscription.topic},
          {"config",
           {{"ack_deadline", absl::ToDoubleSeconds(subscription.config.ack_deadline)},
            {"filter", subscription.config.filter},
            {"ordered", subscription.config.ordered},
            {"exactly_once", subscription.config.exactly_once},
            {"min_backoff", absl::ToDoubleSeconds(subscription.config.retry.min_backoff)},
            {"max_backoff", absl::ToDoubleSeconds(subscription.config.retry.max_backoff)},
            {"dead_letter", subscription.config.dead_letter.topic},
            {"max_attempts", subscription.config.dead_letter.max_attempts},
            {"retain_acked", subscription.config.retain_acked},
            {"idle_expiry", absl::ToDoubleSeconds(subscription.config.idle_expiry)}}},
          {"create_time", IsoTime(subscription.create_time)},
          {"stats",
           {{"next_sequence", stats.next_sequence},
            {"floor_sequence", stats.floor_sequence},
            {"backlog_messages", stats.backlog_messages},
            {"outstanding_messages", stats.outstanding_messages},
            {"redeliver_messages", stats.redeliver_messages},
            {"consumers", stats.consumers},
            {"delivered_messages", stats.delivered_messages},
            {"delivered_bytes", stats.delivered_bytes},
            {"acked_messages", stats.acked_messages},
            {"nacked_messages", stats.nacked_messages},
            {"expired_leases", stats.expired_leases},
            {"gap_messages", stats.gap_messages},
            {"filtered_messages", stats.filtered_messages},
            {"expired_messages", stats.expired_messages},
            {"delayed_messages", stats.delayed_messages},
            {"dead_lettered_messages", stats.dead_lettered_messages},
            {"dead_letter_waiting", stats.dead_letter_waiting},
            {"blocked_messages", stats.blocked_messages},
            {"paused", stats.paused},
            {"detached", stats.detached},
            {"skipped_messages", stats.skipped_messages},
            {"seeks", stats.seeks},
            {"refused_acks", stats.refused_acks}}}};
}

ordered_json ToJson(const SnapshotInfo& snapshot) {
  return {{"name", snapshot.name},
          {"topic", snapshot.topic},
          {"labels", snapshot.labels},
          {"create_time", IsoTime(snapshot.create_time)},
          {"expire_time", IsoTime(snapshot.expire_time)},
          {"next_sequence", snapshot.next_sequence},
          {"unacked_messages", snapshot.unacked_messages},
          {"lost_messages", snapshot.lost_messages}};
}

ordered_json ToJson(const ConnectionInfo& connection) {
  return {{"id", connection.id},
          {"client_name", connection.client_name},
          {"peer", connection.peer},
          {"method", connection.method},
          {"open_time", IsoTime(connection.open_time)},
          {"topic", connection.topic},
          {"subscription", connection.subscription},
          {"messages", connection.messages},
          {"bytes", connection.bytes}};
}

ordered_json ToJson(const BrokerStats& stats) {
  ordered_json json = {{"time", IsoTime(stats.time)},
                       {"version", stats.version},
                       {"uptime", absl::ToDoubleSeconds(stats.uptime)},
                       {"budget_bytes", stats.budget_bytes},
                       {"held_bytes", stats.held_bytes},
                       {"peak_held_bytes", stats.peak_held_bytes},
                       {"resident_bytes", stats.resident_bytes},
                       {"topic_count", stats.topic_count},
                       {"subscription_count", stats.subscription_count},
                       {"publish_streams", stats.publish_streams},
                       {"subscribe_streams", stats.subscribe_streams},
                       {"published_messages", stats.published_messages},
                       {"published_bytes", stats.published_bytes},
                       {"delivered_messages", stats.delivered_messages},
                       {"delivered_bytes", stats.delivered_bytes},
                       {"rejected_messages", stats.rejected_messages},
                       {"dropped_messages", stats.dropped_messages},
                       {"expired_messages", stats.expired_messages},
                       {"idle_topics", stats.idle_topics},
                       {"idle_subscriptions", stats.idle_subscriptions},
                       {"draining", stats.draining},
                       {"requests",
                        {{"pending", stats.requests.pending},
                         {"requests", stats.requests.requests},
                         {"replies", stats.requests.replies},
                         {"late_replies", stats.requests.late_replies},
                         {"expired", stats.requests.expired},
                         {"no_responders", stats.requests.no_responders},
                         {"refused", stats.requests.refused}}}};
  json.update(ToJson("topics", stats.topics));
  json.update(ToJson("subscriptions", stats.subscriptions));
  return json;
}

template <typename Info>
ordered_json ToJson(const char* name, const std::vector<Info>& all) {
  ordered_json list = ordered_json::array();
  for (const Info& info : all) list.push_back(ToJson(info));
  ordered_json json;
  json[name] = std::move(list);
  return json;
}

template ordered_json ToJson(const char*, const std::vector<TopicInfo>&);
template ordered_json ToJson(const char*, const std::vector<SubscriptionInfo>&);
template ordered_json ToJson(const char*, const std::vector<SnapshotInfo>&);
template ordered_json ToJson(const char*, const std::vector<ConnectionInfo>&);

}  // namespace estiba::cli
