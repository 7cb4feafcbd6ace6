// Subscriptions: purge, pause, seek.
#include <optional>

#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

using Kind = StartPosition::Kind;

absl::StatusOr<SeekResult> Seek(Fixture& f, const SubscriptionPtr& s, const StartPosition& to) {
  std::optional<absl::StatusOr<SeekResult>> result;
  s->Seek(to, [&](const absl::StatusOr<SeekResult>& r) {
    REQUIRE_FALSE(result);
    result = r;
  });
  f.Settle();
  REQUIRE(result);
  return *result;
}
absl::StatusOr<SeekResult> SeekTo(Fixture& f, const SubscriptionPtr& s, uint64_t sequence) {
  return Seek(f, s, {Kind::kSequence, sequence, 0});
}
absl::Status SetPaused(Fixture& f, const SubscriptionPtr& s, bool paused) {
  std::optional<absl::Status> result;
  s->SetPaused(paused, [&](const absl::Status& status) { result = status; });
  f.Settle();
  REQUIRE(result);
  return *result;
}

TEST_CASE("Purge: backlog, leases and redeliveries count as consumed, and memory is given back") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(20));
  f.Take(s, c);
  for (int i = 0; i < 50; ++i) f.Publish(topic, {std::string(10'000, 'x')});
  f.Take(s, c);
  f.Nack(s, c, 3, 4);
  const uint64_t held = topic->Stats().held_bytes;
  REQUIRE(s->Stats().unconsumed() == 50);
  const absl::StatusOr<SeekResult> purged = Seek(f, s, {Kind::kLatest, 0, 0});
  REQUIRE(purged.ok());
  CHECK(purged->skipped_messages == 50);
  CHECK(purged->from == 51);
  CHECK(purged->next_sequence == 51);
  CHECK(s->Stats().unconsumed() == 0);
  CHECK(s->Stats().figures.skipped_messages == 50);
  CHECK(s->Stats().figures.floor_sequence == 51);
  CHECK(topic->Stats().held_bytes < held / 2);
  SECTION("late acks are passed over, and what comes next is delivered, with all credit") {
    f.Take(s, c);
    const size_t before = c->sequences().size();
    f.Ack(s, c, 1, 50);
    CHECK(s->Stats().figures.acked_messages == 0);
    f.Publish(topic, Strings(20, "new"));
    f.Take(s, c);
    CHECK(c->sequences().size() == before + 20);
    CHECK(c->frames.back().attempt == 1);
    CHECK(c->gaps.empty());
  }
  SECTION("nothing comes again after the deadline, or when the consumer goes") {
    f.world.AdvanceAndSettle(20'000);
    f.Remove(s, c);
    CHECK(s->Stats().figures.redeliver_messages == 0);
    CHECK(s->Stats().figures.expired_leases == 0);
  }
}

TEST_CASE("Purge: an automatic send under way is settled, accepted or not") {
  const bool ok = GENERATE(true, false);
  const bool removed = GENERATE(true, false);
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  f.Publish(topic, {"a", "b"});
  REQUIRE(c->sending);
  if (removed) f.Remove(s, c);
  REQUIRE(Seek(f, s, {Kind::kLatest, 0, 0}).ok());
  c->Accept(*s, ok);
  f.Settle();
  CHECK(s->Stats().unconsumed() == 0);
  f.Publish(topic, {"c"});
  const StreamPtr other = f.Consume(s);
  f.Take(s, other);
  if (removed || !ok) {
    CHECK(other->bodies() == Strings{"c"});
  } else {
    CHECK(c->bodies().back() == "c");
  }
}

TEST_CASE("Pause: consumers stay, nothing is delivered, and resuming delivers all") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"a"});
  f.Take(s, c);
  REQUIRE(SetPaused(f, s, true).ok());
  CHECK(s->Stats().figures.paused == 1);
  f.Publish(topic, {"b", "c"});
  f.Take(s, c);
  CHECK(c->bodies() == Strings{"a"});
  CHECK(s->Stats().backlog_messages == 2);
  CHECK_FALSE(topic->Consumable());
  SECTION("acks count meanwhile") {
    f.Ack(s, c, 1, 1);
    CHECK(s->Stats().figures.acked_messages == 1);
    REQUIRE(SetPaused(f, s, false).ok());
    f.Take(s, c);
    CHECK(c->bodies() == Strings{"a", "b", "c"});
  }
  SECTION("deadlines pass meanwhile, and the redelivery waits") {
    f.world.AdvanceAndSettle(20'000);
    f.Settle();
    CHECK(s->Stats().figures.redeliver_messages == 1);
    REQUIRE(SetPaused(f, s, false).ok());
    f.Take(s, c);
    CHECK(c->bodies() == Strings{"a", "a", "b", "c"});
  }
  SECTION("it survives consumers, and those that come are started") {
    f.Remove(s, c);
    const StreamPtr other = f.Consume(s);
    f.Take(s, other);
    CHECK(other->started.size() == 1);
    CHECK(other->frames.empty());
    REQUIRE(SetPaused(f, s, false).ok());
    f.Take(s, other);
    CHECK(other->bodies() == Strings{"a", "b", "c"});
  }
  SECTION("it can be deleted") {
    REQUIRE(f.broker->DeleteSubscription("s").ok());
    f.Settle();
    CHECK(absl::IsAborted(c->ends.at(0)));
    CHECK(absl::IsAborted(SetPaused(f, s, false)));
    CHECK(absl::IsAborted(Seek(f, s, {}).status()));
  }
  SECTION("it can be purged") {
    CHECK(Seek(f, s, {Kind::kLatest, 0, 0})->skipped_messages == 3);
    REQUIRE(SetPaused(f, s, false).ok());
    f.Take(s, c);
    CHECK(c->bodies() == Strings{"a"});
  }
}

TEST_CASE("Seek: back delivers again, as if for the first time") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"a", "b", "c", "d"});
  f.Take(s, c);
  f.Ack(s, c, 1, 3);
  const absl::StatusOr<SeekResult> sought = SeekTo(f, s, 2);
  REQUIRE(sought.ok());
  CHECK(sought->from == 2);
  CHECK(sought->next_sequence == 2);
  CHECK(sought->skipped_messages == 0);
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3, 4, 2, 3, 4});
  CHECK(c->frames.back().attempt == 1);
  CHECK(s->Stats().figures.outstanding_messages == 3);
  f.Ack(s, c, 2, 4);
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("Seek: forward skips, also to what is not published yet") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  f.Publish(topic, Strings(5, "m"));
  CHECK(SeekTo(f, s, 3)->skipped_messages == 2);
  CHECK(SeekTo(f, s, 9)->skipped_messages == 3);
  CHECK(s->Stats().backlog_messages == 0);
  f.Publish(topic, Strings(5, "m"));
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  CHECK(c->started[0].next_sequence == 9);
  CHECK(c->sequences() == Numbers{9, 10});
  CHECK(c->gaps.empty());
}

