// Whose sequences these are, and starts that were meant for others.
#include <cstdint>
#include <limits>
#include <set>
#include <string>

#include "broker/engine/incarnations.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

StartPosition Meant(StartPosition start, uint64_t incarnation) {
  start.incarnation = incarnation;
  return start;
}
constexpr StartPosition kLatest{StartPosition::Kind::kLatest};
constexpr StartPosition kNinth{StartPosition::Kind::kSequence, 9};

TEST_CASE("Incarnations are never 0, never repeat, and know who made them") {
  constexpr uint64_t kSeeds[] = {0, 1, 1000, std::numeric_limits<uint64_t>::max()};
  std::set<uint64_t> all;
  for (const uint64_t seed : kSeeds) {
    Incarnations incarnations(seed);
    Incarnations others(seed + (uint64_t{1} << 40));
    std::set<uint64_t> made{incarnations.broker()};
    for (int i = 0; i < 100; ++i) made.insert(incarnations.Next());
    CHECK(made.size() == 101);
    CHECK(*made.begin() != 0);
    CHECK(*made.rbegin() < uint64_t{1} << 63);
    for (const uint64_t one : made) {
      CHECK(incarnations.Made(one));
      CHECK_FALSE(others.Made(one));
    }
    CHECK_FALSE(incarnations.Made(0));
    CHECK_FALSE(incarnations.Made(*made.rbegin() + 1));
  }
}

TEST_CASE("Consumers of a topic are told its incarnation, which no other topic has") {
  Fixture f;
  f.Topic("t");
  f.Topic("u");
  const auto told = [&](const std::string& name, const std::string& topic) {
    return f.Consume(f.Subscribe(name, topic))->started.at(0).incarnation;
  };
  const uint64_t t = told("a", "t");
  CHECK(t != 0);
  CHECK(told("a", "t") == t);
  CHECK(told("b", "t") == t);
  CHECK(told("", "t") == t);
  CHECK(told("c", "u") != t);
  REQUIRE(f.broker->DeleteTopic("t").ok());
  f.Settle();
  f.Topic("t");
  CHECK(told("a", "t") != t);
  BrokerOptions options;
  options.seed = uint64_t{1} << 50;
  Fixture restarted(options);
  restarted.Topic("t");
  CHECK(restarted.Consume(restarted.Subscribe("a", "t"))->started.at(0).incarnation != t);
}

TEST_CASE("A start that was meant for another incarnation is the beginning of this one") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  f.Publish(topic, {"a", "b", "c"});
  const uint64_t now = topic->incarnation();
  for (const StartPosition& from : {kLatest, kNinth}) {
    const SubscriptionPtr s = f.Subscribe("", "t", Meant(from, now + 1));
    const StreamPtr stream = f.Consume(s);
    f.Take(s, stream);
    CHECK(stream->started.at(0).next_sequence == 1);
    CHECK(stream->bodies() == Strings{"a", "b", "c"});
  }
  for (const uint64_t same : {now, uint64_t{0}}) {
    const SubscriptionPtr s = f.Subscribe("", "t", Meant(kLatest, same));
    const StreamPtr stream = f.Consume(s);
    f.Take(s, stream);
    CHECK(stream->started.at(0).next_sequence == 4);
    CHECK(stream->bodies().empty());
  }
}

TEST_CASE(
    "A subscription that exists goes on where it was, whatever its consumer's start was for") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  f.Subscribe("s", "t");
  f.Publish(topic, {"a", "b", "c"});
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr first = f.Consume(s);
  f.Take(s, first);
  f.Remove(s, first);
  f.Publish(topic, {"d"});
  const SubscriptionPtr again = f.Subscribe("s", "t", Meant({}, topic->incarnation() + 1));
  const StreamPtr stream = f.Consume(again);
  f.Take(again, stream);
  CHECK(stream->bodies() == Strings{"d"});
}

TEST_CASE("What an incarnation no longer keeps is told to who comes from another") {
  Fixture f;
  TopicConfig config;
  config.retention_bytes = 1;
  const TopicPtr topic = f.Topic("t", config);
  for (int i = 0; i < 5; ++i) f.Publish(topic, {std::string(2 << 20, 'x')});
  const SubscriptionPtr s = f.Subscribe("", "t", Meant(kNinth, topic->incarnation() + 1));
  const StreamPtr stream = f.Consume(s);
  f.Take(s, stream);
  REQUIRE(stream->gaps.size() == 1);
  CHECK(stream->gaps[0].first == 1);
  CHECK(stream->gaps[0].last >= 1);
  CHECK(stream->gaps[0].reason == GapReason::kNotKept);
  REQUIRE_FALSE(stream->sequences().empty());
  CHECK(stream->sequences().front() == stream->gaps[0].last + 1);
}

}  // namespace
}  // namespace estiba::testing
