#include "broker/engine/ordering.h"

#include <map>
#include <set>

#include "broker/base/wire_writer.h"
#include "tests/engine/fixture.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

// An encoded estiba.v1.Message.
std::string Keyed(const std::string& key, const std::string& data = "d") {
  std::string message;
  WireWriter(message).Bytes(1, data);
  if (!key.empty()) WireWriter(message).Bytes(5, key);
  return message;
}

struct OrderedFixture : Fixture {
  explicit OrderedFixture(const SubscriptionConfig& base = {}) {
    topic = Topic("t");
    SubscriptionConfig config = base;
    config.ordered = true;
    s = broker->CreateSubscription("s", "t", config, {}).value();
    Settle();
  }
  StreamPtr Join(const ConsumerOptions& options = Explicit()) {
    StreamPtr c = Consume(s, options);
    Take(s, c);
    return c;
  }
  // Messages of these keys, one batch.
  void PublishKeys(const Strings& keys) {
    Strings bodies;
    for (const std::string& key : keys) bodies.push_back(Keyed(key));
    Publish(topic, bodies);
  }
  void Nack(const StreamPtr& c, uint64_t first, uint64_t last) { Fixture::Nack(s, c, first, last); }
  void Ack(const StreamPtr& c, uint64_t first, uint64_t last) { Fixture::Ack(s, c, first, last); }
  SubscriptionFigures Figures() const { return s->Stats().figures; }

  TopicPtr topic;
  SubscriptionPtr s;
};

TEST_CASE("Ordering: the key of a message, and none") {
  CHECK(Ordering::KeyOf(Keyed("")) == 0);
  CHECK(Ordering::KeyOf(Keyed("a")) == Ordering::KeyOf(Keyed("a", "other data")));
  CHECK(Ordering::KeyOf(Keyed("a")) != Ordering::KeyOf(Keyed("b")));
  CHECK(Ordering::KeyOf("") == 0);
  CHECK(Ordering::KeyOf("\xff\xff") == 0);
}

TEST_CASE("Ordering: one consumer gets all messages in one frame, as they lie") {
  OrderedFixture f;
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "b", "", "a", "c"});
  f.Take(f.s, c);
  CHECK(c->frames.size() == 1);
  CHECK(c->sequences() == Numbers{1, 2, 3, 4, 5});
  f.Ack(c, 1, 5);
  CHECK(f.Figures().acked_messages == 5);
  CHECK(f.Figures().outstanding_messages == 0);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: a nacked message brings back later ones of its key, and no others") {
  OrderedFixture f;
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a", "b", "", "a", "b"});
  f.Take(f.s, c);
  f.Nack(c, 2, 2);
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3, 4, 5, 6, 2, 5});
  CHECK(c->frames.back().attempt == 2);
  CHECK(f.Figures().outstanding_messages == 6);
  f.Ack(c, 1, 6);
  CHECK(f.s->Stats().unconsumed() == 0);
  CHECK(f.Figures().acked_messages == 6);
}

TEST_CASE(
    "Ordering: an ack counts once earlier messages of the key are acked, and is undone before") {
  OrderedFixture f;
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a", "a"});
  f.Take(f.s, c);
  f.Ack(c, 2, 2);
  CHECK(f.Figures().acked_messages == 0);
  CHECK(f.Figures().floor_sequence == 1);
  f.Nack(c, 1, 1);
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3, 1, 2, 3});
  f.Ack(c, 3, 3);
  f.Ack(c, 2, 2);
  CHECK(f.Figures().acked_messages == 0);
  f.Ack(c, 1, 1);
  CHECK(f.Figures().acked_messages == 3);
  CHECK(f.Figures().outstanding_messages == 0);
  // Again, and beside the point.
  f.Ack(c, 1, 3);
  CHECK(f.Figures().acked_messages == 3);
}

