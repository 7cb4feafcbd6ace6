// Where EARLIEST is, for subscriptions that come and go in one turn of their topic.
#include <memory>

#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

constexpr uint32_t kFrameBytes = 64 << 10;

// Ten messages, and two subscriptions which have consumed them up to the fifth and the eighth.
struct Situation {
  Situation() {
    for (int i = 0; i < 10; ++i) f.Publish(topic, {"m"});
    f.Take(far, far_stream);
    f.Take(near, near_stream);
    f.Ack(near, near_stream, 1, 5);
    f.Ack(far, far_stream, 1, 8);
    // From here on commands wait for Settle, which has the topic run them all in one turn.
    f.world.executor.run_at_once = false;
  }

  // One that begins when the turn comes.
  SubscriptionPtr Attach(const StartPosition& start) {
    SubscriptionPtr made(new Subscription("attached", topic, {}, around, kFrameBytes));
    topic->Attach(made, start);
    return made;
  }
  void Detach(const SubscriptionPtr& subscription) {
    topic->Detach(subscription, Cursor(), IntervalMap<Redelivery>());
  }

  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const Topic::Surroundings around{f.world.executor, f.world.clock, f.world.timers,
                                   std::make_shared<Memory>(0, 1 << 20),
                                   std::make_shared<Incarnations>(1)};
  const SubscriptionPtr near = f.Subscribe("near", "t");
  const SubscriptionPtr far = f.Subscribe("far", "t");
  const StreamPtr near_stream = f.Consume(near, Explicit());
  const StreamPtr far_stream = f.Consume(far, Explicit());
};

constexpr StartPosition kEarliest{StartPosition::Kind::kEarliest, 0, 0};

StartPosition FromSequence(uint64_t sequence) {
  return {StartPosition::Kind::kSequence, sequence, 0};
}

TEST_CASE("Earliest: it is the first message that some subscription has not consumed") {
  Situation s;
  const SubscriptionPtr one = s.Attach(kEarliest);
  const SubscriptionPtr another = s.Attach(kEarliest);
  s.f.Settle();
  CHECK(one->position() == 6);
  CHECK(another->position() == 6);
  s.Detach(one);
  s.Detach(another);
}

TEST_CASE("Earliest: it goes on when the last that held it leaves, in the same turn") {
  Situation s;
  const SubscriptionPtr one = s.Attach(kEarliest);
  s.Detach(s.near);
  const SubscriptionPtr still = s.Attach(kEarliest);
  s.Detach(still);
  s.Detach(one);
  const SubscriptionPtr after = s.Attach(kEarliest);
  s.f.Settle();
  CHECK(one->position() == 6);
  CHECK(still->position() == 6);
  CHECK(after->position() == 9);
  s.Detach(after);
}

TEST_CASE("Earliest: it goes back to where one begins that is attached in the same turn") {
  Situation s;
  const SubscriptionPtr one = s.Attach(kEarliest);
  const SubscriptionPtr later = s.Attach(FromSequence(10));
  const SubscriptionPtr before = s.Attach(FromSequence(3));
  const SubscriptionPtr after = s.Attach(kEarliest);
  s.f.Settle();
  CHECK(one->position() == 6);
  CHECK(after->position() == 3);
  for (const auto& subscription : {one, later, before, after}) s.Detach(subscription);
}

TEST_CASE("Earliest: without any subscription it is where the next message comes") {
  Situation s;
  const SubscriptionPtr one = s.Attach(kEarliest);
  for (const auto& subscription : {s.near, one, s.far}) s.Detach(subscription);
  const SubscriptionPtr after = s.Attach(kEarliest);
  const SubscriptionPtr again = s.Attach(kEarliest);
  s.f.Settle();
  CHECK(after->position() == 11);
  CHECK(again->position() == 11);
  s.Detach(after);
  s.Detach(again);
}

}  // namespace
}  // namespace estiba::testing
