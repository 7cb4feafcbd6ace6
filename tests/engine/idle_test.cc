// What is deleted because nobody uses it.
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

struct IdleFixture : Fixture {
  // Lets time pass, with housekeeping every second, and says what was deleted.
  Expired Pass(int64_t ms) {
    Expired all;
    for (int64_t passed = 0; passed < ms; passed += 1'000) {
      world.AdvanceAndSettle(1'000);
      const Expired expired = broker->Rest();
      Settle();
      all.topics.insert(all.topics.end(), expired.topics.begin(), expired.topics.end());
      all.subscriptions.insert(all.subscriptions.end(), expired.subscriptions.begin(),
                               expired.subscriptions.end());
    }
    return all;
  }
  SubscriptionPtr Make(const std::string& name, int64_t idle_ms) {
    SubscriptionConfig config;
    config.idle_expiry_ms = idle_ms;
    const SubscriptionPtr s = broker->CreateSubscription(name, "t", config, {}).value();
    Settle();
    return s;
  }
};

TEST_CASE("Idle: a subscription nobody uses is deleted, and what it held is free") {
  IdleFixture f;
  const TopicPtr topic = f.Topic("t");
  f.Make("s", 10'000);
  f.Publish(topic, {std::string(100'000, 'x')});
  CHECK(f.Pass(9'000).subscriptions.empty());
  f.Publish(topic, {"publishing is not using"});
  CHECK(f.Pass(2'000).subscriptions == Strings{"s"});
  CHECK(absl::IsNotFound(f.broker->GetSubscription("s").status()));
  CHECK(f.broker->Stats().subscriptions == 0);
  CHECK(f.broker->Stats().idle_subscriptions == 1);
  f.Pass(3'000);
  CHECK(topic->Stats().held_bytes < 10'000);
  f.Make("s", 10'000);
}

TEST_CASE("Idle: a subscription with a consumer stays, until that is gone for long enough") {
  IdleFixture f;
  f.Topic("t");
  const SubscriptionPtr s = f.Make("s", 10'000);
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  CHECK(f.Pass(60'000).subscriptions.empty());
  f.Remove(s, c);
  CHECK(f.Pass(9'000).subscriptions.empty());
  CHECK(f.Pass(2'000).subscriptions == Strings{"s"});
}

TEST_CASE("Idle: what is asked of a subscription is use; without the setting it stays") {
  IdleFixture f;
  f.Topic("t");
  const SubscriptionPtr s = f.Make("s", 10'000);
  f.Make("for-ever", 0);
  for (int i = 0; i < 5; ++i) {
    CHECK(f.Pass(8'000).subscriptions.empty());
    s->SetPaused(i % 2 == 0, [](const absl::Status&) {});
    f.Settle();
  }
  CHECK(f.Pass(8'000).subscriptions.empty());
  s->Seek({}, [](const absl::StatusOr<SeekResult>&) {});
  f.Settle();
  CHECK(f.Pass(8'000).subscriptions.empty());
  CHECK(f.Pass(600'000).subscriptions == Strings{"s"});
}

TEST_CASE("Idle: a detached subscription has its time, from when it was detached") {
  IdleFixture f;
  f.Topic("t");
  const SubscriptionPtr s = f.Make("s", 10'000);
  f.Take(s, f.Consume(s));
  f.Pass(60'000);
  REQUIRE(f.broker->DetachSubscription("s").ok());
  CHECK(f.Pass(9'000).subscriptions.empty());
  CHECK(f.Pass(2'000).subscriptions == Strings{"s"});
}

TEST_CASE("Idle: a topic goes when there is no publish and no subscription for long enough") {
  IdleFixture f;
  TopicConfig config;
  config.idle_expiry_ms = 10'000;
  const TopicPtr topic = f.Topic("t", config);
  f.Topic("for-ever");
  for (int i = 0; i < 5; ++i) {
    CHECK(f.Pass(8'000).topics.empty());
    f.Publish(topic, {"m"});
  }
  const SubscriptionPtr s = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(s);
  f.Take(s, c);
  CHECK(f.Pass(60'000).topics.empty());
  f.Remove(s, c);
  CHECK(f.Pass(9'000).topics.empty());
  CHECK(f.Pass(3'000).topics == Strings{"t"});
  CHECK(f.broker->Stats().topics == 1);
  CHECK(f.broker->Stats().idle_topics == 1);
  CHECK_FALSE(f.Publish(topic, {"late"})->taken());
  f.Topic("t");
}

TEST_CASE("Idle: a topic outlives its idle subscription by its own time; a snapshot keeps it") {
  IdleFixture f;
  TopicConfig config;
  config.idle_expiry_ms = 5'000;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = f.Make("s", 5'000);
  f.broker->snapshots().Create("snap", s, {}, 60'000, [](const absl::StatusOr<SnapshotPtr>&) {});
  f.Settle();
  const Expired first = f.Pass(30'000);
  CHECK(first.subscriptions == Strings{"s"});
  CHECK(first.topics.empty());
  CHECK(f.Pass(29'000).topics.empty());
  CHECK(f.Pass(10'000).topics == Strings{"t"});
}

}  // namespace
}  // namespace estiba::testing
