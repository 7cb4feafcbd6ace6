// Subscriptions that begin with the last message, or the last one of each ordering key.
#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/filter.h"
#include "broker/engine/last_look.h"
#include "tests/engine/fixture.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

constexpr StartPosition kLast{StartPosition::Kind::kLast, 0, 0};
constexpr StartPosition kLastOfEachKey{StartPosition::Kind::kLastOfEachKey, 0, 0};

// An encoded message with an ordering key (none if empty) and an attribute "kind".
std::string Keyed(const std::string& key, const std::string& kind = "x") {
  std::string entry;
  WireWriter(entry).Bytes(1, "kind");
  WireWriter(entry).Bytes(2, kind);
  std::string message;
  WireWriter(message).Bytes(1, "data");
  WireWriter(message).Bytes(2, entry);
  if (!key.empty()) WireWriter(message).Bytes(5, key);
  return message;
}

SubscriptionConfig Only(const std::string& kind) {
  SubscriptionConfig config;
  config.filter = Filter::Compile("attributes.kind = \"" + kind + "\"").value();
  return config;
}

struct LastFixture : Fixture {
  explicit LastFixture(const TopicConfig& config = {}) {
    topic = Topic("t", config);
    keeper = Subscribe("keeper", "t");
  }
  // What a private subscription gets at first.
  StreamPtr Open(const StartPosition& start, const SubscriptionConfig& config = {}) {
    s = broker->UseSubscription("", "t", start, config).value();
    const StreamPtr c = Consume(s, Automatic());
    Take(s, c);
    return c;
  }
  // Many messages with few keys: message n has the key n % keys.
  void PublishMany(int messages, int keys) {
    for (int i = 0; i < messages;) {
      Strings bodies;
      for (int end = std::min(i + 5'000, messages); i < end; ++i) {
        bodies.push_back(Keyed(absl::StrCat((i + 1) % keys)));
      }
      REQUIRE(Publish(topic, bodies)->taken());
    }
  }

  TopicPtr topic;
  SubscriptionPtr keeper;
  SubscriptionPtr s;
};

TEST_CASE("Last: a new subscription begins with the last message, and goes on from there") {
  LastFixture f;
  f.Publish(f.topic, {"a", "b"});
  f.Publish(f.topic, {"c"});
  const StreamPtr c = f.Open(kLast);
  CHECK(c->started[0].next_sequence == 4);
  CHECK(c->sequences() == Numbers{3});
  CHECK(c->frames[0].attempt == 1);
  CHECK(c->gaps.empty());
  CHECK(f.s->Stats().unconsumed() == 0);
  f.Publish(f.topic, {"d", "e"});
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{3, 4, 5});
}

