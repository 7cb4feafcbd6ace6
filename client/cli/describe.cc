#include "client/cli/describe.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/table.h"
#include "client/cli/units.h"

namespace estiba::cli {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string Bytes(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }
std::string BytesOr(uint64_t bytes, const char* zero) { return bytes == 0 ? zero : Bytes(bytes); }
std::string DurationOr(absl::Duration duration, const char* zero) {
  return duration == absl::ZeroDuration() ? zero : HumanDuration(duration);
}

// A counter that should stay 0.
Cell Concern(uint64_t count) {
  return {HumanCount(count), count == 0 ? Style::kDim : Style::kYellow};
}

std::string RetryText(const RetryPolicy& retry) {
  if (retry.max_backoff == absl::ZeroDuration()) return "none";
  return absl::StrCat(HumanDuration(retry.min_backoff), " to ", HumanDuration(retry.max_backoff));
}

std::string DeadLetterText(const SubscriptionInfo& subscription) {
  const DeadLetterPolicy& policy = subscription.config.dead_letter;
  if (policy.topic.empty()) return "none";
  return absl::StrCat("to ", policy.topic, " after ", policy.max_attempts,
                      " attempts: ", HumanCount(subscription.stats.dead_lettered_messages),
                      " messages, ", HumanCount(subscription.stats.dead_letter_waiting),
                      " waiting to go there");
}

uint64_t LostMessages(const TopicStats& stats) {
  return stats.rejected_messages + stats.dropped_messages + stats.expired_messages;
}

}  // namespace

std::string TopicTable(const std::vector<TopicInfo>& topics, bool color) {
  if (topics.empty()) return "no topics\n";
  Table table({{"TOPIC"},
               {"HELD", Align::kRight},
               {"MEMORY", Align::kRight},
               {"PUBLISHED", Align::kRight},
               {"REFUSED/DROPPED", Align::kRight},
               {"SUBSCRIPTIONS", Align::kRight},
               {"WHEN FULL"}});
  for (const TopicInfo& topic : topics) {
    table.AddRow({Cell(topic.name, Style::kCyan), HumanCount(topic.stats.held_messages),
                  Bytes(topic.stats.held_bytes), HumanCount(topic.stats.published_messages),
                  Concern(LostMessages(topic.stats)), HumanCount(topic.stats.subscriptions),
                  FullPolicyName(topic.config.full_policy)});
  }
  return table.Render(color);
}

std::string SubscriptionTable(const std::vector<SubscriptionInfo>& subscriptions, bool color) {
  if (subscriptions.empty()) return "no subscriptions\n";
  Table table({{"SUBSCRIPTION"},
               {"TOPIC"},
               {"BACKLOG", Align::kRight},
               {"OUTSTANDING", Align::kRight},
               {"REDELIVER", Align::kRight},
               {"CONSUMERS", Align::kRight},
               {"ACKED", Align::kRight},
               {"IN GAPS", Align::kRight}});
  for (const SubscriptionInfo& subscription : subscriptions) {
    const SubscriptionStats& stats = subscription.stats;
    table.AddRow({Cell(subscription.name, Style::kCyan), subscription.topic,
                  HumanCount(stats.backlog_messages), HumanCount(stats.outstanding_messages),
                  Concern(stats.redeliver_messages), HumanCount(stats.consumers),
                  HumanCount(stats.acked_messages), Concern(stats.gap_messages)});
  }
  return table.Render(color);
}

std::string SnapshotTable(const std::vector<SnapshotInfo>& snapshots, bool color) {
  if (snapshots.empty()) return "no snapshots\n";
  Table table({{"SNAPSHOT"},
               {"TOPIC"},
               {"UNACKED", Align::kRight},
               {"AND ALL FROM", Align::kRight},
               {"LOST", Align::kRight},
               {"CREATED"},
               {"EXPIRES"},
               {"LABELS"}});
  for (const SnapshotInfo& s : snapshots) {
    table.AddRow({Cell(s.name, Style::kCyan), s.topic, HumanCount(s.unacked_messages),
                  absl::StrCat(s.next_sequence), Concern(s.lost_messages), IsoTime(s.create_time),
                  IsoTime(s.expire_time), absl::StrJoin(s.labels, ",", absl::PairFormatter("="))});
  }
  return table.Render(color);
}

