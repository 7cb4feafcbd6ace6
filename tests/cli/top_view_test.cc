#include "client/cli/top_view.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

TopicInfo Topic(const std::string& name, uint64_t published, uint64_t held) {
  TopicInfo topic;
  topic.name = name;
  topic.stats.published_messages = published;
  topic.stats.held_messages = held;
  topic.stats.held_bytes = held * 100;
  return topic;
}

SubscriptionInfo Subscription(const std::string& topic, uint64_t delivered) {
  SubscriptionInfo subscription;
  subscription.topic = topic;
  subscription.stats.delivered_messages = delivered;
  subscription.stats.consumers = 2;
  return subscription;
}

BrokerStats At(int second, std::vector<TopicInfo> topics,
               std::vector<SubscriptionInfo> subscriptions) {
  BrokerStats stats;
  stats.time = absl::FromUnixSeconds(second);
  stats.budget_bytes = 1000;
  for (const TopicInfo& topic : topics) stats.published_messages += topic.stats.published_messages;
  stats.topics = std::move(topics);
  stats.subscriptions = std::move(subscriptions);
  return stats;
}

TEST_CASE("rates are differences over the time between two looks") {
  const BrokerStats before = At(10, {Topic("a", 100, 0)}, {Subscription("a", 50)});
  TopicInfo topic = Topic("a", 300, 7);
  topic.stats.subscriptions = 2;
  const BrokerStats now = At(12, {topic}, {Subscription("a", 90), Subscription("a", 20)});
  const TopRates rates = ComputeRates(before, now, TopOrder::kRate);
  CHECK(rates.published == 100);
  REQUIRE(rates.topics.size() == 1);
  CHECK(rates.topics[0].published == 100);
  CHECK(rates.topics[0].delivered == 30);
  CHECK(rates.topics[0].held_messages == 7);
  CHECK(rates.topics[0].consumers == 4);
}

TEST_CASE("what private subscriptions get is not known of a topic, and shown so") {
  TopicInfo mixed = Topic("mixed", 0, 0);
  mixed.stats.subscriptions = 2;
  TopicInfo unnamed = Topic("unnamed", 0, 0);
  unnamed.stats.subscriptions = 3;
  const BrokerStats before = At(0, {mixed, unnamed}, {Subscription("mixed", 0)});
  const BrokerStats now = At(1, {mixed, unnamed}, {Subscription("mixed", 77)});
  const TopRates rates = ComputeRates(before, now, TopOrder::kName);
  CHECK(rates.topics[0].private_subscriptions == 1);
  CHECK(rates.topics[0].consumers == 3);
  CHECK(rates.topics[1].private_subscriptions == 3);
  const std::string screen = RenderTop(now, rates, TopOrder::kName, 200, false);
  CHECK_THAT(screen, testing::HasText(" 77+ "));
  CHECK_THAT(screen, testing::HasText(" - "));
}

TEST_CASE("a topic that is new, or made anew, counts from zero") {
  const BrokerStats before = At(0, {Topic("old", 100, 0)}, {});
  const BrokerStats now = At(1, {Topic("new", 10, 0), Topic("old", 5, 0)}, {});
  const TopRates rates = ComputeRates(before, now, TopOrder::kName);
  REQUIRE(rates.topics.size() == 2);
  CHECK(rates.topics[0].published == 10);
  CHECK(rates.topics[1].published == 5);
}

TEST_CASE("the first look has no rates") {
  const BrokerStats stats = At(0, {Topic("a", 100, 0)}, {});
  CHECK(ComputeRates(stats, stats, TopOrder::kRate).topics[0].published == 0);
}

TEST_CASE("topics come in the order asked for, and of names where that is equal") {
  const BrokerStats before = At(0, {}, {});
  const BrokerStats now = At(1, {Topic("a", 1, 5), Topic("b", 9, 0), Topic("c", 1, 5)}, {});
  const auto names = [&](TopOrder order) {
    std::string text;
    for (const TopicRates& topic : ComputeRates(before, now, order).topics) text += topic.name;
    return text;
  };
  CHECK(names(TopOrder::kRate) == "bac");
  CHECK(names(TopOrder::kHeld) == "acb");
  CHECK(names(TopOrder::kMemory) == "acb");
  CHECK(names(TopOrder::kName) == "abc");
}

TEST_CASE("no line of the screen is wider than the terminal, colours or not") {
  const BrokerStats stats =
      At(0, {Topic(std::string(60, 'x'), 1, 1), Topic("h\xc3\xa9", 2, 2)}, {});
  const TopRates rates = ComputeRates(stats, stats, TopOrder::kRate);
  const std::string plain = RenderTop(stats, rates, TopOrder::kRate, 40, false);
  size_t begin = 0;
  while (begin < plain.size()) {
    const size_t end = plain.find('\n', begin);
    CHECK(end - begin <= 41);  // One letter of two bytes.
    begin = end + 1;
  }
  // Without its escape sequences the coloured screen is the plain one.
  std::string bare = RenderTop(stats, rates, TopOrder::kRate, 40, true);
  for (size_t at; (at = bare.find('\x1b')) != std::string::npos;) {
    bare.erase(at, bare.find('m', at) - at + 1);
  }
  CHECK(bare == plain);
}

TEST_CASE("a broker without topics says so") {
  const BrokerStats stats = At(0, {}, {});
  CHECK_THAT(
      RenderTop(stats, ComputeRates(stats, stats, TopOrder::kRate), TopOrder::kRate, 80, false),
      testing::HasText("no topics yet"));
}

}  // namespace
}  // namespace estiba::cli