TEST_CASE("Last: where nothing is kept, nothing is found") {
  LastFixture f;
  SECTION("as nothing was published") { CHECK(f.Open(kLast)->sequences().empty()); }
  SECTION("as all of it was consumed and freed") {
    f.PublishMany(3'000, 3);
    const StreamPtr reader = f.Consume(f.keeper, Automatic());
    f.Take(f.keeper, reader);
    for (int i = 0; i < 3; ++i) {
      f.broker->Rest();
      f.Settle();
    }
    const StreamPtr c = f.Open(GENERATE(kLast, kLastOfEachKey));
    CHECK(c->sequences().empty());
    CHECK(c->gaps.empty());
    CHECK(c->started[0].next_sequence == 3'001);
  }
}

TEST_CASE("Last: of a filter, the last that it lets through") {
  LastFixture f;
  f.Publish(f.topic, {Keyed("", "x"), Keyed("", "x"), Keyed("", "y"), Keyed("", "y")});
  CHECK(f.Open(kLast, Only("x"))->sequences() == Numbers{2});
  CHECK(f.Open(kLast, Only("y"))->sequences() == Numbers{4});
  CHECK(f.Open(kLast, Only("z"))->sequences().empty());
}

TEST_CASE("Last: of each ordering key, in their order, without those that have none") {
  LastFixture f;
  f.Publish(f.topic, {Keyed("a"), Keyed("b"), Keyed("a"), Keyed("c"), Keyed("")});
  const StreamPtr c = f.Open(kLastOfEachKey);
  CHECK(c->sequences() == Numbers{2, 3, 4});
  CHECK(c->started[0].next_sequence == 6);
  f.Publish(f.topic, {Keyed("a")});
  f.Take(f.s, c);
  CHECK(c->sequences() == Numbers{2, 3, 4, 6});
  SECTION("that the filter lets through") {
    f.Publish(f.topic, {Keyed("a", "y"), Keyed("d", "y")});
    CHECK(f.Open(kLastOfEachKey, Only("x"))->sequences() == Numbers{2, 4, 6});
    CHECK(f.Open(kLastOfEachKey, Only("y"))->sequences() == Numbers{7, 8});
  }
}

TEST_CASE("Last: what is found is delivered as anything else: acks, nacks, the next attempt") {
  LastFixture f;
  f.Publish(f.topic, {Keyed("a"), Keyed("b"), Keyed("a")});
  const SubscriptionPtr s = f.broker->CreateSubscription("s", "t", {}, kLastOfEachKey).value();
  f.Settle();
  CHECK(s->Stats().figures.redeliver_messages == 2);
  CHECK(s->Stats().figures.floor_sequence == 2);
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Nack(s, c, 2, 2);
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{2, 3, 2});
  CHECK(c->frames.back().attempt == 2);
  f.Ack(s, c, 2, 3);
  CHECK(s->Stats().unconsumed() == 0);
  CHECK(s->Stats().figures.floor_sequence == 4);
}

// A look over 50,000 messages, which takes some turns, and is under way.
struct LongFixture : LastFixture {
  using LastFixture::LastFixture;
  StreamPtr Begin(const std::string& name = "") {
    PublishMany(50'000, 100);
    world.executor.run_at_once = false;
    s = broker->UseSubscription(name, "t", kLastOfEachKey).value();
    const StreamPtr c(new Stream(Automatic()));
    streams.emplace_back(s, c);
    s->Add(c);
    // Its topic has told it where to look, and then it has had a turn, whatever else is ready.
    while (s->Stats().figures.next_sequence != 50'001) world.executor.Step();
    for (int i = 0; i < 3; ++i) world.executor.Step();
    REQUIRE(c->started.empty());
    return c;
  }
  static Numbers Newest() {
    Numbers newest;
    for (uint64_t n = 49'901; n <= 50'000; ++n) newest.push_back(n);
    return newest;
  }
};

TEST_CASE("Last: what is published during the look follows what was found") {
  LongFixture f;
  const StreamPtr c = f.Begin();
  Batch meanwhile({Keyed("1"), Keyed("2")});
  f.topic->Publish(&meanwhile);
  f.Settle();
  f.Take(f.s, c);
  Numbers all = LongFixture::Newest();
  all.push_back(50'001);
  all.push_back(50'002);
  CHECK(c->sequences() == all);
  CHECK(c->started[0].next_sequence == 50'001);
}

TEST_CASE("Last: what is given up during the look is not found, and is no gap") {
  TopicConfig config;
  config.retention_age_ms = 1'000;
  LongFixture f(config);
  const StreamPtr c = f.Begin();
  f.world.Advance(60'000);
  f.world.executor.StepOf(f.topic.get());  // before the look is over
  f.Settle();
  f.world.AdvanceAndSettle(60'000);
  f.Take(f.s, c);
  CHECK(c->sequences().size() <= 100);
  CHECK(c->gaps.empty());
  f.Publish(f.topic, {Keyed("1")});
  f.Take(f.s, c);
  CHECK(c->sequences().back() == 50'001);
}

TEST_CASE("Last: a subscription that still looks is being made, for seeks and snapshots") {
  LongFixture f;
  const StreamPtr c = f.Begin("s");
  std::optional<absl::Status> sought;
  std::optional<absl::Status> taken;
  f.s->Seek({}, [&](const absl::StatusOr<SeekResult>& r) { sought = r.status(); });
  f.broker->snapshots().Create("snap", f.s, {}, 60'000,
                               [&](const absl::StatusOr<SnapshotPtr>& r) { taken = r.status(); });
  f.world.executor.StepOf(f.topic.get());  // before the look is over
  for (int i = 0; i < 1'000 && !(sought && taken); ++i) f.world.executor.Step();
  REQUIRE(sought);
  REQUIRE(taken);
  CHECK(absl::IsAborted(*sought));
  CHECK(absl::IsAborted(*taken));
  f.Settle();
  f.Take(f.s, c);
  CHECK(c->sequences() == LongFixture::Newest());
}

TEST_CASE("Last: one that ends during the look leaves nothing behind for the next") {
  LongFixture f;
  f.broker->DeleteSubscription("keeper").IgnoreError();
  f.Settle();
  const StreamPtr c = f.Begin();
  f.s->Remove(c);
  f.Settle();
  f.Publish(f.topic, {"new"});
  const StreamPtr next = f.Open({});
  CHECK(next->sequences() == Numbers{50'001});
}

TEST_CASE("Last: more keys than a look remembers end the subscription, which says so") {
  if (kSlowdown > 1) return;  // under a sanitizer it takes a minute
  LastFixture f;
  const int most = static_cast<int>(LastLook::kMostKeys);
  f.PublishMany(most, most);
  CHECK(f.Open(kLastOfEachKey)->sequences().size() == LastLook::kMostKeys);
  f.Publish(f.topic, {Keyed("one more")});
  f.s = f.broker->UseSubscription("", "t", kLastOfEachKey).value();
  const StreamPtr c = f.Consume(f.s, Automatic());
  REQUIRE(c->ends.size() == 1);
  CHECK(absl::IsResourceExhausted(c->ends[0]));
}

}  // namespace
}  // namespace estiba::testing
