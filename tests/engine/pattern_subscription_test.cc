// Subscriptions over a pattern: which topics they have, their names, and where they start.
#include "broker/engine/pattern_subscription.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/pattern_fixture.h"

namespace estiba::testing {
namespace {

TEST_CASE("A pattern gets what matches: of topics there are, and of those that come") {
  PatternFixture f;
  const TopicPtr eu = f.Topic("orders.eu.created");
  const TopicPtr other = f.Topic("orders.eu.deleted");
  f.Publish(eu, {"a", "b"});
  f.Publish(other, {"x"});
  const auto subscription = f.Use("", "orders.*.created");
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  CHECK(stream->started.at(0).topic == "orders.*.created");
  CHECK(stream->bodies() == Strings{"a", "b"});
  const TopicPtr us = f.Topic("orders.us.created");
  f.Publish(us, {"c"});
  f.Publish(other, {"y"});
  f.Take(subscription, stream);
  CHECK(stream->bodies() == Strings{"a", "b", "c"});
  CHECK(stream->frames.back().topic == "orders.us.created");
  CHECK(stream->frames.back().first == 1);
  CHECK(stream->topics.size() == 2);
  CHECK(other->Stats().subscriptions == 0);
}

TEST_CASE(
    "LATEST holds for the topics there are; those that come are taken from their first message") {
  PatternFixture f;
  const TopicPtr old = f.Topic("t.old");
  f.Publish(old, {"before"});
  const auto subscription = f.Use("s", "t.>", kFromLatest);
  const TopicPtr fresh = f.Topic("t.new");
  f.Publish(fresh, {"first"});
  f.Publish(old, {"after"});
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  Strings bodies = stream->bodies();
  std::sort(bodies.begin(), bodies.end());
  CHECK(bodies == Strings{"after", "first"});
}

TEST_CASE("A topic made by a publish misses nothing, though nothing has settled") {
  PatternFixture f;
  const auto subscription = f.Use("s", "t.>", kFromLatest);
  for (int i = 0; i < 50; ++i) {
    const TopicPtr topic = f.broker->UseTopic(absl::StrCat("t.", i)).value();
    auto batch = std::make_shared<Batch>(Strings{absl::StrCat(i)});
    f.batches.push_back(batch);
    topic->Publish(batch.get());
  }
  f.Settle();
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  CHECK(stream->bodies().size() == 50);
}

TEST_CASE("A deleted topic leaves, and one of the same name is another") {
  PatternFixture f;
  f.Publish(f.Topic("t.a"), {"old"});
  const auto subscription = f.Use("s", "t.*");
  const auto stream = f.Open(subscription, Explicit(10));
  f.Take(subscription, stream);
  const uint32_t before = stream->NumberOf("t.a");
  REQUIRE(f.broker->DeleteTopic("t.a").ok());
  f.Settle();
  f.Take(subscription, stream);
  CHECK(stream->left == Strings{"t.a"});
  CHECK(stream->topics.empty());
  CHECK(subscription->Stats().unconsumed() == 0);
  f.Publish(f.Topic("t.a"), {"new"});
  f.Take(subscription, stream);
  CHECK(stream->bodies() == Strings{"old", "new"});
  CHECK(stream->NumberOf("t.a") > before);
  CHECK(stream->frames.back().first == 1);
}

TEST_CASE("A named pattern keeps its place; a private one ends with its stream") {
  PatternFixture f;
  const TopicPtr topic = f.Topic("t.a");
  const auto named = f.Use("s", "t.*");
  auto stream = f.Open(named, Explicit(10));
  f.Publish(topic, {"1", "2"});
  f.Take(named, stream);
  f.Ack(named, stream, "t.a", 1, 1);
  f.Close(named, stream);
  f.Publish(topic, {"3"});
  stream = f.Open(f.Use("s", ""), Explicit(10));
  f.Take(named, stream);
  CHECK(stream->bodies() == Strings{"2", "3"});
  const auto private_one = f.Use("", "t.>");
  CHECK(topic->Stats().subscriptions == 2);
  const auto other = f.Open(private_one);
  f.Take(private_one, other);
  f.Close(private_one, other);
  CHECK(topic->Stats().subscriptions == 1);
  const TopicPtr later = f.Topic("t.later");
  f.Settle();
  CHECK(later->Stats().subscriptions == 1);
}

TEST_CASE("Names of patterns and of other subscriptions are one set") {
  PatternFixture f;
  f.Topic("t");
  f.Use("p", "t.>");
  f.Subscribe("s", "t");
  CHECK(absl::IsFailedPrecondition(f.broker->UseSubscription("p", "t", {}).status()));
  CHECK(absl::IsAlreadyExists(f.broker->CreateSubscription("p", "t", {}, {}).status()));
  CHECK(absl::IsAlreadyExists(f.broker->CreatePattern("s", "t.>", {}, {}).status()));
  CHECK(absl::IsAlreadyExists(f.broker->CreatePattern("p", "t.>", {}, {}).status()));
  CHECK(absl::IsFailedPrecondition(f.broker->UsePattern("p", "other.>", {}).status()));
  CHECK(absl::IsFailedPrecondition(f.broker->UsePattern("s", "t.>", {}).status()));
  CHECK(absl::IsInvalidArgument(f.broker->UsePattern("x", "t.>x", {}).status()));
  CHECK(absl::IsInvalidArgument(
      f.broker->UsePattern("x", "t.>", {StartPosition::Kind::kSequence, 5, 0}).status()));
  CHECK(f.broker->ListPatterns("", "", 10).size() == 1);
  CHECK(f.broker->Stats().subscriptions == 2);
  CHECK(f.broker->DeleteSubscription("p").ok());
  CHECK(absl::IsNotFound(f.broker->DeleteSubscription("p")));
  f.Settle();
  CHECK(f.broker->Stats().subscriptions == 1);
  CHECK(f.broker->CreateSubscription("p", "t", {}, {}).ok());
}

TEST_CASE("Pattern: is not controlled as one topic's subscription is, and says so") {
  Fixture f;
  f.Topic("a.b");
  REQUIRE(f.broker->CreatePattern("p", "a.>", {}, {}).ok());
  f.Settle();
  const absl::Status found = f.broker->GetSubscription("p").status();
  CHECK(absl::IsFailedPrecondition(found));
  CHECK_THAT(std::string(found.message()), HasText("\"p\" is over a pattern"));
  CHECK(absl::IsFailedPrecondition(f.broker->DetachSubscription("p")));
  SubscriptionConfig config;
  config.retain_acked = true;
  CHECK(absl::IsInvalidArgument(f.broker->CreatePattern("q", "a.>", config, {}).status()));
  config.retain_acked = false;
  config.idle_expiry_ms = 5'000;
  CHECK(absl::IsInvalidArgument(f.broker->UsePattern("", "a.>", {}, config).status()));
}

TEST_CASE("A pattern's incarnation is that of its numbers, a private one's the broker's") {
  PatternFixture f;
  f.Topic("t.a");
  const auto told = [&](const std::string& name, const std::string& pattern) {
    return f.Open(f.Use(name, pattern))->started.at(0).incarnation;
  };
  const uint64_t named = told("s", "t.>");
  CHECK(named != 0);
  CHECK(told("s", "t.>") == named);
  CHECK(told("other", "t.>") != named);
  const uint64_t broker = told("", "t.>");
  CHECK(told("", "t.*") == broker);
  CHECK(broker != named);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  CHECK(told("s", "t.>") != named);
}

TEST_CASE("A pattern's start that was meant for another broker is the beginning of this one") {
  BrokerOptions options;
  options.seed = uint64_t{1} << 50;
  PatternFixture f(options);
  f.Publish(f.Topic("t.a"), {"a", "b"});
  const uint64_t here = f.Open(f.Use("", "t.>"))->started.at(0).incarnation;
  const auto bodies = [&](const std::string& name, uint64_t incarnation) {
    StartPosition start = kFromLatest;
    start.incarnation = incarnation;
    const auto subscription = f.Use(name, "t.>", start);
    const auto stream = f.Open(subscription);
    f.Take(subscription, stream);
    return stream->bodies();
  };
  for (const std::string name : {"", "s", "r"}) {
    CHECK(bodies(name, name == "r" ? here : 7) == (name == "r" ? Strings{} : Strings{"a", "b"}));
  }
  CHECK(bodies("", here).empty());
  // Topics that come later are other incarnations, and begin as they would.
  f.Publish(f.Topic("t.b"), {"c"});
  CHECK(bodies("", here).empty());
}

}  // namespace
}  // namespace estiba::testing
