// Subscriptions: who gets what, leases, credit, gaps, where they begin and what they leave.
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

constexpr int64_t kDeadlineMs = 10'000;  // the default

TEST_CASE("Subscription: two get everything each, in order") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr a = f.Subscribe("a", "t");
  const SubscriptionPtr b = f.Subscribe("b", "t");
  const StreamPtr ca = f.Consume(a);
  const StreamPtr cb = f.Consume(b, Explicit());
  f.Take(a, ca);
  f.Take(b, cb);
  CHECK(ca->started[0].topic == "t");
  CHECK(ca->started[0].subscription == "a");
  CHECK(ca->started[0].next_sequence == 1);
  CHECK(ca->started[0].ack_deadline_ms == 0);
  CHECK(cb->started[0].ack_deadline_ms == kDeadlineMs);
  Strings all;
  for (uint64_t i = 0; i < 50; ++i) {
    all.push_back(NumberedBody(i, i * 100));
    f.Publish(topic, {all.back()});
    if (i % 3 == 0) f.Take(a, ca);
    if (i % 7 == 0) f.Take(b, cb);
  }
  f.Take(a, ca);
  f.Take(b, cb);
  CHECK(ca->bodies() == all);
  CHECK(cb->bodies() == all);
  CHECK(a->Stats().figures.acked_messages == 50);
  CHECK(b->Stats().figures.outstanding_messages == 50);
}

TEST_CASE("Subscription: consumers that are ready share what there is") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  std::vector<StreamPtr> consumers;
  for (int i = 0; i < 4; ++i) {
    consumers.push_back(f.Consume(s));
    f.Take(s, consumers.back());
  }
  f.Publish(topic, Strings(100, "m"));
  size_t sum = 0;
  for (const StreamPtr& c : consumers) {
    CHECK(c->bodies().size() == 25);
    sum += c->bodies().size();
  }
  CHECK(sum == 100);
}

TEST_CASE("Subscription: a consumer that does not read holds up nobody else") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr stuck = f.Consume(s);
  const StreamPtr reads = f.Consume(s);
  f.Take(s, reads);
  for (int i = 0; i < 100; ++i) {
    f.Publish(topic, {"m"});
    f.Take(s, reads);
  }
  CHECK(reads->bodies().size() == 100);
}

TEST_CASE("Subscription: credit limits what is outstanding, and acks give it back") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(10));
  f.Take(s, c);
  f.Publish(topic, Strings(100, "m"));
  f.Take(s, c);
  CHECK(c->bodies().size() == 10);
  f.Ack(s, c, 3, 5);
  f.Take(s, c);
  CHECK(c->bodies().size() == 13);

  ConsumerUpdate lower;
  lower.credit.max_messages = 4;  // below what is outstanding
  s->Update(c, lower);
  f.Settle();
  f.Ack(s, c, 1, 2);
  f.Take(s, c);
  CHECK(c->bodies().size() == 13);
  f.Ack(s, c, 1, 10);
  f.Take(s, c);
  CHECK(c->bodies().size() == 14);
}

TEST_CASE("Subscription: credit in bytes may be exceeded by one message, no more") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(0, 100));
  f.Take(s, c);
  f.Publish(topic, Strings(10, std::string(98, 'm')));  // 100 bytes each, encoded
  f.Take(s, c);
  CHECK(c->bodies().size() == 1);
  ConsumerUpdate update;
  update.credit.max_bytes = 101;
  s->Update(c, update);
  f.Settle();
  f.Take(s, c);
  CHECK(c->bodies().size() == 2);
}

TEST_CASE("Subscription: with automatic acks the consumer returns the credit") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic(5));
  f.Take(s, c);
  f.Publish(topic, Strings(20, "m"));
  f.Take(s, c);
  CHECK(c->bodies().size() == 5);
  ConsumerUpdate update;
  update.return_messages = 1'000;  // counts as all of it
  s->Update(c, update);
  f.Settle();
  f.Take(s, c);
  CHECK(c->bodies().size() == 10);
}

TEST_CASE("Subscription: what is not acked in time comes again, one attempt higher") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"a", "b", "c"});
  f.Take(s, c);
  f.Ack(s, c, 2, 2);
  f.world.AdvanceAndSettle(kDeadlineMs - 1);
  f.Take(s, c);
  CHECK(c->frames.size() == 1);
  f.world.AdvanceAndSettle(1'001);
  f.Take(s, c);
  CHECK(c->bodies() == Strings{"a", "b", "c", "a", "c"});
  CHECK(c->frames[1].attempt == 2);
  CHECK(s->Stats().figures.expired_leases == 2);
  f.Ack(s, c, 1, 3);
  f.world.AdvanceAndSettle(3 * kDeadlineMs);
  CHECK(s->Stats().unconsumed() == 0);
  CHECK(f.world.timers.empty());
}

