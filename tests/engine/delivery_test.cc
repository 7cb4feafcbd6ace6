#include "broker/engine/delivery.h"

#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

TEST_CASE("Delivery: scattered messages that come again travel in one frame") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"1", "2", "3", "4", "5", "6", "7", "8"});
  f.Take(s, c);
  f.Ack(s, c, 2, 3);
  f.Ack(s, c, 6, 6);
  REQUIRE(c->frames.size() == 1);
  f.Remove(s, c);
  const StreamPtr next = f.Consume(s, Explicit());
  f.Take(s, next);
  REQUIRE(next->frames.size() == 1);
  CHECK(next->sequences() == Numbers{1, 4, 5, 7, 8});
  CHECK(next->bodies() == Strings{"1", "4", "5", "7", "8"});
  CHECK(next->frames[0].attempt == 2);
  CHECK(s->Stats().figures.outstanding_messages == 5);
  CHECK(s->Stats().figures.floor_sequence == 1);
  f.Ack(s, next, 1, 8);
  CHECK(s->Stats().unconsumed() == 0);
  CHECK(s->Stats().figures.floor_sequence == 9);
}

TEST_CASE("Delivery: a frame has one attempt, and those of others follow in frames of their own") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"1", "2", "3", "4", "5", "6"});
  f.Take(s, c);
  f.Nack(s, c, 3, 3);
  f.Take(s, c);
  f.Ack(s, c, 2, 2);
  f.Remove(s, c);
  c = f.Consume(s, Explicit());
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{1, 3, 4, 5, 6});
  REQUIRE(c->frames.size() == 3);
  CHECK(c->frames[0].attempt == 2);
  CHECK(c->frames[1].attempt == 3);
  CHECK(c->frames[2].attempt == 2);
}

TEST_CASE("Delivery: credit and frame size hold over all runs of a frame") {
  BrokerOptions options;
  options.frame_bytes = 1000;
  Fixture f(options);
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  for (int i = 0; i < 20; ++i) f.Publish(topic, {std::string(300, 'x')});
  f.Take(s, c);
  for (uint64_t i = 2; i <= 20; i += 2) f.Ack(s, c, i, i);
  f.Remove(s, c);

  const StreamPtr few = f.Consume(s, Explicit(4));
  f.Take(s, few);
  CHECK(few->sequences() == Numbers{1, 3, 5, 7});
  REQUIRE(few->frames.size() == 2);
  CHECK(few->frames[0].sequences == Numbers{1, 3, 5});
  f.Ack(s, few, 1, 3);
  f.Take(s, few);
  CHECK(few->frames.back().sequences == Numbers{9, 11});
}

TEST_CASE("Delivery: a frame goes on in the next segment, as far as credit and frame size let it") {
  struct Case {
    uint32_t frame_bytes;
    uint64_t credit;
    Numbers frame;
  };
  // Four messages fill a segment.
  const std::vector<Case> cases = {{64 << 10, 0, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
                                   {64 << 10, 4, {1, 2, 3, 4}},
                                   {64 << 10, 6, {1, 2, 3, 4, 5, 6}},
                                   {4'900, 0, {1, 2, 3, 4}},
                                   {5'100, 0, {1, 2, 3, 4, 5}},
                                   {8'200, 0, {1, 2, 3, 4, 5, 6, 7, 8}}};
  for (const Case& c : cases) {
    BrokerOptions options;
    options.frame_bytes = c.frame_bytes;
    Fixture f(options);
    const TopicPtr topic = f.Topic("t");
    const SubscriptionPtr s = f.Subscribe("s", "t");
    for (int i = 0; i < 10; ++i) {
      f.Publish(topic, {std::string(1'000, 'x')});
      f.world.AdvanceAndSettle(2'000);  // segments stay of a page
    }
    const StreamPtr consumer = f.Consume(s, Explicit(c.credit));
    f.Take(s, consumer);
    REQUIRE_FALSE(consumer->frames.empty());
    CHECK(consumer->frames[0].sequences == c.frame);
    f.Ack(s, consumer, 1, 10);
  }
}

TEST_CASE("Delivery: a message larger than a frame goes alone, also behind a segment's end") {
  BrokerOptions options;
  options.frame_bytes = 32 << 10;
  Fixture f(options);
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  f.Publish(topic, {"1", "2"});
  f.Publish(topic, {std::string(100'000, 'x')});
  f.Publish(topic, {"4"});
  const StreamPtr consumer = f.Consume(s, Explicit());
  f.Take(s, consumer);
  REQUIRE(consumer->frames.size() == 3);
  CHECK(consumer->frames[0].sequences == Numbers{1, 2});
  CHECK(consumer->frames[1].sequences == Numbers{3});
  CHECK(consumer->frames[2].sequences == Numbers{4});
}

TEST_CASE("Delivery: consumers that are ready share what is scattered") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, Strings(20, "x"));
  f.Take(s, c);
  for (uint64_t i = 2; i <= 20; i += 2) f.Ack(s, c, i, i);
  const StreamPtr a = f.Consume(s, Explicit());
  const StreamPtr b = f.Consume(s, Explicit());
  f.Take(s, a);
  f.Take(s, b);
  f.Remove(s, c);
  f.Take(s, a);
  f.Take(s, b);
  CHECK(a->sequences().size() == 5);
  CHECK(b->sequences().size() == 5);
}

TEST_CASE("Delivery: a scattered automatic frame that was never accepted goes out again whole") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"1", "2", "3", "4", "5"});
  f.Take(s, c);
  f.Ack(s, c, 2, 2);
  f.Ack(s, c, 4, 4);
  f.Remove(s, c);
  const StreamPtr gone = f.Consume(s, Automatic());
  gone->Accept(*s);
  f.Settle();
  REQUIRE(gone->sequences() == Numbers{1, 3, 5});
  CHECK(s->Stats().figures.outstanding_messages == 3);
  CHECK(s->Stats().figures.floor_sequence == 1);
  f.Remove(s, gone);
  gone->Accept(*s, false);
  f.Settle();
  const StreamPtr next = f.Consume(s, Automatic());
  f.Take(s, next);
  CHECK(next->sequences() == Numbers{1, 3, 5});
  CHECK(next->frames[0].attempt == 2);
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("Delivery: a frame has at most so many runs") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("s", "t");
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  const uint64_t count = 2 * Delivery::kMaxRuns + 200;
  f.Publish(topic, Strings(count, "x"));
  f.Take(s, c);
  ConsumerUpdate update;
  for (uint64_t i = 2; i <= count; i += 2) update.acks.push_back({i, i});
  s->Update(c, update);
  f.Settle();
  f.Remove(s, c);
  const StreamPtr next = f.Consume(s, Explicit());
  f.Take(s, next);
  REQUIRE(next->frames.size() == 2);
  CHECK(next->frames[0].sequences.size() == Delivery::kMaxRuns);
  CHECK(next->sequences().size() == count / 2);
  f.Ack(s, next, 1, count);
  CHECK(s->Stats().unconsumed() == 0);
}

}  // namespace
}  // namespace estiba::testing
