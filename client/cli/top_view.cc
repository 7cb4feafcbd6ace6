#include "client/cli/top_view.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/describe.h"
#include "client/cli/table.h"
#include "client/cli/units.h"

namespace estiba::cli {
namespace {

// What a topic's subscriptions sum up to.
struct Consuming {
  uint64_t delivered = 0;
  uint32_t subscriptions = 0;
  uint32_t consumers = 0;
};

std::map<std::string, Consuming> ConsumingByTopic(const BrokerStats& stats) {
  std::map<std::string, Consuming> by_topic;
  for (const SubscriptionInfo& subscription : stats.subscriptions) {
    Consuming& sum = by_topic[subscription.topic];
    sum.delivered += subscription.stats.delivered_messages;
    ++sum.subscriptions;
    sum.consumers += subscription.stats.consumers;
  }
  return by_topic;
}

double PerSecond(uint64_t before, uint64_t now, double seconds) {
  if (seconds <= 0) return 0;
  return static_cast<double>(now >= before ? now - before : now) / seconds;
}

void Sort(std::vector<TopicRates>& topics, TopOrder order) {
  const auto key = [order](const TopicRates& topic) {
    switch (order) {
      case TopOrder::kRate:
        return topic.published + topic.delivered;
      case TopOrder::kHeld:
        return static_cast<double>(topic.held_messages);
      case TopOrder::kMemory:
        return static_cast<double>(topic.held_bytes);
      case TopOrder::kName:
        break;
    }
    return 0.0;
  };
  // Topics come in the order of names, which stays where keys are equal.
  std::stable_sort(topics.begin(), topics.end(),
                   [&](const TopicRates& a, const TopicRates& b) { return key(a) > key(b); });
}

// The first `columns` characters of a line, escape sequences not counted.
std::string Cut(absl::string_view line, int columns) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      const size_t end = std::min(line.find('m', i), line.size() - 1);
      absl::StrAppend(&out, line.substr(i, end - i + 1));
      i = end;
    } else if ((static_cast<unsigned char>(line[i]) & 0xc0) == 0x80) {
      if (columns >= 0) out += line[i];
    } else if (--columns >= 0) {
      out += line[i];
    }
  }
  return out;
}

std::string CutLines(absl::string_view text, int columns) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    absl::StrAppend(&out, Cut(text.substr(0, end), columns), "\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// What goes through private subscriptions only the broker's total knows.
std::string Delivered(const TopicRates& topic) {
  if (topic.private_subscriptions == 0) return ShortNumber(topic.delivered);
  if (topic.private_subscriptions == topic.subscriptions) return "-";
  return ShortNumber(topic.delivered) + "+";
}

std::string Header(const BrokerStats& stats, const TopRates& rates, bool color) {
  const auto bytes = [](uint64_t count) { return HumanBytes(static_cast<double>(count)); };
  const double share = stats.budget_bytes == 0 ? 0
                                               : static_cast<double>(stats.held_bytes) /
                                                     static_cast<double>(stats.budget_bytes);
  const Style style = share > 0.9 ? Style::kRed : share > 0.7 ? Style::kYellow : Style::kGreen;
  return absl::StrCat(
      Styled("estiba top", Style::kBold, color), "  estibad ", stats.version, "  up ",
      HumanDuration(stats.uptime), stats.draining ? "  SHUTTING DOWN" : "", "  topics ",
      stats.topic_count, "  subscriptions ", stats.subscription_count, "  streams ",
      stats.publish_streams, " in, ", stats.subscribe_streams, " out\n", "memory  ",
      Styled(Bar(stats.held_bytes, stats.budget_bytes, 30), style, color), "  ",
      bytes(stats.held_bytes), " of ", bytes(stats.budget_bytes), "  most so far ",
      bytes(stats.peak_held_bytes), "  process ", bytes(stats.resident_bytes), "\n", "in      ",
      ShortNumber(rates.published), "/s  ", HumanBytes(rates.published_bytes), "/s    out  ",
      ShortNumber(rates.delivered), "/s  ", HumanBytes(rates.delivered_bytes), "/s    refused ",
      HumanCount(stats.rejected_messages), "  dropped ", HumanCount(stats.dropped_messages),
      "  expired ", HumanCount(stats.expired_messages), "\n");
}

}  // namespace