TEST_CASE("Subscription: a consumer's short deadline holds beside a subscription's long one") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  ConsumerOptions options = Explicit();
  options.ack_deadline_ms = 100;
  const StreamPtr c = f.Consume(s, options);
  f.Take(s, c);
  f.Publish(topic, {"a"});
  f.Take(s, c);
  f.world.AdvanceAndSettle(99);
  CHECK(!c->sending);
  f.world.AdvanceAndSettle(2);
  CHECK(c->sending);
}

TEST_CASE("Subscription: an extension holds a message longer, only for who holds it") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  const StreamPtr other = f.Consume(s, Explicit(1));
  f.Take(s, c);
  f.Publish(topic, {"a"});
  f.Take(s, c);
  f.Take(s, other);
  REQUIRE(c->bodies().size() == 1);
  ConsumerUpdate update;
  update.extensions.push_back({{1, 1}, 60'000});
  s->Update(other, update);  // not its own
  f.world.AdvanceAndSettle(5'000);
  s->Update(c, update);
  f.world.AdvanceAndSettle(59'000);
  CHECK(s->Stats().figures.outstanding_messages == 1);
  CHECK(s->Stats().figures.expired_leases == 0);
  f.world.AdvanceAndSettle(2'000);
  CHECK(s->Stats().figures.expired_leases == 1);
}

TEST_CASE("Subscription: a nack brings a message back at once, to any consumer") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"a", "b"});
  f.Take(s, c);
  f.Nack(s, c, 2, 2);
  f.Take(s, c);
  CHECK(c->bodies() == Strings{"a", "b", "b"});
  CHECK(s->Stats().figures.nacked_messages == 1);
}

TEST_CASE("Subscription: a late nack does not take another's lease away") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr late = f.Consume(s, Explicit(1));
  f.Take(s, late);
  f.Publish(topic, {"a"});
  f.Take(s, late);
  ConsumerUpdate none;
  f.Remove(s, f.Consume(s, Explicit()));
  const StreamPtr other = f.Consume(s, Explicit());
  f.Take(s, other);
  f.world.clock.Advance(kDeadlineMs);
  // The first takes it again unless it is busy; keep it busy with the nack of the old lease.
  f.world.timers.FireDue();
  f.Settle();
  const StreamPtr& holder = other->frames.empty() ? late : other;
  const StreamPtr& nobody = other->frames.empty() ? other : late;
  f.Take(s, holder);
  const size_t before = late->frames.size() + other->frames.size();
  f.Nack(s, nobody, 1, 1);
  CHECK(late->frames.size() + other->frames.size() == before);
}

TEST_CASE("Subscription: an ack counts on any stream, and after the deadline too") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(2));
  f.Take(s, c);
  f.Publish(topic, {"a", "b"});
  f.Take(s, c);
  const StreamPtr other = f.Consume(s, Explicit(1));
  f.Ack(s, other, 1, 1);
  CHECK(s->Stats().figures.outstanding_messages == 1);
  ConsumerUpdate stop;
  f.Remove(s, other);
  f.Remove(s, c);  // "b" waits for a consumer
  const StreamPtr later = f.Consume(s, Explicit());
  f.Ack(s, later, 1, 100);  // has been sent Started only
  f.Take(s, later);
  CHECK(later->bodies().empty());
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("Subscription: what a lost consumer held goes to the others at once") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr lost = f.Consume(s, Explicit());
  f.Take(s, lost);
  f.Publish(topic, {"a", "b"});
  f.Take(s, lost);
  const StreamPtr other = f.Consume(s, Explicit());
  f.Take(s, other);
  f.Remove(s, lost);
  f.Take(s, other);
  CHECK(other->bodies() == Strings{"a", "b"});
  CHECK(other->frames[0].attempt == 2);
}

TEST_CASE("Subscription: an automatic frame that was never accepted goes out again") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr lost = f.Consume(s);
  f.Take(s, lost);
  f.Publish(topic, {"a"});
  const bool removed_first = GENERATE(true, false);
  if (removed_first) f.Remove(s, lost);
  lost->Accept(*s, false);
  f.Settle();
  if (!removed_first) {
    CHECK(!lost->sending);  // broken: gets nothing more
    f.Remove(s, lost);
  }
  const StreamPtr other = f.Consume(s);
  f.Take(s, other);
  CHECK(other->bodies() == Strings{"a"});
  CHECK(other->frames[0].attempt == 1);
}

