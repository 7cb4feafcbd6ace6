// Messages that are published later: deliver_after_ms, deliver_at_ms.
#include "broker/engine/schedule.h"

#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"
#include "tests/engine/timed_fixture.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

TEST_CASE("Schedule: a message is answered at once and published at its time, not before") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  const auto later = f.PublishTimed({After("later", 1'000)});
  REQUIRE(later->taken());
  CHECK(later->result.first_sequence == 0);
  CHECK(later->result.count == 0);
  CHECK(later->result.scheduled == 1);
  CHECK(f.topic->Stats().scheduled_messages == 1);
  CHECK(f.topic->Stats().held_messages == 0);
  CHECK(f.PublishTimed({Plain("now")})->result.first_sequence == 1);
  f.Take(s, c);
  f.Pass(999);
  f.Take(s, c);
  CHECK(f.DataOf(c) == Strings{"now"});
  const int64_t before = f.Now();
  f.Pass(2);
  f.Take(s, c);
  CHECK(f.DataOf(c) == Strings{"now", "later"});
  CHECK(c->sequences() == Numbers{1, 2});
  CHECK(f.topic->Stats().scheduled_messages == 0);
  // Byte for byte, and from now on like any other.
  CHECK(c->bodies()[1] == After("later", 1'000));
  CHECK(f.broker->UseSubscription("since", "t", {StartPosition::Kind::kTime, 0, before}).ok());
}

TEST_CASE("Schedule: times of day count by the wall clock; one in the past means at once") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic());
  const auto batch = f.PublishTimed(
      {At("soon", f.Now() + 500), At("past", f.Now() - 500), Plain("now"), At("1970", 1)});
  CHECK(batch->result.first_sequence == 1);
  CHECK(batch->result.count == 1);
  CHECK(batch->result.scheduled == 3);
  f.Take(s, c);
  CHECK(f.DataOf(c) == Strings{"now", "past", "1970"});
  f.Pass(499);
  f.Take(s, c);
  CHECK(c->bodies().size() == 3);
  f.Pass(2);
  f.Take(s, c);
  CHECK(f.DataOf(c) == Strings{"now", "past", "1970", "soon"});
}

TEST_CASE("Schedule: what comes due is published by time, then in the order it was taken") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  f.PublishTimed({After("c", 300), After("a", 100), After("b1", 200)});
  f.PublishTimed({After("b2", 200), After("a2", 100)});
  f.Pass(1'000);
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  CHECK(f.DataOf(c) == Strings{"a", "a2", "b1", "b2", "c"});
}

TEST_CASE("Schedule: an earlier message is not late because a later one has been waited for") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic());
  for (int64_t ms = 9'000; ms > 0; ms -= 300) f.PublishTimed({After(absl::StrCat(ms), ms)});
  Strings expected;
  for (int64_t ms = 300; ms <= 9'000; ms += 300) {
    f.Pass(300 + (ms == 300));
    f.Take(s, c);
    expected.push_back(absl::StrCat(ms));
    REQUIRE(f.DataOf(c) == expected);
  }
}

TEST_CASE("Schedule: a month may pass") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  constexpr int64_t kMonth = int64_t{30} * 24 * 3600 * 1000;
  f.PublishTimed({After("next month", kMonth)});
  f.Pass(kMonth);
  CHECK(f.topic->Stats().scheduled_messages == 1);
  f.Pass(1);
  CHECK(f.topic->Stats().scheduled_messages == 0);
  CHECK(s->Stats().backlog_messages == 1);
}

TEST_CASE("Schedule: subscriptions get what is published after they began, and none of it before") {
  TimedFixture f;
  f.PublishTimed({After("x", 100)});
  const SubscriptionPtr latest = f.Subscribe("latest", "t", {StartPosition::Kind::kLatest, 0, 0});
  f.Pass(101);
  const SubscriptionPtr late = f.Subscribe("late", "t", {StartPosition::Kind::kLatest, 0, 0});
  CHECK(latest->Stats().backlog_messages == 1);
  CHECK(late->Stats().backlog_messages == 0);
}

