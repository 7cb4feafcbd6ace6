#include "broker/engine/backoff.h"
#include "broker/engine/retry_queue.h"
#include "tests/engine/fixture.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

constexpr int64_t kLateMs = 100;  // a time may be noticed so late

struct RetryFixture : Fixture {
  explicit RetryFixture(const RetryPolicy& policy, int64_t ack_deadline_ms = 10'000) {
    topic = Topic("t");
    SubscriptionConfig config;
    config.ack_deadline_ms = ack_deadline_ms;
    config.retry = policy;
    s = broker->CreateSubscription("s", "t", config, {}).value();
    Settle();
    c = Consume(s, Explicit());
    Take(s, c);
  }
  void NackLater(uint64_t first, uint64_t last, int64_t delay_ms) {
    ConsumerUpdate update;
    update.delayed_nacks.push_back({{first, last}, delay_ms});
    s->Update(c, update);
    Settle();
  }
  // Advances in small steps until the consumer has another frame; how long that took.
  int64_t UntilFrame(int64_t most_ms) {
    const size_t before = c->frames.size();
    int64_t ms = 0;
    for (; ms < most_ms && c->frames.size() == before; ms += 5) {
      world.AdvanceAndSettle(5);
      Take(s, c);
    }
    return ms;
  }

  TopicPtr topic;
  SubscriptionPtr s;
  StreamPtr c;
};