std::string ConnectionTable(const std::vector<ConnectionInfo>& connections, bool color) {
  if (connections.empty()) return "no connections\n";
  Table table({{"ID", Align::kRight},
               {"CLIENT"},
               {"PEER"},
               {"STREAM"},
               {"TOPIC"},
               {"SUBSCRIPTION"},
               {"OPEN FOR", Align::kRight},
               {"MESSAGES", Align::kRight},
               {"BYTES", Align::kRight}});
  const absl::Time now = absl::Now();
  for (const ConnectionInfo& connection : connections) {
    const absl::Duration age = std::max(now - connection.open_time, absl::ZeroDuration());
    table.AddRow({absl::StrCat(connection.id), Cell(connection.client_name, Style::kCyan),
                  connection.peer, connection.method, connection.topic, connection.subscription,
                  HumanDuration(age), HumanCount(connection.messages), Bytes(connection.bytes)});
  }
  return table.Render(color);
}

std::string TopicDetail(const TopicInfo& topic, bool color) {
  const TopicStats& stats = topic.stats;
  return RenderFields(
      {{"topic", topic.name},
       {"created", IsoTime(topic.create_time)},
       {"when full", FullPolicyName(topic.config.full_policy)},
       {"budget", BytesOr(topic.config.budget_bytes, "the broker's")},
       {"retention", absl::StrCat(DurationOr(topic.config.retention_age, "any age"), ", ",
                                  BytesOr(topic.config.retention_bytes, "any size"))},
       {"ids remembered for", HumanDuration(topic.config.dedup_window)},
       {"deleted when idle for", DurationOr(topic.config.idle_expiry, "never")},
       {"held", absl::StrCat(HumanCount(stats.held_messages), " messages, ",
                             Bytes(stats.held_bytes), " of memory")},
       {"scheduled", absl::StrCat(HumanCount(stats.scheduled_messages), " messages")},
       {"next sequence", absl::StrCat(stats.next_sequence)},
       {"subscriptions", HumanCount(stats.subscriptions)},
       {"published", absl::StrCat(HumanCount(stats.published_messages), " messages, ",
                                  Bytes(stats.published_bytes))},
       {"refused", absl::StrCat(HumanCount(stats.rejected_messages), " messages in ",
                                HumanCount(stats.rejected_batches), " batches")},
       {"had to wait", absl::StrCat(HumanCount(stats.blocked_batches), " batches")},
       {"dropped", absl::StrCat(HumanCount(stats.dropped_messages), " messages")},
       {"expired", absl::StrCat(HumanCount(stats.expired_messages), " messages")},
       {"sent twice", absl::StrCat(HumanCount(stats.duplicate_batches), " batches")}},
      color);
}

