// What is kept for seeks: consumed messages on request, snapshots; and detaching.
#include <optional>

#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

using Kind = StartPosition::Kind;

constexpr int64_t kDay = 24 * 3600 * 1000;

struct ReplayFixture : Fixture {
  using Fixture::Fixture;

  absl::StatusOr<SnapshotPtr> Snap(const std::string& name, const SubscriptionPtr& s,
                                   int64_t life_ms = kDay) {
    std::optional<absl::StatusOr<SnapshotPtr>> result;
    broker->snapshots().Create(name, s, {{"env", "test"}}, life_ms,
                               [&](const absl::StatusOr<SnapshotPtr>& r) { result = r; });
    Settle();
    REQUIRE(result);
    return *result;
  }
  absl::StatusOr<SeekResult> Seek(const SubscriptionPtr& s, const StartPosition& to) {
    std::optional<absl::StatusOr<SeekResult>> result;
    s->Seek(to, [&](const absl::StatusOr<SeekResult>& r) { result = r; });
    Settle();
    REQUIRE(result);
    return *result;
  }
  absl::StatusOr<SeekResult> SeekTo(const SubscriptionPtr& s, const SnapshotPtr& snapshot) {
    std::optional<absl::StatusOr<SeekResult>> result;
    s->SeekTo(snapshot, [&](const absl::StatusOr<SeekResult>& r) { result = r; });
    Settle();
    REQUIRE(result);
    return *result;
  }
  SubscriptionPtr Retaining(const std::string& name, const std::string& topic) {
    SubscriptionConfig config;
    config.retain_acked = true;
    const SubscriptionPtr s = broker->CreateSubscription(name, topic, config, {}).value();
    Settle();
    return s;
  }
  void PublishMany(const TopicPtr& topic, int count, size_t bytes = 1'000) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(Publish(topic, {NumberedBody(topic->end_sequence(), bytes)})->taken());
    }
  }
};

TopicConfig Retention(int64_t age_ms, uint64_t bytes = 0) {
  TopicConfig config;
  config.retention_age_ms = age_ms;
  config.retention_bytes = bytes;
  return config;
}