TEST_CASE("Subscription: the owner may let go of a stream with its last word") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  StreamPtr stream(new Stream(Automatic()));
  s->Add(stream);
  f.Settle();
  s->Remove(stream);
  f.Settle();
  f.world.executor.run_at_once = false;
  s->Sent(stream.get(), false);
  stream = nullptr;
  f.Settle();
  CHECK(s->Stats().figures.consumers == 0);
}

TEST_CASE("Subscription: a private one leaves what it has not consumed to the next") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const bool automatic = GENERATE(true, false);
  const SubscriptionPtr first = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(first, automatic ? Automatic(4) : Explicit(4));
  f.Take(first, c);
  f.Publish(topic, {"a", "b", "c", "d"});
  if (!automatic) {
    f.Take(first, c);
    f.Ack(first, c, 2, 2);
  }
  f.Publish(topic, {"e"});
  f.Remove(first, c);
  REQUIRE(c->sending);
  c->Accept(*first, !automatic);
  f.Settle();
  CHECK(topic->Stats().subscriptions == 0);
  CHECK(topic->Stats().held_messages == (automatic ? 5 : 4));
  for (int i = 0; i < 3; ++i) topic->Rest();
  f.Settle();

  const SubscriptionPtr next = f.Subscribe("", "t");
  const StreamPtr d = f.Consume(next);
  f.Take(next, d);
  CHECK(d->bodies() ==
        (automatic ? Strings{"a", "b", "c", "d", "e"} : Strings{"a", "c", "d", "e"}));
  for (const Stream::Frame& frame : d->frames) CHECK(frame.attempt == 1);
}

TEST_CASE("Subscription: a private one that was not the only one leaves nothing") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr stays = f.Subscribe("s", "t");
  const StreamPtr all = f.Consume(stays);
  f.Take(stays, all);
  const SubscriptionPtr first = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(first, Explicit());
  f.Publish(topic, {"a"});
  f.Take(stays, all);
  f.Take(first, c);
  f.Remove(first, c);
  const SubscriptionPtr next = f.Subscribe("", "t");
  const StreamPtr d = f.Consume(next);
  f.Take(next, d);
  CHECK(d->bodies().empty());
}

TEST_CASE("Subscription: a named one keeps its place without consumers") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  StreamPtr c = f.Consume(s);
  f.Take(s, c);
  f.Publish(topic, {"a"});
  f.Take(s, c);
  f.Remove(s, c);
  f.Publish(topic, {"b", "c"});
  CHECK(s->Stats().backlog_messages == 2);
  c = f.Consume(s);
  f.Take(s, c);
  CHECK(c->started[0].next_sequence == 2);
  CHECK(c->bodies() == Strings{"b", "c"});
}