TEST_CASE("Seek: what is no longer kept becomes a gap, but what the subscription still holds") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  for (int i = 0; i < 100; ++i) {
    f.Publish(topic, {NumberedBody(static_cast<uint64_t>(i), 1'000)});
    f.Take(s, c);
  }
  f.Ack(s, c, 1, 4);
  f.Ack(s, c, 6, 100);
  const absl::StatusOr<SeekResult> sought = SeekTo(f, s, 3);
  REQUIRE(sought.ok());
  const uint64_t kept = sought->next_sequence;
  REQUIRE(kept > 6);
  f.Take(s, c);
  REQUIRE(c->gaps.size() == 2);
  CHECK(c->gaps[0].first == 3);
  CHECK(c->gaps[0].last == 4);
  CHECK(c->gaps[0].reason == GapReason::kNotKept);
  CHECK(c->gaps[1].first == 6);
  CHECK(c->gaps[1].last == kept - 1);
  const Numbers all = c->sequences();
  CHECK(all[100] == 5);
  CHECK(all.size() == 101 + (101 - kept));
  CHECK(c->frames.back().attempt == 1);
}

TEST_CASE("Seek: a time is found, and a gap told where messages since then are gone") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  const int64_t start = f.world.clock.wall_ms;
  for (int i = 0; i < 100; ++i) {
    f.world.AdvanceAndSettle(10);
    f.Publish(topic, {NumberedBody(static_cast<uint64_t>(i), 1'000)});
    f.Take(s, c);
  }
  const uint64_t kept = Seek(f, s, {})->next_sequence;
  f.Take(s, c);
  CHECK(c->gaps.empty());
  REQUIRE(kept > 10);
  SECTION("one that is kept") {
    const absl::StatusOr<SeekResult> sought = Seek(f, s, {Kind::kTime, 0, start + 985});
    CHECK(sought->next_sequence == 99);
    f.Take(s, c);
    CHECK(c->sequences().back() == 100);
    CHECK(c->gaps.empty());
  }
  SECTION("one that is not") {
    const int64_t time = start + 95;  // of message 10
    CHECK(Seek(f, s, {Kind::kTime, 0, time})->next_sequence == kept);
    f.Take(s, c);
    REQUIRE(c->gaps.size() == 1);
    CHECK(c->gaps[0].first <= 10);
    CHECK(c->gaps[0].last == kept - 1);
    CHECK(c->gaps[0].reason == GapReason::kNotKept);
  }
  SECTION("one before everything, for a new subscription") {
    const SubscriptionPtr n = f.Subscribe("n", "t", {Kind::kTime, 0, start - 1});
    const StreamPtr cn = f.Consume(n);
    f.Take(n, cn);
    REQUIRE(cn->gaps.size() == 1);
    CHECK(cn->gaps[0].first == 1);
    CHECK(cn->gaps[0].last == kept - 1);
    CHECK(cn->sequences().front() == kept);
  }
  SECTION("one to come") {
    CHECK(Seek(f, s, {Kind::kTime, 0, start + 1'000'000})->next_sequence == 101);
  }
}

TEST_CASE("Seek: while the topic gives up what is sought, publishes go on") {
  Fixture f;
  TopicConfig config;
  config.full_policy = FullPolicy::kDropOldest;
  config.budget_bytes = 128 << 10;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  int answers = 0;
  for (int i = 0; i < 60; ++i) {
    s->Seek({}, [&](const absl::StatusOr<SeekResult>& r) { answers += r.ok(); });
    auto batch = std::make_shared<Batch>(Strings{std::string(9'000, 'x')});
    f.batches.push_back(batch);
    topic->Publish(batch.get());
    f.Settle();
    REQUIRE(batch->taken());
    f.Take(s, c);
  }
  CHECK(answers == 60);
  CHECK(topic->Stats().figures.dropped_messages > 0);
  CHECK(c->sequences().back() == 60);
}

}  // namespace
}  // namespace estiba::testing