TEST_CASE("Ordering: credit is returned by the ack, not by what it waits for") {
  OrderedFixture f;
  const StreamPtr c = f.Join(Explicit(2));
  f.PublishKeys({"a", "a", "b"});
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2});
  f.Ack(c, 2, 2);
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3});
  f.Ack(c, 1, 1);
  f.Ack(c, 3, 3);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: a key waits for its retry, others do not") {
  SubscriptionConfig config;
  config.retry = {1'000, 1'000};
  OrderedFixture f(config);
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a", "b"});
  f.Take(f.s, c);
  f.Nack(c, 1, 1);
  f.PublishKeys({"a", "b"});
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3, 5});
  CHECK(f.Figures().blocked_messages == 3);
  CHECK(f.s->Stats().unconsumed() == 5);
  f.world.AdvanceAndSettle(2'000);
  f.Take(f.s, c);
  f.Ack(c, 3, 3);
  // Two frames: they have different attempts.
  CHECK(c->sequences() == Numbers{1, 2, 3, 5, 1, 2, 4});
  f.Ack(c, 1, 5);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: a late ack reaches what was delivered, and nothing that never was") {
  SubscriptionConfig config;
  config.retry = {60'000, 60'000};
  OrderedFixture f(config);
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a"});
  f.Take(f.s, c);
  f.Nack(c, 1, 1);
  f.PublishKeys({"a"});
  f.Take(f.s, c);
  REQUIRE(f.Figures().blocked_messages == 3);
  f.Ack(c, 1, 3);
  CHECK(f.Figures().blocked_messages == 1);
  CHECK(f.Figures().acked_messages == 2);
  f.world.AdvanceAndSettle(90'000);
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3});
  f.Ack(c, 3, 3);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: keys stay with their consumer, and only those of one that leaves move") {
  OrderedFixture f;
  std::vector<StreamPtr> consumers;
  for (int i = 0; i < 4; ++i) consumers.push_back(f.Join());
  Strings keys;
  for (int i = 0; i < 400; ++i) keys.push_back("key-" + std::to_string(i));
  const auto round = [&] {
    std::map<std::string, size_t> owners;
    for (const StreamPtr& c : consumers) c->frames.clear();
    f.PublishKeys(keys);
    for (bool more = true; more;) {
      more = false;
      for (const StreamPtr& c : consumers) {
        more |= c->sending;
        f.Take(f.s, c);
      }
    }
    for (size_t i = 0; i < consumers.size(); ++i) {
      for (const std::string& body : consumers[i]->bodies()) owners[body] = i;
      for (const uint64_t sequence : consumers[i]->sequences()) {
        f.Ack(consumers[i], sequence, sequence);
      }
    }
    CHECK(owners.size() == keys.size());
    CHECK(f.s->Stats().unconsumed() == 0);
    return owners;
  };
  const auto before = round();
  std::map<size_t, int> spread;
  for (const auto& [key, owner] : before) ++spread[owner];
  for (const auto& [owner, n] : spread) CHECK(n > 40);
  CHECK(spread.size() == 4);
  CHECK(round() == before);

  f.Remove(f.s, consumers.back());
  consumers.pop_back();
  const auto after = round();
  for (const auto& [key, owner] : before) {
    if (owner != 3) CHECK(after.at(key) == owner);
  }

  consumers.push_back(f.Join());
  const auto again = round();
  for (const auto& [key, owner] : after) {
    CHECK((again.at(key) == owner || again.at(key) == 3));
  }
}

TEST_CASE("Ordering: what a lost consumer had goes to others, in order") {
  OrderedFixture f;
  const StreamPtr lost = f.Join();
  f.PublishKeys({"a", "b", "a", "b", "a"});
  f.Take(f.s, lost);
  f.Ack(lost, 1, 1);
  f.Ack(lost, 5, 5);
  f.Remove(f.s, lost);
  CHECK(f.Figures().blocked_messages == 4);
  const StreamPtr c = f.Join();
  CHECK(c->sequences() == Numbers{2, 3, 4, 5});
  f.Ack(c, 1, 5);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: automatic acks, a refused frame goes out again as the same attempt") {
  OrderedFixture f;
  const StreamPtr c = f.Join(Automatic());
  f.PublishKeys({"a", "a", ""});
  REQUIRE(c->sending);
  f.PublishKeys({"a"});
  c->Accept(*f.s, false);
  f.Settle();
  f.Remove(f.s, c);
  const StreamPtr next = f.Join(Automatic());
  CHECK(next->frames[0].attempt == 1);
  std::multiset<uint64_t> all;
  for (const uint64_t s : next->sequences()) all.insert(s);
  CHECK(all == std::multiset<uint64_t>{1, 2, 3, 4});
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: a passed deadline brings back the key; an acked one has no deadline") {
  SubscriptionConfig config;
  config.ack_deadline_ms = 1'000;
  OrderedFixture f(config);
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a", "b"});
  f.Take(f.s, c);
  f.Ack(c, 3, 3);
  f.Ack(c, 2, 2);
  f.world.AdvanceAndSettle(1'500);
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{1, 2, 3, 1, 2});
  CHECK(f.Figures().expired_leases == 1);
  f.Ack(c, 1, 2);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: dead letters leave their place, later ones do not wait") {
  SubscriptionConfig config;
  config.dead_letter = {"dead", 2};
  OrderedFixture f(config);
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a"});
  f.Take(f.s, c);
  f.Nack(c, 1, 1);
  f.Take(f.s, c);
  f.Ack(c, 2, 2);
  CHECK(f.Figures().acked_messages == 0);
  f.Nack(c, 1, 1);
  CHECK(f.Figures().dead_lettered_messages == 1);
  CHECK(f.Figures().acked_messages == 1);
  CHECK(f.s->Stats().unconsumed() == 0);
  CHECK(c->sequences() == Numbers{1, 2, 1, 2});
}