TopRates ComputeRates(const BrokerStats& before, const BrokerStats& now, TopOrder order) {
  const double seconds = absl::ToDoubleSeconds(now.time - before.time);
  const auto rate = [seconds](uint64_t then, uint64_t current) {
    return PerSecond(then, current, seconds);
  };
  std::map<std::string, TopicStats> topics_before;
  for (const TopicInfo& topic : before.topics) topics_before[topic.name] = topic.stats;
  std::map<std::string, Consuming> consuming_before = ConsumingByTopic(before);
  std::map<std::string, Consuming> consuming = ConsumingByTopic(now);

  TopRates rates;
  rates.published = rate(before.published_messages, now.published_messages);
  rates.delivered = rate(before.delivered_messages, now.delivered_messages);
  rates.published_bytes = rate(before.published_bytes, now.published_bytes);
  rates.delivered_bytes = rate(before.delivered_bytes, now.delivered_bytes);
  for (const TopicInfo& topic : now.topics) {
    const TopicStats& stats = topic.stats;
    const TopicStats& then = topics_before[topic.name];
    TopicRates& row = rates.topics.emplace_back();
    row.name = topic.name;
    row.published = rate(then.published_messages, stats.published_messages);
    row.published_bytes = rate(then.published_bytes, stats.published_bytes);
    row.delivered = rate(consuming_before[topic.name].delivered, consuming[topic.name].delivered);
    row.held_messages = stats.held_messages;
    row.held_bytes = stats.held_bytes;
    row.subscriptions = stats.subscriptions;
    // A subscription may come between the two figures.
    const uint32_t named = consuming[topic.name].subscriptions;
    row.private_subscriptions = stats.subscriptions - std::min(named, stats.subscriptions);
    row.consumers = consuming[topic.name].consumers + row.private_subscriptions;
    row.lost = stats.rejected_messages + stats.dropped_messages + stats.expired_messages;
  }
  Sort(rates.topics, order);
  return rates;
}

std::string RenderTop(const BrokerStats& stats, const TopRates& rates, TopOrder order, int columns,
                      bool color) {
  Table table({{"TOPIC"},
               {"IN/s", Align::kRight},
               {"OUT/s", Align::kRight},
               {"IN BYTES/s", Align::kRight},
               {"HELD", Align::kRight},
               {"MEMORY", Align::kRight},
               {"SHARE OF BUDGET"},
               {"SUBS", Align::kRight},
               {"CONSUMERS", Align::kRight},
               {"LOST", Align::kRight}});
  for (const TopicRates& topic : rates.topics) {
    const bool busy = topic.published + topic.delivered > 0;
    table.AddRow({Cell(topic.name, busy ? Style::kCyan : Style::kPlain),
                  ShortNumber(topic.published), Delivered(topic), HumanBytes(topic.published_bytes),
                  HumanCount(topic.held_messages),
                  HumanBytes(static_cast<double>(topic.held_bytes)),
                  Bar(topic.held_bytes, stats.budget_bytes, 10), absl::StrCat(topic.subscriptions),
                  absl::StrCat(topic.consumers),
                  Cell(HumanCount(topic.lost), topic.lost > 0 ? Style::kYellow : Style::kDim)});
  }
  const std::string list = table.empty() ? "no topics yet\n" : table.Render(color);
  const std::string keys =
      absl::StrCat("by ", TopOrderName(order), "  (s: another order, q: quit)");
  return CutLines(absl::StrCat(Header(stats, rates, color), "\n", list, "\n",
                               Styled(keys, Style::kDim, color), "\n"),
                  columns);
}

nlohmann::ordered_json TopJson(const BrokerStats& stats, const TopRates& rates) {
  nlohmann::ordered_json topics = nlohmann::ordered_json::array();
  for (const TopicRates& topic : rates.topics) {
    topics.push_back({{"name", topic.name},
                      {"published_per_second", topic.published},
                      {"delivered_per_second", topic.delivered},
                      {"published_bytes_per_second", topic.published_bytes},
                      {"held_messages", topic.held_messages},
                      {"held_bytes", topic.held_bytes},
                      {"subscriptions", topic.subscriptions},
                      {"consumers", topic.consumers},
                      {"lost_messages", topic.lost}});
  }
  return {{"time", IsoTime(stats.time)},
          {"published_per_second", rates.published},
          {"delivered_per_second", rates.delivered},
          {"published_bytes_per_second", rates.published_bytes},
          {"delivered_bytes_per_second", rates.delivered_bytes},
          {"held_bytes", stats.held_bytes},
          {"budget_bytes", stats.budget_bytes},
          {"topics", std::move(topics)}};
}

const char* TopOrderName(TopOrder order) {
  switch (order) {
    case TopOrder::kRate:
      return "rate";
    case TopOrder::kHeld:
      return "held";
    case TopOrder::kMemory:
      return "memory";
    case TopOrder::kName:
      break;
  }
  return "name";
}

}  // namespace estiba::cli
