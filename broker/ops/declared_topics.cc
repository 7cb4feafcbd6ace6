#include "broker/ops/declared_topics.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "broker/engine/filter.h"
#include "broker/ops/setting_rule.h"
#include "broker/ops/setting_table.h"

namespace estiba {
namespace {

constexpr absl::string_view kTopicKeys[] = {"name",          "full-policy",     "budget",
                                            "retention-age", "retention-bytes", "idle-expiry",
                                            "dedup-window",  "subscriptions"};
constexpr absl::string_view kSubscriptionKeys[] = {
    "name",        "ack-deadline", "from",         "filter",       "ordered",     "min-backoff",
    "max-backoff", "dead-letter",  "max-attempts", "retain-acked", "idle-expiry", "exactly-once"};
// What the API fills in; see DeadLetterPolicy in broker.proto.
constexpr uint32_t kDefaultMaxAttempts = 5;
constexpr CountRange kMaxAttemptsRange{1, 100};
// What the API fills in where one of the two is given; see RetryPolicy in broker.proto.
constexpr absl::Duration kDefaultMinBackoff = absl::Seconds(10);
constexpr absl::Duration kDefaultMaxBackoff = absl::Seconds(600);
constexpr absl::string_view kNameRule =
    "must be 1 to 255 letters, digits and - _ . ~ + % /, the first a letter or digit";
constexpr absl::string_view kFromNames[] = {"earliest", "latest"};

bool IsName(absl::string_view name) {
  if (name.empty() || name.size() > 255 || !absl::ascii_isalnum(name.front())) return false;
  constexpr absl::string_view kOthers = "-_.~+%/";
  for (char c : name) {
    if (!absl::ascii_isalnum(c) && kOthers.find(c) == absl::string_view::npos) return false;
  }
  return true;
}

// Reads a key, if it is there, with `parse` (text -> StatusOr<T>) and hands the value to `keep`.
template <typename Parse, typename Keep>
absl::Status Take(const YamlMap& map, absl::string_view key, Parse parse, Keep keep) {
  const absl::StatusOr<std::optional<std::string>> text = map.Text(key);
  if (!text.ok()) return text.status();
  if (!text->has_value()) return absl::OkStatus();
  const auto value = parse(**text);
  if (!value.ok()) {
    return SettingError(map.PathTo(key), map.OriginOf(key), **text, value.status().message());
  }
  keep(*value);
  return absl::OkStatus();
}

// A filter as it stands, if it is one.
absl::StatusOr<std::string> ReadFilter(absl::string_view text) {
  if (text.empty()) return std::string();
  const absl::Status status = Filter::Compile(text).status();
  if (!status.ok())
    return absl::InvalidArgumentError(absl::StrCat("is no filter: ", status.message()));
  return std::string(text);
}

// The first thing that is wrong.
absl::Status First(std::initializer_list<absl::Status> statuses) {
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Reads all declarations; the names seen so far make it one object.
class Reader {
 public:
  Reader(const std::string& path, Config* config) : path_(path), config_(config) {}

  absl::Status ReadTopic(std::string what, const YAML::Node& node) {
    absl::StatusOr<YamlMap> map = YamlMap::Read(path_, std::move(what), node, kTopicKeys);
    if (!map.ok()) return map.status();
    Config::TopicDeclaration topic;
    topic.full_policy = config_->full_policy;
    topic.budget_bytes = config_->topic_budget_bytes;
    topic.retention_age = config_->retention_age;
    topic.retention_bytes = config_->retention_bytes;
    const auto to_bytes = [](absl::string_view t) { return ParseBytes(t, kTopicBytesRange); };
    const auto to_age = [](absl::string_view t) { return ParseTime(t, kRetentionAgeRange); };
    const auto to_idle = [](absl::string_view t) { return ParseTime(t, kIdleExpiryRange); };
    const auto to_window = [](absl::string_view t) { return ParseTime(t, kDedupWindowRange); };
    const auto to_policy = [](absl::string_view t) { return ParseChoice(t, kFullPolicyNames); };
    const absl::Status status = First({
        ReadName(*map, &topic_names_, &topic.name),
        Take(*map, "full-policy", to_policy,
             [&](int v) { topic.full_policy = static_cast<Config::FullPolicy>(v); }),
        Take(*map, "budget", to_bytes, [&](uint64_t v) { topic.budget_bytes = v; }),
        Take(*map, "retention-age", to_age, [&](absl::Duration v) { topic.retention_age = v; }),
        Take(*map, "retention-bytes", to_bytes, [&](uint64_t v) { topic.retention_bytes = v; }),
        Take(*map, "idle-expiry", to_idle, [&](absl::Duration v) { topic.idle_expiry = v; }),
        Take(*map, "dedup-window", to_window, [&](absl::Duration v) { topic.dedup_window = v; }),
        ReadSubscriptions(*map, &topic),
    });
    if (!status.ok()) return status;
    if (topic_names_.size() > config_->max_topics) {
      return TooMany(map->OriginOf("name"), "topics", "max-topics", config_->max_topics);
    }
    config_->topics.push_back(std::move(topic));
    return absl::OkStatus();
  }

 private:
  absl::Status ReadSubscriptions(const YamlMap& topic_map, Config::TopicDeclaration* topic) {
    const absl::StatusOr<std::vector<YAML::Node>> list = topic_map.List("subscriptions");
    if (!list.ok()) return list.status();
    for (size_t i = 0; i < list->size(); ++i) {
      const absl::Status status = ReadSubscription(
          absl::StrCat(topic_map.PathTo("subscriptions"), "[", i, "]"), (*list)[i], topic);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ReadSubscription(std::string what, const YAML::Node& node,
                                Config::TopicDeclaration* topic) {
    absl::StatusOr<YamlMap> map = YamlMap::Read(path_, std::move(what), node, kSubscriptionKeys);
    if (!map.ok()) return map.status();
    Config::SubscriptionDeclaration subscription;
    subscription.ack_deadline = config_->ack_deadline;
    const auto to_time = [](absl::string_view t) { return ParseTime(t, kAckDeadlineRange); };
    const auto to_backoff = [](absl::string_view t) { return ParseTime(t, kBackoffRange); };
    const auto to_filter = [](absl::string_view t) { return ReadFilter(t); };
    const auto to_name = [&](absl::string_view t) -> absl::StatusOr<std::string> {
      if (!IsName(t)) return absl::InvalidArgumentError(kNameRule);
      if (t == topic->name) return absl::InvalidArgumentError("must be another topic");
      return std::string(t);
    };
    const auto to_attempts = [](absl::string_view t) { return ParseCount(t, kMaxAttemptsRange); };
    const auto to_idle = [](absl::string_view t) { return ParseTime(t, kIdleExpiryRange); };
    const auto to_bool = [](absl::string_view t) { return ParseSwitch(t); };
    std::optional<absl::Duration> min_backoff;
    std::optional<absl::Duration> max_backoff;
    const auto to_from = [](absl::string_view t) { return ParseChoice(t, kFromNames); };
    const absl::Status status = First({
        ReadName(*map, &subscription_names_, &subscription.name),
        Take(*map, "ack-deadline", to_time,
             [&](absl::Duration v) { subscription.ack_deadline = v; }),
        Take(*map, "from", to_from,
             [&](int v) { subscription.from = static_cast<Config::StartFrom>(v); }),
        Take(*map, "filter", to_filter, [&](std::string v) { subscription.filter = std::move(v); }),
        Take(*map, "ordered", ParseSwitch, [&](bool v) { subscription.ordered = v; }),
        Take(*map, "exactly-once", ParseSwitch, [&](bool v) { subscription.exactly_once = v; }),
        Take(*map, "dead-letter", to_name,
             [&](std::string v) { subscription.dead_letter_topic = std::move(v); }),
        Take(*map, "max-attempts", to_attempts, [&](uint32_t v) { subscription.max_attempts = v; }),
        Take(*map, "min-backoff", to_backoff, [&](absl::Duration v) { min_backoff = v; }),
        Take(*map, "max-backoff", to_backoff, [&](absl::Duration v) { max_backoff = v; }),
        Take(*map, "idle-expiry", to_idle, [&](absl::Duration v) { subscription.idle_expiry = v; }),
        Take(*map, "retain-acked", to_bool, [&](bool v) { subscription.retain_acked = v; }),
    });
    if (!status.ok()) return status;
    if (subscription.dead_letter_topic.empty() && subscription.max_attempts != 0) {
      return SettingError(map->PathTo("max-attempts"), map->OriginOf("max-attempts"),
                          absl::StrCat(subscription.max_attempts), "needs a dead-letter topic");
    }
    if (!subscription.dead_letter_topic.empty() && subscription.max_attempts == 0) {
      subscription.max_attempts = kDefaultMaxAttempts;
    }
    if (min_backoff || max_backoff) {
      subscription.max_backoff = max_backoff.value_or(kDefaultMaxBackoff);
      subscription.min_backoff =
          min_backoff.value_or(std::min(kDefaultMinBackoff, subscription.max_backoff));
      if (subscription.min_backoff > subscription.max_backoff) {
        return SettingError(map->PathTo("min-backoff"), map->OriginOf("min-backoff"),
                            FormatTime(subscription.min_backoff), "must not exceed max-backoff");
      }
    }
    if (subscription.retain_acked && topic->retention_age == absl::ZeroDuration() &&
        topic->retention_bytes == 0) {
      return SettingError(map->PathTo("retain-acked"), map->OriginOf("retain-acked"), "true",
                          "needs a topic with a retention-age or retention-bytes");
    }
    if (subscription_names_.size() > config_->max_subscriptions) {
      return TooMany(map->OriginOf("name"), "subscriptions", "max-subscriptions",
                     config_->max_subscriptions);
    }
    topic->subscriptions.push_back(std::move(subscription));
    return absl::OkStatus();
  }

  absl::Status ReadName(const YamlMap& map, std::set<std::string>* seen, std::string* name) {
    const absl::StatusOr<std::optional<std::string>> text = map.Text("name");
    if (!text.ok()) return text.status();
    const std::string value = text->value_or("");
    const auto wrong = [&](absl::string_view rule) {
      return SettingError(map.PathTo("name"), map.OriginOf("name"), value, rule);
    };
    if (!IsName(value)) {
      return wrong(kNameRule);
    }
    if (!seen->insert(value).second) return wrong("must be unique in the file");
    *name = value;
    return absl::OkStatus();
  }

  static absl::Status TooMany(absl::string_view origin, absl::string_view what,
                              absl::string_view setting, uint32_t limit) {
    return absl::InvalidArgumentError(
        absl::StrCat(origin, ": more ", what, " than setting '", setting, "' allows, ", limit));
  }

  const std::string& path_;
  Config* const config_;
  std::set<std::string> topic_names_;
  std::set<std::string> subscription_names_;
};

}  // namespace

absl::Status ReadDeclaredTopics(const std::string& path, const YamlMap& file, Config* config) {
  const absl::StatusOr<std::vector<YAML::Node>> list = file.List("topics");
  if (!list.ok()) return list.status();
  Reader reader(path, config);
  for (size_t i = 0; i < list->size(); ++i) {
    const absl::Status status = reader.ReadTopic(absl::StrCat("topics[", i, "]"), (*list)[i]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace estiba