TEST_CASE("Ordering: a termination lets later messages pass") {
  SubscriptionConfig config;
  config.dead_letter = {"dead", 5};
  OrderedFixture f(config);
  const StreamPtr c = f.Join();
  f.PublishKeys({"a", "a"});
  f.Take(f.s, c);
  ConsumerUpdate update;
  update.terminations.push_back({{1, 1}, "no"});
  f.s->Update(c, update);
  f.Settle();
  f.Ack(c, 2, 2);
  CHECK(f.Figures().dead_lettered_messages == 1);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: a consumer that takes nothing loses the keys it has nothing of") {
  OrderedFixture f;
  const StreamPtr stuck = f.Join(Explicit(1));
  const StreamPtr c = f.Join();
  Strings keys;
  for (int i = 0; i < 40; ++i) keys.push_back("key-" + std::to_string(i));
  f.PublishKeys(keys);
  f.Take(f.s, c);
  f.Take(f.s, stuck);
  CHECK(stuck->sequences().size() == 1);
  REQUIRE(c->sequences().size() < 39);
  for (int i = 0; i < 3; ++i) {
    f.world.AdvanceAndSettle(1'000);
    f.Take(f.s, c);
  }
  CHECK(c->sequences().size() == 39);
}

TEST_CASE("Ordering: no further ahead than its bound") {
  if (kSlowdown > 1) return;  // under a sanitizer it takes minutes
  OrderedFixture f;
  const StreamPtr c = f.Join(Explicit(1));
  f.PublishKeys({"a"});
  f.Take(f.s, c);
  const StreamPtr other = f.Join();
  const std::string mine = Keyed("a");
  for (int i = 0; i < 120; ++i) f.Publish(f.topic, Strings(1'000, mine));
  f.PublishKeys({""});
  f.Take(f.s, other);
  CHECK(f.Figures().blocked_messages == Ordering::kMaxBlocked);
  CHECK(other->sequences().empty());
  for (uint64_t n = 1; n <= 120'001; ++n) {
    f.Ack(c, n, n);
    f.Take(f.s, c);
    f.Take(f.s, other);
  }
  CHECK(other->sequences() == Numbers{120'002});
  CHECK(c->sequences().size() == 120'001);
  f.Ack(other, 120'002, 120'002);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Ordering: what a private subscription leaves behind keeps its order") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  SubscriptionConfig config;
  config.ordered = true;
  const SubscriptionPtr first = f.broker->UseSubscription("", "t", {}, config).value();
  const StreamPtr c = f.Consume(first, Explicit(3));
  f.Take(first, c);
  f.Publish(topic, {Keyed("a"), Keyed("b"), Keyed("a"), Keyed("b"), Keyed("a")});
  f.Take(first, c);
  REQUIRE(c->sequences() == Numbers{1, 2, 3});
  f.Ack(first, c, 2, 3);
  f.Take(first, c);
  REQUIRE(c->sequences() == Numbers{1, 2, 3, 4, 5});
  f.Remove(first, c);
  const SubscriptionPtr next = f.broker->UseSubscription("", "t", {}, config).value();
  const StreamPtr d = f.Consume(next, Explicit());
  f.Take(next, d);
  CHECK(d->sequences() == Numbers{1, 3, 4, 5});
  f.Ack(next, d, 1, 5);
  CHECK(next->Stats().unconsumed() == 0);
}

}  // namespace
}  // namespace estiba::testing