std::string SubscriptionDetail(const SubscriptionInfo& subscription, bool color) {
  const SubscriptionStats& stats = subscription.stats;
  return RenderFields(
      {{"subscription", subscription.name},
       {"topic", subscription.topic},
       {"created", IsoTime(subscription.create_time)},
       {"ack deadline", HumanDuration(subscription.config.ack_deadline)},
       {"filter", subscription.config.filter.empty() ? "none" : subscription.config.filter},
       {"ordered", subscription.config.ordered ? "by ordering key" : "no"},
       {"exactly once", subscription.config.exactly_once
                            ? absl::StrCat("yes: ", HumanCount(stats.refused_acks), " acks refused")
                            : "no"},
       {"back-off", RetryText(subscription.config.retry)},
       {"dead letters", DeadLetterText(subscription)},
       {"deleted when idle for", DurationOr(subscription.config.idle_expiry, "never")},
       {"keeps consumed", subscription.config.retain_acked ? "as long as the topic does" : "no"},
       {"delivers", stats.detached ? "nothing: it is detached"
                    : stats.paused ? "nothing: it is paused"
                                   : "yes"},
       {"consumers", HumanCount(stats.consumers)},
       {"backlog", absl::StrCat(HumanCount(stats.backlog_messages), " messages")},
       {"outstanding", absl::StrCat(HumanCount(stats.outstanding_messages), " messages")},
       {"to redeliver", absl::StrCat(HumanCount(stats.redeliver_messages), " messages, ",
                                     HumanCount(stats.delayed_messages), " more in their time")},
       {"behind their key", absl::StrCat(HumanCount(stats.blocked_messages), " messages")},
       {"next sequence", absl::StrCat(stats.next_sequence)},
       {"not consumed from", absl::StrCat(stats.floor_sequence)},
       {"delivered", absl::StrCat(HumanCount(stats.delivered_messages), " messages, ",
                                  Bytes(stats.delivered_bytes))},
       {"acked", absl::StrCat(HumanCount(stats.acked_messages), " messages")},
       {"nacked", absl::StrCat(HumanCount(stats.nacked_messages), " messages")},
       {"ack deadline passed", absl::StrCat(HumanCount(stats.expired_leases), " messages")},
       {"passed by filter", absl::StrCat(HumanCount(stats.filtered_messages), " messages")},
       {"expired", absl::StrCat(HumanCount(stats.expired_messages), " messages")},
       {"lost in gaps", absl::StrCat(HumanCount(stats.gap_messages), " messages")},
       {"skipped", absl::StrCat(HumanCount(stats.skipped_messages), " messages, in ",
                                HumanCount(stats.seeks), " seeks and purges")}},
      color);
}

std::string StatsDetail(const BrokerStats& stats, bool color) {
  std::string text = RenderFields(
      {{"broker", absl::StrCat("estibad ", stats.version, ", up ", HumanDuration(stats.uptime),
                               stats.draining ? ", shutting down" : "")},
       {"memory",
        absl::StrCat(Bytes(stats.held_bytes), " of ", Bytes(stats.budget_bytes), "  ",
                     Bar(stats.held_bytes, stats.budget_bytes, 20), "  most so far ",
                     Bytes(stats.peak_held_bytes), ", process ", Bytes(stats.resident_bytes))},
       {"topics", absl::StrCat(HumanCount(stats.topic_count), ", subscriptions ",
                               HumanCount(stats.subscription_count))},
       {"streams", absl::StrCat(HumanCount(stats.publish_streams), " publishing, ",
                                HumanCount(stats.subscribe_streams), " consuming")},
       {"published", absl::StrCat(HumanCount(stats.published_messages), " messages, ",
                                  Bytes(stats.published_bytes))},
       {"delivered", absl::StrCat(HumanCount(stats.delivered_messages), " messages, ",
                                  Bytes(stats.delivered_bytes))},
       {"requests", absl::StrCat(HumanCount(stats.requests.pending), " waiting, ",
                                 HumanCount(stats.requests.replies), " answered, ",
                                 HumanCount(stats.requests.expired), " not in time, ",
                                 HumanCount(stats.requests.no_responders), " without responders")},
       {"given up", absl::StrCat("refused ", HumanCount(stats.rejected_messages), ", dropped ",
                                 HumanCount(stats.dropped_messages), ", expired ",
                                 HumanCount(stats.expired_messages))}},
      color);
  if (!stats.topics.empty()) absl::StrAppend(&text, "\n", TopicTable(stats.topics, color));
  if (!stats.subscriptions.empty()) {
    absl::StrAppend(&text, "\n", SubscriptionTable(stats.subscriptions, color));
  }
  return text;
}

std::string Bar(uint64_t part, uint64_t of, int width) {
  const double share = of == 0 ? 0 : static_cast<double>(part) / static_cast<double>(of);
  const int filled = std::clamp(static_cast<int>(std::lround(share * width)), 0, width);
  return absl::StrFormat("[%s%s] %.0f %%", std::string(static_cast<size_t>(filled), '#'),
                         std::string(static_cast<size_t>(width - filled), '.'), share * 100);
}

}  // namespace estiba::cli
