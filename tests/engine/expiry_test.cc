// Messages that outlive their time to live.
#include "broker/engine/expiry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "broker/engine/filter.h"
#include "tests/engine/timed_fixture.h"

namespace estiba::testing {
namespace {

struct ExpiryFixture : TimedFixture {
  explicit ExpiryFixture(const SubscriptionConfig& config = {},
                         const TopicConfig& topic_config = {})
      : TimedFixture(topic_config) {
    s = broker->UseSubscription("s", "t", {}, config).value();
    Settle();
  }
  uint64_t Expired() const { return s->Stats().figures.expired_messages; }

  SubscriptionPtr s;
};

TEST_CASE(
    "Expiry: what is consumed in time is as ever; what is not is passed over, without a gap") {
  ExpiryFixture f;
  f.PublishTimed({Living("a", 1'000), Plain("b"), Living("c", 2'000), Living("d", 1'000)});
  f.Pass(1'000);
  const StreamPtr c = f.Consume(f.s, Automatic());
  f.Take(f.s, c);
  CHECK(f.DataOf(c) == Strings{"b", "c"});
  CHECK(c->sequences() == Numbers{2, 3});
  CHECK(c->gaps.empty());
  CHECK(f.Expired() == 2);
  CHECK(f.s->Stats().unconsumed() == 0);
  f.PublishTimed({Living("e", 1'000)});
  f.Take(f.s, c);
  CHECK(f.DataOf(c).back() == "e");
}

TEST_CASE("Expiry: the time counts from the publish; not a millisecond less, not one more") {
  ExpiryFixture f;
  f.PublishTimed({Living("a", 500)});
  f.Pass(300);
  f.PublishTimed({Living("b", 500)});
  SECTION("just in time") {
    f.Pass(199);
    const StreamPtr c = f.Consume(f.s, Automatic());
    f.Take(f.s, c);
    CHECK(f.DataOf(c) == Strings{"a", "b"});
  }
  SECTION("too late for the first") {
    f.Pass(200);
    const StreamPtr c = f.Consume(f.s, Automatic());
    f.Take(f.s, c);
    CHECK(f.DataOf(c) == Strings{"b"});
  }
}

TEST_CASE("Expiry: for a scheduled message it counts from its time") {
  ExpiryFixture f;
  f.PublishTimed({Timed("x", {1'000, 0, 500})});
  f.Pass(1'400);
  const StreamPtr c = f.Consume(f.s, Automatic());
  f.Take(f.s, c);
  CHECK(f.DataOf(c) == Strings{"x"});
}

TEST_CASE("Expiry: what a consumer holds it may ack; what comes back is not delivered again") {
  ExpiryFixture f;
  f.PublishTimed({Living("a", 1'000), Living("b", 1'000), Plain("c")});
  const StreamPtr c = f.Consume(f.s, Explicit());
  f.Take(f.s, c);
  f.Pass(1'500);
  f.Ack(f.s, c, 1, 1);
  CHECK(f.s->Stats().figures.acked_messages == 1);
  f.Nack(f.s, c, 2, 3);
  f.Take(f.s, c);
  CHECK(f.DataOf(c) == Strings{"a", "b", "c", "c"});
  CHECK(f.Expired() == 1);
}

TEST_CASE("Expiry: what waits for a redelivery does not wait beyond its time") {
  SubscriptionConfig config;
  config.retry = {5'000, 5'000};
  ExpiryFixture f(config);
  f.PublishTimed({Living("a", 1'000), Living("b", 60'000)});
  const StreamPtr c = f.Consume(f.s, Explicit());
  f.Take(f.s, c);
  f.Nack(f.s, c, 1, 2);
  CHECK(f.s->Stats().figures.delayed_messages == 2);
  f.Pass(2'100);
  CHECK(f.s->Stats().figures.delayed_messages == 1);
  CHECK(f.Expired() == 1);
  f.Pass(10'000);
  f.Take(f.s, c);
  CHECK(f.DataOf(c) == Strings{"a", "b", "b"});
}

TEST_CASE("Expiry: a filter sees only what lives, and counts apart") {
  SubscriptionConfig config;
  config.filter = Filter::Compile("NOT attributes:no").value();
  ExpiryFixture f(config);
  std::string entry;
  WireWriter(entry).Bytes(1, "no");
  std::string unwanted = Plain("no");
  WireWriter(unwanted).Bytes(2, entry);
  f.PublishTimed({Living("a", 100), unwanted, Living("b", 10'000), unwanted, Living("c", 100)});
  f.Pass(100);
  const StreamPtr c = f.Consume(f.s, Automatic());
  f.Take(f.s, c);
  CHECK(f.DataOf(c) == Strings{"b"});
  CHECK(f.Expired() == 2);
  CHECK(f.s->Stats().figures.filtered_messages == 2);
}

TEST_CASE("Expiry: of an ordered subscription, in front of others and behind them") {
  SubscriptionConfig config;
  config.ordered = true;
  ExpiryFixture f(config);
  const StreamPtr other = f.Consume(f.s, Explicit(1));
  const StreamPtr c = f.Consume(f.s, Explicit(1));
  f.Take(f.s, other);
  f.Take(f.s, c);
  Strings bodies;
  for (int i = 0; i < 12; ++i) {
    bodies.push_back(
        Living(absl::StrCat(i), i % 3 == 1 ? 100 : 60'000, absl::StrCat("key", i % 2)));
  }
  f.PublishTimed(bodies);
  f.Take(f.s, other);
  f.Take(f.s, c);
  f.Pass(100);
  for (int round = 0; round < 20; ++round) {
    for (const StreamPtr& stream : {c, other}) {
      const Numbers got = stream->sequences();
      if (!got.empty()) f.Ack(f.s, stream, got.front(), got.back());
      f.Take(f.s, stream);
    }
  }
  Strings data = f.DataOf(c);
  for (const std::string& d : f.DataOf(other)) data.push_back(d);
  std::sort(data.begin(), data.end());
  // Those that were on their way before their time was over may be there.
  for (const char* kept : {"0", "2", "3", "5", "6", "8", "9", "11"}) {
    CHECK(std::count(data.begin(), data.end(), kept) == 1);
  }
  CHECK(data.size() + f.Expired() == 12);
  CHECK(f.Expired() >= 2);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Expiry: a subscription without consumers lets go, and so does its memory") {
  TopicConfig topic;
  topic.budget_bytes = 256 << 10;
  ExpiryFixture f({}, topic);
  const std::string kilobyte(1'000, 'k');
  int taken = 0;
  while (f.PublishTimed({Living(kilobyte, 10'000)})->taken()) ++taken;
  CHECK(taken > 200);
  f.Pass(11'001);
  CHECK(f.s->Stats().unconsumed() == 0);
  CHECK(f.Expired() == static_cast<uint64_t>(taken));
  int again = 0;
  while (f.PublishTimed({Living(kilobyte, 10'000)})->taken()) ++again;
  CHECK(again >= taken * 9 / 10);
}

TEST_CASE("Expiry: a topic without subscriptions lets go, too") {
  TimedFixture f;
  f.PublishTimed(Strings(50'000, Living("x", 1'000)));
  f.PublishTimed({Plain("stays")});
  CHECK(f.topic->Stats().held_messages == 50'001);
  f.Pass(1'101);
  CHECK(f.topic->Stats().held_messages == 1);
  CHECK(f.topic->Stats().figures.expired_messages == 50'000);
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Automatic());
  f.Take(s, c);
  CHECK(f.DataOf(c) == Strings{"stays"});
}

TEST_CASE("Expiry: what the last private subscription left behind does not outlive its time") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.PublishTimed({Living("a", 1'000), Plain("b"), Living("c", 1'000)});
  f.Take(s, c);
  f.Remove(s, c);
  CHECK(f.topic->Stats().held_messages == 3);
  f.Pass(1'101);
  CHECK(f.topic->Stats().held_messages == 1);
}

TEST_CASE("Expiry: nor does what it leaves behind when the time is over already") {
  TimedFixture f;
  const SubscriptionPtr s = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.PublishTimed({Living("a", 1'000), Plain("b")});
  f.Take(s, c);
  f.Pass(5'000);
  f.Remove(s, c);
  f.Pass(101);
  CHECK(f.topic->Stats().held_messages == 1);
}

TEST_CASE("Expiry: a clock that is set back makes a message live longer, not for ever") {
  ExpiryFixture f;
  f.PublishTimed({Plain("first")});
  const StreamPtr c = f.Consume(f.s, Automatic());
  f.Take(f.s, c);
  f.Remove(f.s, c);
  f.world.clock.wall_ms -= 600'000;
  f.PublishTimed({Living("a", 1'000)});
  f.Pass(2'000);
  CHECK(f.Expired() == 0);
  // Nobody consumes, and nothing is published.
  f.Pass(600'000);
  CHECK(f.Expired() == 1);
}

TEST_CASE("Expiry: a last message that is over is not delivered, and no older one instead") {
  TimedFixture f;
  const SubscriptionPtr keeper = f.Subscribe("keeper", "t");
  f.PublishTimed({Plain("older")});
  f.PublishTimed({Living("newer", 1'000)});
  f.Pass(1'000);
  const auto c = f.Consume(f.Subscribe("", "t", {StartPosition::Kind::kLast, 0, 0}), Automatic());
  f.Take(f.streams.back().first, c);
  CHECK(f.DataOf(c).empty());
  f.PublishTimed({Plain("next")});
  f.Take(f.streams.back().first, c);
  CHECK(f.DataOf(c) == Strings{"next"});
}

TEST_CASE("Expiry: a dead letter has no time any more") {
  SubscriptionConfig config;
  config.dead_letter = {"dead", 1};
  TimedFixture f;
  const TopicPtr dead = f.Topic("dead");
  const SubscriptionPtr s = f.broker->UseSubscription("s", "t", {}, config).value();
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.PublishTimed({Living("x", 1'000)});
  f.Take(s, c);
  f.Nack(s, c, 1, 1);
  f.Pass(5'000);
  const SubscriptionPtr letters = f.Subscribe("letters", "dead");
  const StreamPtr reader = f.Consume(letters, Automatic());
  f.Take(letters, reader);
  REQUIRE(reader->bodies().size() == 1);
  CHECK(ReadTimes(reader->bodies()[0]).time_to_live_ms == 0);
  CHECK(f.DataOf(reader) == Strings{"x"});
}

}  // namespace
}  // namespace estiba::testing
