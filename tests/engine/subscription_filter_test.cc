#include "broker/base/wire_writer.h"
#include "broker/engine/filter.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

// An encoded estiba.v1.Message with an attribute "kind".
std::string Kind(const std::string& kind, const std::string& data = "") {
  std::string entry;
  WireWriter(entry).Bytes(1, "kind");
  WireWriter(entry).Bytes(2, kind);
  std::string message;
  if (!data.empty()) WireWriter(message).Bytes(1, data);
  WireWriter(message).Bytes(2, entry);
  return message;
}

SubscriptionConfig Only(const std::string& kind) {
  SubscriptionConfig config;
  config.filter = Filter::Compile("attributes.kind = \"" + kind + "\"").value();
  return config;
}

SubscriptionPtr Make(Fixture& f, const std::string& name, const SubscriptionConfig& config) {
  SubscriptionPtr s = f.broker->CreateSubscription(name, "t", config, {}).value();
  f.Settle();
  return s;
}

Strings Mixed(int count) {
  Strings bodies;
  for (int i = 1; i <= count; ++i) bodies.push_back(Kind(i % 3 == 0 ? "x" : "y"));
  return bodies;
}

TEST_CASE("Filter: what matches travels in one frame, the rest is consumed") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  f.Publish(topic, Mixed(10));
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{3, 6, 9});
  CHECK(c->frames.size() == 1);
  const SubscriptionStats before = s->Stats();
  CHECK(before.backlog_messages == 0);
  CHECK(before.figures.filtered_messages == 7);
  CHECK(before.figures.outstanding_messages == 3);
  CHECK(before.figures.floor_sequence == 3);
  f.Ack(s, c, 3, 9);
  CHECK(s->Stats().figures.floor_sequence == 11);
  CHECK(s->Stats().unconsumed() == 0);
}

TEST_CASE("Filter: nothing that matches means nothing is kept, with or without a consumer") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  const bool consumer = GENERATE(true, false);
  if (consumer) f.Take(s, f.Consume(s, Explicit()));
  for (int i = 0; i < 100; ++i) f.Publish(topic, {Kind("y", std::string(50'000, '.'))});
  CHECK(s->Stats().backlog_messages == 0);
  CHECK(s->Stats().figures.filtered_messages == 100);
  CHECK(topic->Stats().held_bytes < 3u << 20);
}

TEST_CASE("Filter: without a consumer the first message that matches stays, and what follows it") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  f.Publish(topic, {Kind("y"), Kind("y"), Kind("x"), Kind("y"), Kind("x")});
  CHECK(s->Stats().backlog_messages == 3);
  CHECK(s->Stats().figures.floor_sequence == 3);
  const StreamPtr c = f.Consume(s, Explicit(1));
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{3});
  CHECK(s->Stats().backlog_messages == 1);
  f.Ack(s, c, 3, 3);
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{3, 5});
}

TEST_CASE("Filter: a long stretch without a match is passed over many turns") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = f.Subscribe("all", "t");
  const SubscriptionPtr some = Make(f, "some", Only("x"));
  const StreamPtr c = f.Consume(some, Automatic());
  f.Take(some, c);
  f.world.executor.run_at_once = false;
  for (int i = 0; i < 5; ++i) {
    f.batches.push_back(std::make_shared<Batch>(Strings(20'000, Kind("y"))));
    topic->Publish(f.batches.back().get());
  }
  f.batches.push_back(std::make_shared<Batch>(Strings{Kind("x")}));
  topic->Publish(f.batches.back().get());
  int turns = 0;
  while (!f.world.executor.idle()) {
    f.world.executor.Step();
    ++turns;
  }
  CHECK(turns > 10);
  CHECK(c->sequences() == Numbers{100'001});
  CHECK(some->Stats().figures.filtered_messages == 100'000);
}

TEST_CASE("Filter: credit, frame size and the most runs of a frame hold") {
  BrokerOptions options;
  options.frame_bytes = 2'000;
  Fixture f(options);
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  Strings bodies;
  for (int i = 0; i < 12; ++i)
    bodies.push_back(Kind(i % 2 == 0 ? "x" : "y", std::string(600, '.')));
  f.Publish(topic, bodies);
  const StreamPtr c = f.Consume(s, Explicit(5));
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{1, 3, 5, 7, 9});
  for (const Stream::Frame& frame : c->frames) CHECK(frame.bodies.size() <= 3);
  f.Ack(s, c, 1, 9);
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{1, 3, 5, 7, 9, 11});
}

TEST_CASE("Filter: what is delivered again has passed the filter, and is not tested anew") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  f.Publish(topic, Mixed(9));
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Remove(s, c);
  CHECK(s->Stats().figures.redeliver_messages == 3);
  const StreamPtr next = f.Consume(s, Explicit());
  f.Take(s, next);
  CHECK(next->sequences() == Numbers{3, 6, 9});
  CHECK(s->Stats().figures.filtered_messages == 6);
}

TEST_CASE("Filter: a private subscription takes of what another left only what it wants") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr first = f.Subscribe("", "t");
  const StreamPtr c = f.Consume(first, Explicit(6));
  f.Take(first, c);
  f.Publish(topic, Mixed(9));
  f.Take(first, c);
  f.Remove(first, c);
  f.Settle();
  SubscriptionConfig config = Only("x");
  config.ack_deadline_ms = 0;
  const SubscriptionPtr second = f.broker->UseSubscription("", "t", {}, config).value();
  f.Settle();
  const StreamPtr next = f.Consume(second, Explicit());
  f.Take(second, next);
  CHECK(next->sequences() == Numbers{3, 6, 9});
  CHECK(second->Stats().figures.filtered_messages == 6);
  f.Ack(second, next, 1, 9);
  CHECK(second->Stats().unconsumed() == 0);
}

TEST_CASE("Filter: retention reaches what waits, and the gap may be larger than the loss") {
  Fixture f;
  TopicConfig config;
  config.retention_age_ms = 1'000;
  const TopicPtr topic = f.Topic("t", config);
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  f.Publish(topic, {Kind("y"), Kind("x"), Kind("y"), Kind("y")});
  f.world.AdvanceAndSettle(3'000);
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  REQUIRE(c->gaps.size() == 1);
  CHECK(c->gaps[0].first == 2);
  CHECK(c->gaps[0].last == 4);
  f.Publish(topic, {Kind("x")});
  f.Take(s, c);
  CHECK(c->sequences() == Numbers{5});
}

TEST_CASE("Filter: a consumer that wants another filter is refused, one that says nothing is not") {
  Fixture f;
  f.Topic("t");
  const SubscriptionPtr s = Make(f, "s", Only("x"));
  const auto use = [&](const SubscriptionConfig& wanted) {
    return f.broker->UseSubscription("s", "t", {}, wanted).status().code();
  };
  CHECK(use(Only("x")) == absl::StatusCode::kOk);
  CHECK(use({}) == absl::StatusCode::kOk);
  CHECK(use(Only("y")) == absl::StatusCode::kFailedPrecondition);
  Make(f, "all", {});
  CHECK(f.broker->UseSubscription("all", "t", {}, Only("x")).status().code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("Filter: a subscription that is deleted in the middle of a long stretch is freed") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  Make(f, "s", Only("x"));
  f.world.executor.run_at_once = false;
  f.batches.push_back(std::make_shared<Batch>(Strings(50'000, Kind("y"))));
  topic->Publish(f.batches.back().get());
  for (int i = 0; i < 3; ++i) f.world.executor.Step();
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  CHECK(topic->Stats().subscriptions == 0);
}

}  // namespace
}  // namespace estiba::testing