TEST_CASE("Backoff: doubles from the least to the most, with jitter, as its seed decides") {
  const RetryPolicy policy{100, 5'000};
  Backoff a(policy, 7);
  Backoff b(policy, 7);
  Backoff other(policy, 8);
  bool differs = false;
  for (uint32_t attempt = 1; attempt <= 40; ++attempt) {
    const int64_t ms = a.After(attempt);
    CHECK(ms == b.After(attempt));
    differs |= ms != other.After(attempt);
    const int64_t base = attempt > 20 ? 5'000 : std::min<int64_t>(5'000, 100ll << (attempt - 1));
    CHECK(ms >= (base == 5'000 ? 4'000 : base));
    CHECK(ms <= std::min<int64_t>(5'000, base + base / 4));
  }
  CHECK(differs);
  CHECK(Backoff({0, 0}, 1).After(5) == 0);
  CHECK(Backoff({600'000, 600'000}, 1).After(1'000'000) == 600'000);
  for (int i = 0; i < 100; ++i) CHECK(Backoff({0, 3}, 1).After(1) <= 3);
}

TEST_CASE("Retry: a nacked message waits longer with each attempt") {
  RetryFixture f({1'000, 8'000});
  f.Publish(f.topic, {"a"});
  f.Take(f.s, f.c);
  for (uint32_t attempt = 1; attempt <= 5; ++attempt) {
    REQUIRE(f.c->frames.back().attempt == attempt);
    f.Nack(f.s, f.c, 1, 1);
    CHECK(f.s->Stats().figures.delayed_messages == 1);
    CHECK(f.s->Stats().figures.outstanding_messages == 0);
    CHECK(f.s->Stats().figures.floor_sequence == 1);
    CHECK(f.s->Stats().unconsumed() == 1);
    const int64_t base = std::min<int64_t>(8'000, 1'000 << (attempt - 1));
    const int64_t waited = f.UntilFrame(20'000);
    CHECK(waited >= (base == 8'000 ? 6'400 : base));
    CHECK(waited <= base + base / 4 + kLateMs);
  }
}

TEST_CASE("Retry: a nack may say its own delay, with or without a policy") {
  const RetryPolicy policy = GENERATE(RetryPolicy{0, 0}, RetryPolicy{100'000, 200'000});
  RetryFixture f(policy);
  f.Publish(f.topic, {"a", "b", "c"});
  f.Take(f.s, f.c);
  f.NackLater(1, 1, 3'000);
  f.NackLater(3, 3, 1'000);
  f.NackLater(2, 2, 0);
  f.Take(f.s, f.c);
  CHECK(f.c->frames.back().sequences == Numbers{2});
  CHECK(f.UntilFrame(10'000) <= 1'000 + kLateMs);
  CHECK(f.c->frames.back().sequences == Numbers{3});
  CHECK(f.UntilFrame(10'000) <= 2'000 + kLateMs);
  CHECK(f.c->frames.back().sequences == Numbers{1});
  CHECK(f.c->frames.back().attempt == 2);
  CHECK(f.s->Stats().figures.nacked_messages == 3);
}

TEST_CASE("Retry: a passed deadline and a lost consumer wait too, an orderly end does not") {
  RetryFixture f({2'000, 2'000}, 1'000);
  f.Publish(f.topic, {"a", "b"});
  f.Take(f.s, f.c);
  f.world.AdvanceAndSettle(2'100);
  CHECK(f.s->Stats().figures.expired_leases == 2);
  CHECK(f.s->Stats().figures.delayed_messages == 2);
  f.UntilFrame(3'000);
  f.Take(f.s, f.c);
  REQUIRE(f.s->Stats().figures.outstanding_messages == 2);
  f.Remove(f.s, f.c);
  CHECK(f.s->Stats().figures.delayed_messages == 2);
  f.c = f.Consume(f.s, Explicit());
  f.Take(f.s, f.c);
  f.UntilFrame(3'000);
  REQUIRE(f.s->Stats().figures.outstanding_messages == 2);
  f.s->Remove(f.c, absl::OkStatus());
  f.Settle();
  CHECK(f.s->Stats().figures.delayed_messages == 0);
  CHECK(f.s->Stats().figures.redeliver_messages == 2);
}

TEST_CASE("Retry: an ack reaches what waits, whole or in part") {
  RetryFixture f({});
  f.Publish(f.topic, {"1", "2", "3", "4", "5"});
  f.Take(f.s, f.c);
  f.NackLater(1, 5, 1'000);
  f.Ack(f.s, f.c, 2, 3);
  CHECK(f.s->Stats().figures.delayed_messages == 3);
  CHECK(f.s->Stats().figures.acked_messages == 2);
  f.UntilFrame(2'000);
  CHECK(f.c->frames.back().sequences == Numbers{1, 4, 5});
  f.Ack(f.s, f.c, 1, 5);
  CHECK(f.s->Stats().unconsumed() == 0);
  f.world.AdvanceAndSettle(10'000);
  CHECK(f.c->frames.size() == 2);
}

TEST_CASE("Retry: retention reaches what waits") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 2'000;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"a"});
  f.Take(s, c);
  ConsumerUpdate update;
  update.delayed_nacks.push_back({{1, 1}, 60'000});
  s->Update(c, update);
  f.Settle();
  f.world.AdvanceAndSettle(5'000);
  f.Take(s, c);
  REQUIRE(c->gaps.size() == 1);
  CHECK(c->gaps[0].first == 1);
  CHECK(s->Stats().unconsumed() == 0);
  f.world.AdvanceAndSettle(60'000);
  CHECK(c->frames.size() == 1);
}

TEST_CASE("Retry: what waits costs budget, and deleting the subscription gives it back") {
  RetryFixture f({});
  f.Publish(f.topic, Strings(500, "x"));
  f.Take(f.s, f.c);
  const uint64_t before = f.topic->storage()->budget.UsedApprox();
  ConsumerUpdate update;
  for (uint64_t i = 1; i <= 500; ++i) update.delayed_nacks.push_back({{i, i}, 600'000});
  f.s->Update(f.c, update);
  f.Settle();
  CHECK(f.topic->storage()->budget.UsedApprox() >= before + 500 * 64);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  f.streams.clear();
  CHECK(f.topic->storage()->budget.UsedApprox() <= before);
}

TEST_CASE("Retry: a private subscription leaves what waits to the next") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr first = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(first, Explicit());
  f.Take(first, c);
  f.Publish(topic, {"a", "b"});
  f.Take(first, c);
  ConsumerUpdate update;
  update.delayed_nacks.push_back({{2, 2}, 600'000});
  first->Update(c, update);
  f.Settle();
  f.Remove(first, c);
  const SubscriptionPtr second = f.Subscribe("", "t");
  const StreamPtr next = f.Consume(second, Explicit());
  f.Take(second, next);
  CHECK(next->sequences() == Numbers{1, 2});
}

TEST_CASE("Retry: a hundred thousand messages wait at once, and come in the order of their times") {
  RetryFixture f({}, 600'000);
  const uint64_t count = 100'000 / kSlowdown;
  f.Publish(f.topic, Strings(count, "x"));
  f.Take(f.s, f.c);
  for (uint64_t from = 1; from <= count; from += 10'000) {
    ConsumerUpdate update;
    for (uint64_t i = from; i < from + 10'000; ++i) {
      update.delayed_nacks.push_back({{i, i}, static_cast<int64_t>(1 + i * 7919 % 60'000)});
    }
    f.s->Update(f.c, update);
    f.Settle();
  }
  CHECK(f.s->Stats().figures.delayed_messages == count);
  int64_t passed_ms = 0;
  for (size_t seen = f.c->frames.size(); passed_ms < 61'000; passed_ms += 50) {
    f.world.AdvanceAndSettle(50);
    f.Take(f.s, f.c);
    for (; seen < f.c->frames.size(); ++seen) {
      for (const uint64_t i : f.c->frames[seen].sequences) {
        const int64_t due = static_cast<int64_t>(1 + i * 7919 % 60'000);
        if (due > passed_ms + 50 || due + kLateMs < passed_ms) FAIL(i << " due " << due);
      }
    }
  }
  CHECK(f.s->Stats().figures.delayed_messages == 0);
  CHECK(f.s->Stats().figures.outstanding_messages == count);
}

}  // namespace
}  // namespace estiba::testing