TEST_CASE("Retain: what was acked is kept for as long as the topic's retention, and no longer") {
  ReplayFixture f;
  const TopicPtr topic = f.Topic("t", Retention(60'000));
  const SubscriptionPtr s = f.Retaining("s", "t");
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  for (int i = 0; i < 200; ++i) {
    f.PublishMany(topic, 1);
    f.Take(s, c);
    f.world.AdvanceAndSettle(100);
  }
  REQUIRE(c->sequences().size() == 200);
  SECTION("all of it while it is young") {
    CHECK(f.Seek(s, {})->next_sequence == 1);
    f.Take(s, c);
    CHECK(c->sequences().size() == 400);
    CHECK(c->gaps.empty());
  }
  SECTION("nothing when it is old") {
    f.world.AdvanceAndSettle(80'000);
    f.broker->Rest();
    f.Settle();
    f.broker->Rest();
    f.Settle();
    CHECK(topic->Stats().held_bytes < 10'000);
    CHECK(topic->Stats().figures.expired_messages == 0);
    f.Seek(s, {Kind::kSequence, 1, 0}).value();
    f.Take(s, c);
    CHECK(c->sequences().size() == 200);
    REQUIRE(c->gaps.size() == 1);
    CHECK(c->gaps[0].first == 1);
    CHECK(c->gaps[0].last == 200);
    CHECK(c->gaps[0].reason == GapReason::kNotKept);
  }
  SECTION("nothing when the subscription is gone") {
    REQUIRE(f.broker->DeleteSubscription("s").ok());
    f.Settle();
    f.broker->Rest();
    f.Settle();
    f.broker->Rest();
    f.Settle();
    CHECK(topic->Stats().held_bytes < 10'000);
  }
  SECTION("for a new subscription, too") {
    const SubscriptionPtr n = f.Subscribe("n", "t");
    const StreamPtr cn = f.Consume(n);
    f.Take(n, cn);
    CHECK(cn->sequences().size() == 200);
  }
}

TEST_CASE("Retain: history gives way before a publish is refused, the unconsumed does not") {
  ReplayFixture f;
  TopicConfig config = Retention(kDay);
  config.budget_bytes = 256 << 10;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Retaining("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(f.Publish(topic, {std::string(10'000, 'x')})->taken());
    f.Take(s, c);
    f.Ack(s, c, 1, topic->end_sequence());
  }
  const uint64_t kept = f.Seek(s, {})->next_sequence;
  CHECK(kept > 1);
  CHECK(kept < 95);
  CHECK(topic->Stats().figures.rejected_messages == 0);
  CHECK(f.Fill(topic, 10'000) < 30);
  CHECK(topic->Stats().figures.rejected_messages == 1);
}

TEST_CASE(
    "Retain: history gives way to another topic that finds the broker full, at the next look") {
  BrokerOptions options;
  options.budget_bytes = 512 << 10;
  ReplayFixture f(options);
  const TopicPtr topic = f.Topic("t", Retention(kDay));
  const SubscriptionPtr s = f.Retaining("s", "t");
  f.PublishMany(topic, 30, 10'000);
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  const TopicPtr other = f.Topic("u");
  f.Fill(other, 10'000);
  const int more = f.Fill(other, 10'000);
  CHECK(more == 0);
  f.broker->Rest();
  f.Settle();
  CHECK(f.Fill(other, 10'000) > 15);
}

TEST_CASE("Retain: it is refused where the topic keeps nothing for ever") {
  ReplayFixture f;
  f.Topic("t");
  SubscriptionConfig config;
  config.retain_acked = true;
  CHECK(absl::IsInvalidArgument(f.broker->CreateSubscription("s", "t", config, {}).status()));
  CHECK(absl::IsNotFound(f.broker->GetSubscription("s").status()));
}

TEST_CASE("Snapshot: it brings back exactly what was not consumed then, and all after") {
  ReplayFixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(30));
  f.Take(s, c);
  f.PublishMany(topic, 50);
  f.Take(s, c);
  f.Ack(s, c, 2, 4);  // 1 and 5-30 are outstanding, 31-33 as well by the credit
  f.Take(s, c);
  f.Nack(s, c, 7, 7);
  const absl::StatusOr<SnapshotPtr> snapshot = f.Snap("snap", s);
  REQUIRE(snapshot.ok());
  CHECK((*snapshot)->unacked_messages() == 30);
  CHECK((*snapshot)->next_sequence() == 34);
  CHECK((*snapshot)->labels().at("env") == "test");
  f.Take(s, c);
  f.Ack(s, c, 1, 33);
  f.Take(s, c);
  f.Ack(s, c, 1, 100);
  REQUIRE(s->Stats().unconsumed() == 0);
  f.PublishMany(topic, 5);
  f.Take(s, c);
  f.Ack(s, c, 1, 100);
  const size_t before = c->sequences().size();
  const absl::StatusOr<SeekResult> sought = f.SeekTo(s, *snapshot);
  REQUIRE(sought.ok());
  CHECK(sought->next_sequence == 34);
  CHECK(sought->skipped_messages == 0);
  Numbers again;
  for (int i = 0; i < 20; ++i) {
    f.Take(s, c);
    f.Ack(s, c, 1, 100);
  }
  for (size_t i = before; i < c->sequences().size(); ++i) again.push_back(c->sequences()[i]);
  Numbers expected = {1};
  for (uint64_t i = 5; i <= 55; ++i) expected.push_back(i);
  CHECK(again == expected);
  CHECK(c->gaps.empty());
  SECTION("again and again, for another subscription of the topic, too") {
    const SubscriptionPtr other = f.Subscribe("other", "t", {Kind::kLatest, 0, 0});
    REQUIRE(f.SeekTo(other, *snapshot).ok());
    const StreamPtr co = f.Consume(other);
    f.Take(other, co);
    CHECK(co->sequences() == expected);
  }
  SECTION("its memory goes with it") {
    const uint64_t held = topic->Stats().held_bytes;
    REQUIRE(f.broker->snapshots().Delete("snap").ok());
    f.Settle();
    CHECK(topic->Stats().held_bytes < held);
    CHECK(absl::IsNotFound(f.broker->snapshots().Find("snap").status()));
    CHECK(absl::IsNotFound(f.broker->snapshots().Delete("snap")));
    CHECK(absl::IsAborted(f.SeekTo(s, *snapshot).status()));
  }
}

TEST_CASE("Snapshot: seeking forward to it skips what was consumed then") {
  ReplayFixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr fast = f.Subscribe("fast", "t");
  const SubscriptionPtr slow = f.Subscribe("slow", "t");
  const StreamPtr c = f.Consume(fast, Explicit());
  f.Take(fast, c);
  f.PublishMany(topic, 10);
  f.Take(fast, c);
  f.Ack(fast, c, 1, 3);
  f.Ack(fast, c, 5, 8);
  const SnapshotPtr snapshot = *f.Snap("snap", fast);
  CHECK(f.SeekTo(slow, snapshot)->skipped_messages == 7);
  const StreamPtr cs = f.Consume(slow);
  f.Take(slow, cs);
  CHECK(cs->sequences() == Numbers{4, 9, 10});
}

TEST_CASE("Snapshot: an automatic send under way is in it, also of a consumer that has left") {
  const bool removed = GENERATE(true, false);
  ReplayFixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  f.Publish(topic, {"a", "b"});
  REQUIRE(c->sending);
  if (removed) f.Remove(s, c);
  const SnapshotPtr snapshot = *f.Snap("snap", s);
  CHECK(snapshot->unacked_messages() == 2);
  c->Accept(*s);
  f.Settle();
  CHECK(s->Stats().unconsumed() == 0);
  REQUIRE(f.SeekTo(s, snapshot).ok());
  CHECK(s->Stats().unconsumed() == 2);
}

TEST_CASE("Snapshot: what the topic gives up meanwhile is a gap") {
  ReplayFixture f;
  TopicConfig config;
  config.full_policy = FullPolicy::kDropOldest;
  config.budget_bytes = 128 << 10;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.PublishMany(topic, 10);
  f.Take(s, c);
  f.Ack(s, c, 1, 2);
  f.Ack(s, c, 4, 8);
  const SnapshotPtr snapshot = *f.Snap("snap", s);
  f.Ack(s, c, 1, 10);
  for (int i = 0; i < 40; ++i) {
    f.PublishMany(topic, 1, 9'000);
    f.Take(s, c);
    f.Ack(s, c, 1, 100);
  }
  CHECK(topic->Stats().figures.dropped_messages == 0);
  CHECK(snapshot->unacked_messages() == 0);
  CHECK(snapshot->lost_messages() > 3);
  const uint64_t next = snapshot->next_sequence();
  CHECK(f.SeekTo(s, snapshot)->next_sequence == next);
  f.Take(s, c);
  REQUIRE(c->gaps.size() == 2);
  CHECK(c->gaps[0].first == 3);
  CHECK(c->gaps[0].last == 3);
  CHECK(c->gaps[1].first == 9);
  CHECK(c->gaps[1].last == next - 1);
  CHECK(c->gaps[1].reason == GapReason::kNotKept);
}

TEST_CASE("Snapshot: under REJECT it holds its memory, and is charged for it") {
  ReplayFixture f;
  TopicConfig config;
  config.budget_bytes = 128 << 10;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  REQUIRE(f.Snap("snap", s).ok());
  REQUIRE(f.Fill(topic, 10'000) > 5);
  f.Seek(s, {Kind::kLatest, 0, 0}).value();
  CHECK_FALSE(f.Publish(topic, {std::string(10'000, 'x')})->taken());
  REQUIRE(f.broker->snapshots().Delete("snap").ok());
  f.Settle();
  CHECK(f.Publish(topic, {std::string(10'000, 'x')})->taken());
}

TEST_CASE("Snapshot: names, limits, lists and the end of its time") {
  BrokerOptions options;
  options.max_snapshots = 2;
  ReplayFixture f(options);
  f.Topic("t");
  f.Topic("u");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const SubscriptionPtr r = f.Subscribe("r", "u");
  CHECK(absl::IsInvalidArgument(f.Snap("a b", s).status()));
  REQUIRE(f.Snap("a", s, 5'000).ok());
  CHECK(absl::IsAlreadyExists(f.Snap("a", s).status()));
  REQUIRE(f.Snap("b", r).ok());
  CHECK(absl::IsResourceExhausted(f.Snap("c", s).status()));
  CHECK(f.broker->snapshots().List("", "", 10).size() == 2);
  CHECK(f.broker->snapshots().List("u", "", 10).at(0)->name() == "b");
  CHECK(f.broker->snapshots().List("", "a", 10).size() == 1);
  f.world.AdvanceAndSettle(5'000);
  CHECK(f.broker->snapshots().List("", "", 10).size() == 1);
  CHECK(absl::IsNotFound(f.broker->snapshots().Find("a").status()));
  REQUIRE(f.Snap("a", s, 5'000).ok());
  f.world.AdvanceAndSettle(5'000);
  f.broker->Rest();
  CHECK(f.broker->snapshots().size() == 1);
  REQUIRE(f.broker->DeleteTopic("u").ok());
  f.Settle();
  CHECK(f.broker->snapshots().size() == 0);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  CHECK(absl::IsAborted(f.Snap("d", s).status()));
  CHECK(f.broker->snapshots().size() == 0);
}

TEST_CASE("Snapshot: it survives its subscription") {
  ReplayFixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  f.PublishMany(topic, 3);
  const SnapshotPtr snapshot = *f.Snap("snap", s);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  f.broker->Rest();
  f.broker->Rest();
  f.Settle();
  const SubscriptionPtr n = f.Subscribe("n", "t", {Kind::kLatest, 0, 0});
  CHECK(f.SeekTo(n, snapshot)->next_sequence == 1);
  const StreamPtr c = f.Consume(n);
  f.Take(n, c);
  CHECK(c->sequences() == Numbers{1, 2, 3});
}

TEST_CASE("Detach: the backlog is dropped, streams end, and nothing is to be had any more") {
  ReplayFixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(2));
  f.Take(s, c);
  f.PublishMany(topic, 5);
  f.Take(s, c);
  REQUIRE(f.broker->DetachSubscription("s").ok());
  f.Settle();
  REQUIRE(c->ends.size() == 1);
  CHECK(absl::IsFailedPrecondition(c->ends[0]));
  f.PublishMany(topic, 5);
  CHECK(s->Stats().unconsumed() == 0);
  CHECK(s->Stats().figures.detached == 1);
  CHECK(s->Stats().figures.consumers == 0);
  const StreamPtr late = f.Consume(f.Subscribe("s", "t"));
  CHECK(absl::IsFailedPrecondition(late->ends.at(0)));
  CHECK(absl::IsFailedPrecondition(f.Seek(s, {}).status()));
  CHECK(absl::IsFailedPrecondition(f.Snap("snap", s).status()));
  REQUIRE(f.broker->DetachSubscription("s").ok());
  CHECK(absl::IsNotFound(f.broker->DetachSubscription("nope")));
  REQUIRE(f.broker->DeleteSubscription("s").ok());
}

}  // namespace
}  // namespace estiba::testing