TEST_CASE("Subscription: deleting it ends its streams and frees what only it had not consumed") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(1));
  f.Take(s, c);
  f.Publish(topic, Strings(100, std::string(1'000, 'x')));
  f.Take(s, c);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  CHECK(c->ends[0].code() == absl::StatusCode::kAborted);
  CHECK(topic->Stats().held_messages == 0);
  f.broker->Rest();
  f.broker->Rest();
  f.Settle();
  CHECK(topic->Stats().held_bytes < 1'000);
  const StreamPtr late(new Stream(Automatic()));
  s->Add(late);
  f.Settle();
  CHECK(late->ends.size() == 1);
}

TEST_CASE("Subscription: begins where it was asked to") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr other = f.Subscribe("keeps", "t");
  const StreamPtr holder = f.Consume(other, Explicit());
  f.Take(other, holder);
  for (int i = 1; i <= 5; ++i) {
    f.Publish(topic, {std::to_string(i)});
    f.Take(other, holder);
    f.world.clock.Advance(1'000);
  }
  const auto begin = [&](StartPosition start) {
    const SubscriptionPtr s = f.Subscribe("", "t", start);
    const StreamPtr c = f.Consume(s);
    f.Take(s, c);
    f.Publish(topic, {"new"});
    f.Take(other, holder);
    f.Take(s, c);
    Strings bodies = c->bodies();
    f.Remove(s, c);
    return bodies;
  };
  using Kind = StartPosition::Kind;
  const int64_t now = f.world.clock.wall_ms;
  CHECK(begin({Kind::kEarliest, 0, 0}) == Strings{"1", "2", "3", "4", "5", "new"});
  CHECK(begin({Kind::kLatest, 0, 0}) == Strings{"new"});
  CHECK(begin({Kind::kSequence, 4, 0}).front() == "4");
  CHECK(begin({Kind::kTime, 0, now - 2'000}).front() == "4");
  CHECK(begin({Kind::kTime, 0, now - 1'999}).front() == "5");
  CHECK(begin({Kind::kTime, 0, now + 60'000}) == Strings{"new"});
}

TEST_CASE("Subscription: a sequence that is still to come is waited for") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t", {StartPosition::Kind::kSequence, 4, 0});
  f.Publish(topic, {"1", "2"});
  CHECK(s->Stats().backlog_messages == 0);
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  CHECK(c->started[0].next_sequence == 4);
  f.Publish(topic, {"3", "4", "5"});
  f.Take(s, c);
  CHECK(c->bodies() == Strings{"4", "5"});
  CHECK(c->gaps.empty());
}

TEST_CASE("Subscription: a sequence that is no longer kept gives a gap first") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr gone = f.Subscribe("gone", "t");
  const StreamPtr all = f.Consume(gone);
  f.Take(gone, all);
  f.Publish(topic, {"1", "2", "3"});
  f.Take(gone, all);
  f.broker->Rest();
  f.broker->Rest();
  f.Settle();
  f.Publish(topic, {"4"});
  const SubscriptionPtr s = f.Subscribe("s", "t", {StartPosition::Kind::kSequence, 2, 0});
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  REQUIRE(c->gaps.size() == 1);
  CHECK(c->gaps[0].first == 2);
  CHECK(c->gaps[0].last == 3);
  CHECK(c->gaps[0].reason == GapReason::kNotKept);
  CHECK(c->bodies() == Strings{"4"});
}

TEST_CASE("Subscription: a gap that a lost consumer was not told is told to the next") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 1'000;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr lost = f.Consume(s, Explicit(1));
  f.Take(s, lost);
  f.Publish(topic, {"a", "b", "c"});
  lost->Accept(*s);
  f.Settle();
  f.Publish(topic, {"d"});
  f.world.AdvanceAndSettle(3'000);
  REQUIRE(lost->sending);  // the gap
  f.Remove(s, lost);
  lost->Accept(*s, false);
  f.Settle();
  const StreamPtr next = f.Consume(s);
  f.Take(s, next);
  uint64_t lost_messages = 0;
  for (const Gap& gap : next->gaps) lost_messages += gap.last - gap.first + 1;
  CHECK(lost_messages == 4);
  CHECK(s->Stats().figures.gap_messages == 4);
}

TEST_CASE("Subscription: given-up leases give their credit back") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 1'000;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit(0, 250));
  f.Take(s, c);
  for (int round = 0; round < 20; ++round) {
    f.Publish(topic, Strings(2, std::string(98, 'm')));
    f.Take(s, c);
    const uint64_t last = topic->end_sequence() - 1;
    REQUIRE(c->sequences().back() == last);
    f.world.AdvanceAndSettle(4'000);  // the memory is given up, the lease stays
    f.Ack(s, c, last - 1, last - 1);
    f.Ack(s, c, last, last);
  }
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("Subscription: one unacked message does not pin the megabytes around it") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  ConsumerOptions options = Explicit();
  options.ack_deadline_ms = 600'000;
  const StreamPtr c = f.Consume(s, options);
  f.Take(s, c);
  for (int i = 0; i < 4'000; ++i) {
    f.Publish(topic, {NumberedBody(static_cast<uint64_t>(i), 1'000)});
    f.Take(s, c);
  }
  for (uint64_t i = 1; i < 4'000; i += 500) {
    f.Ack(s, c, i + 1, i + 499);  // all but one of 500
  }
  CHECK(topic->Stats().held_bytes > 2'000'000);
  f.world.AdvanceAndSettle(3'000);
  CHECK(topic->Stats().held_bytes < 100'000 + (1 << 20));
  // The stragglers are still what they were.
  f.world.AdvanceAndSettle(600'000);
  f.Take(s, c);
  const Strings bodies = c->bodies();
  REQUIRE(bodies.size() == 4'008);
  for (size_t i = 0; i < 8; ++i) CHECK(bodies[4'000 + i] == NumberedBody(i * 500, 1'000));
}

}  // namespace
}  // namespace estiba::testing