TEST_CASE("Schedule: a batch sent twice is scheduled once") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const Strings bodies = {After("x", 100), Plain("y")};
  f.PublishTimed(bodies, "p", 1);
  const auto again = f.PublishTimed(bodies, "p", 1);
  CHECK(again->result.duplicate);
  CHECK(again->result.first_sequence == 1);
  CHECK(again->result.count == 1);
  CHECK(again->result.scheduled == 1);
  CHECK(f.topic->Stats().scheduled_messages == 1);
  f.Pass(101);
  CHECK(s->Stats().backlog_messages == 2);
}

TEST_CASE("Schedule: what waits counts against the budget, and gives everything back") {
  TopicConfig config;
  config.budget_bytes = 64 << 10;
  TimedFixture f(config);
  const uint64_t before = f.topic->Stats().held_bytes;
  int taken = 0;
  const std::string kilobyte(1'000, 'k');
  while (f.PublishTimed({After(kilobyte, 60'000)})->taken()) ++taken;
  CHECK(taken > 50);
  CHECK(taken < 64);
  const PublishResult& refused = f.batches.back()->result;
  CHECK(absl::IsResourceExhausted(refused.status));
  CHECK(refused.retry_after_ms > 0);
  CHECK(f.topic->Stats().held_bytes <= config.budget_bytes);
  // All of it finds room in the log, in its order, though the budget has been full all the time.
  const SubscriptionPtr s = f.Subscribe("s", "t");
  f.Pass(60'001);
  CHECK(f.topic->Stats().scheduled_messages == 0);
  CHECK(f.topic->Stats().held_bytes <= config.budget_bytes);
  CHECK(s->Stats().backlog_messages == static_cast<uint64_t>(taken));
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  CHECK(c->bodies().size() == static_cast<size_t>(taken));
  f.Pass(60'000);
  f.broker->Rest();
  f.Settle();
  f.broker->Rest();
  f.Settle();
  CHECK(f.topic->Stats().held_bytes <= before + 4'096);
}

TEST_CASE("Schedule: one that comes due while memory is full waits for room, and is not refused") {
  TopicConfig config;
  config.budget_bytes = 64 << 10;
  const bool block = GENERATE(false, true);
  if (block) config.full_policy = FullPolicy::kBlock;
  TimedFixture f(config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  // More than the reserve covers.
  const std::string big(30 << 10, 'b');
  REQUIRE(
      f.PublishTimed({After("first", 1'000), After(big, 1'000), After("last", 2'000)})->taken());
  int filled = 0;
  while (f.PublishTimed({Plain(std::string(5'000, 'x'))})->taken()) ++filled;
  CHECK(filled > 0);
  f.Pass(1'001);
  f.Pass(1'001);
  const StreamPtr c = f.Consume(s, Explicit());
  for (uint64_t acked = 0; acked < static_cast<uint64_t>(filled) + 3;) {
    f.Take(s, c);
    f.Pass(200);
    f.Take(s, c);
    const Numbers got = c->sequences();
    REQUIRE(got.size() > acked);
    acked = got.size();
    f.Ack(s, c, 1, got.back());
    CHECK(f.topic->Stats().held_bytes <= config.budget_bytes);
  }
  const Strings data = f.DataOf(c);
  const auto at = [&](const std::string& d) { return std::find(data.begin(), data.end(), d); };
  CHECK(at("first") < at(big));
  CHECK(at(big) < at("last"));
  CHECK(at("last") != data.end());
  CHECK(f.topic->Stats().scheduled_messages == 0);
}

TEST_CASE("Schedule: while much that is due waits for room, nothing looks all the time") {
  TopicConfig config;
  config.budget_bytes = 4 << 20;
  TimedFixture f(config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  // Each batch of these needs a little more than it was charged, so the reserve is soon used up.
  REQUIRE(f.PublishTimed(Strings(150, After(std::string(20'000, 'x'), 1'000)))->taken());
  f.Fill(f.topic, 3'000);
  f.Pass(3'000);
  CHECK(f.topic->Stats().scheduled_messages > 0);
  CHECK((f.world.timers.empty() || f.world.timers.next_ms() > f.world.clock.steady_ms + 50));
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  f.Pass(1'000);
  f.Take(s, c);
  CHECK(f.topic->Stats().scheduled_messages == 0);
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("Schedule: what is far off is dropped with its topic at once, however far") {
  TimedFixture f;
  Strings bodies;
  for (int i = 0; i < 20'000; ++i) {
    bodies.push_back(At("x", f.Now() + i * (kMaxUnixMs / 25'000)));
  }
  REQUIRE(f.PublishTimed(bodies)->taken());
  REQUIRE(f.broker->DeleteTopic("t").ok());
  f.Settle();
  CHECK(f.topic->Stats().scheduled_messages == 0);
  f.topic = nullptr;
  f.batches.clear();
}

TEST_CASE("Schedule: a topic of DROP_OLDEST gives up its oldest for what comes due") {
  TopicConfig config;
  config.budget_bytes = 64 << 10;
  config.full_policy = FullPolicy::kDropOldest;
  TimedFixture f(config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  for (int i = 0; i < 10; ++i) {
    REQUIRE(f.PublishTimed({After(absl::StrCat("later", i), 1'000)})->taken());
  }
  for (int i = 0; i < 100; ++i) REQUIRE(f.PublishTimed({Plain(std::string(2'000, 'x'))})->taken());
  f.Pass(1'001);
  CHECK(f.topic->Stats().scheduled_messages == 0);
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  REQUIRE_FALSE(c->gaps.empty());
  CHECK(f.DataOf(c).back() == "later9");
}

TEST_CASE("Schedule: what waits is gone with its topic, and gives its memory back") {
  TimedFixture f;
  REQUIRE(f.PublishTimed({After("x", 5'000), After("y", 50'000)})->taken());
  CHECK(f.broker->Stats().held_bytes > 0);
  REQUIRE(f.broker->DeleteTopic("t").ok());
  f.Settle();
  CHECK(f.topic->Stats().scheduled_messages == 0);
  f.topic = f.Topic("t");
  f.Pass(60'000);
  CHECK(f.topic->Stats().next_sequence == 1);
}

TEST_CASE("Schedule: a topic is not idle while something waits in it") {
  TopicConfig config;
  config.idle_expiry_ms = 2'000;
  TimedFixture f(config);
  f.PublishTimed({After("x", 10'000)});
  const auto look = [&] {
    f.Pass(1'000);
    f.broker->Rest();
    f.Settle();
    return f.broker->GetTopic("t").ok();
  };
  for (int i = 0; i < 9; ++i) REQUIRE(look());
  int more = 0;
  while (look()) ++more;
  CHECK(more >= 2);
}

TEST_CASE("Schedule: a hundred thousand at once come in the order of their times") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic());
  constexpr int kCount = 100'000 / kSlowdown;
  constexpr int64_t kSpread = 60'000;
  for (int i = 0; i < kCount;) {
    Strings bodies;
    for (const int end = i + 10'000; i < end && i < kCount; ++i) {
      bodies.push_back(
          After(absl::StrCat(1 + i * int64_t{7919} % kSpread), 1 + i * int64_t{7919} % kSpread));
    }
    REQUIRE(f.PublishTimed(bodies)->taken());
  }
  size_t seen = 0;
  for (int64_t passed = 100; passed <= kSpread + 200; passed += 100) {
    f.Pass(100);
    f.Take(s, c);
    for (; seen < c->frames.size(); ++seen) {
      for (const std::string& body : c->frames[seen].bodies) {
        const int64_t due = ReadTimes(body).deliver_after_ms;
        if (due > passed || due + 101 < passed - 100) FAIL(due << " came at " << passed);
      }
    }
  }
  CHECK(c->bodies().size() == kCount);
  CHECK(f.topic->Stats().scheduled_messages == 0);
}

}  // namespace
}  // namespace estiba::testing
