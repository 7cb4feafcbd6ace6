#include "broker/ops/print_config.h"

#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "broker/ops/byte_size.h"
#include "broker/ops/setting_rule.h"
#include "broker/ops/setting_table.h"

namespace estiba {
namespace {

void Emit(YAML::Emitter& out, const Config::SubscriptionDeclaration& subscription) {
  out << YAML::BeginMap;
  out << YAML::Key << "name" << YAML::Value << subscription.name;
  out << YAML::Key << "ack-deadline" << YAML::Value << FormatTime(subscription.ack_deadline);
  out << YAML::Key << "from" << YAML::Value
      << (subscription.from == Config::StartFrom::kLatest ? "latest" : "earliest");
  if (!subscription.filter.empty()) {
    out << YAML::Key << "filter" << YAML::Value << subscription.filter;
  }
  if (subscription.ordered) out << YAML::Key << "ordered" << YAML::Value << true;
  if (subscription.exactly_once) out << YAML::Key << "exactly-once" << YAML::Value << true;
  if (subscription.max_backoff > absl::ZeroDuration()) {
    out << YAML::Key << "min-backoff" << YAML::Value << FormatTime(subscription.min_backoff);
    out << YAML::Key << "max-backoff" << YAML::Value << FormatTime(subscription.max_backoff);
  }
  if (!subscription.dead_letter_topic.empty()) {
    out << YAML::Key << "dead-letter" << YAML::Value << subscription.dead_letter_topic;
    out << YAML::Key << "max-attempts" << YAML::Value << subscription.max_attempts;
  }
  if (subscription.idle_expiry > absl::ZeroDuration()) {
    out << YAML::Key << "idle-expiry" << YAML::Value << FormatTime(subscription.idle_expiry);
  }
  if (subscription.retain_acked) out << YAML::Key << "retain-acked" << YAML::Value << true;
  out << YAML::EndMap;
}

void Emit(YAML::Emitter& out, const Config::TopicDeclaration& topic) {
  out << YAML::BeginMap;
  out << YAML::Key << "name" << YAML::Value << topic.name;
  out << YAML::Key << "full-policy" << YAML::Value
      << std::string(kFullPolicyNames[static_cast<int>(topic.full_policy)]);
  out << YAML::Key << "budget" << YAML::Value << FormatByteSize(topic.budget_bytes);
  out << YAML::Key << "retention-age" << YAML::Value << FormatTime(topic.retention_age);
  out << YAML::Key << "retention-bytes" << YAML::Value << FormatByteSize(topic.retention_bytes);
  if (topic.dedup_window != Config::TopicDeclaration().dedup_window) {
    out << YAML::Key << "dedup-window" << YAML::Value << FormatTime(topic.dedup_window);
  }
  if (topic.idle_expiry > absl::ZeroDuration()) {
    out << YAML::Key << "idle-expiry" << YAML::Value << FormatTime(topic.idle_expiry);
  }
  if (!topic.subscriptions.empty()) {
    out << YAML::Key << "subscriptions" << YAML::Value << YAML::BeginSeq;
    for (const auto& subscription : topic.subscriptions) Emit(out, subscription);
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
}

}  // namespace

std::string PrintConfig(const Config& config, const std::map<std::string, std::string>& origins) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const Setting& setting : SettingTable()) {
    if (setting.name == "config") continue;
    const std::string name(setting.name);
    out << YAML::Key << name << YAML::Value << GetByRule(setting.rule, config);
    if (const auto origin = origins.find(name); origin != origins.end()) {
      out << YAML::Comment(origin->second);
    }
  }
  if (!config.topics.empty()) {
    out << YAML::Key << "topics" << YAML::Value << YAML::BeginSeq;
    for (const auto& topic : config.topics) Emit(out, topic);
    out << YAML::EndSeq;
  }
  out << YAML::EndMap;
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace estiba
