// Seeks and snapshots reach what waits for its retry or for a dead-letter topic, and filters hold.
#include <optional>

#include "broker/base/wire_writer.h"
#include "broker/engine/filter.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

using Kind = StartPosition::Kind;

// Message 1 is a dead letter that cannot leave, 2 waits for its retry, 3 is with the consumer.
struct WaitingFixture : Fixture {
  explicit WaitingFixture(bool on_its_way) {
    topic = Topic("t");
    TopicConfig config;
    config.full_policy = FullPolicy::kBlock;
    config.budget_bytes = 64 << 10;
    dead = Topic("dead", config);
    letters = Subscribe("letters", "dead");
    SubscriptionConfig dying;
    dying.dead_letter = {"dead", 5};
    s = broker->CreateSubscription("s", "t", dying, {}).value();
    Settle();
    c = Consume(s, Explicit());
    Take(s, c);
    if (on_its_way) {
      Fill(dead, 8'000);
    } else {
      REQUIRE(broker->DeleteTopic("dead").ok());
    }
    Publish(topic, {"1", "2", "3"});
    Take(s, c);
    ConsumerUpdate update;
    update.terminations.push_back({{1, 1}, "hopeless"});
    update.delayed_nacks.push_back({{2, 2}, 10'000});
    s->Update(c, update);
    Settle();
    REQUIRE(Figures().dead_letter_waiting == 1);
    REQUIRE(Figures().delayed_messages == 1);
    REQUIRE(Figures().outstanding_messages == 1);
  }
  absl::StatusOr<SeekResult> Seek(const StartPosition& to) {
    std::optional<absl::StatusOr<SeekResult>> result;
    s->Seek(to, [&](const absl::StatusOr<SeekResult>& r) { result = r; });
    Settle();
    REQUIRE(result);
    Take(s, c);
    return *result;
  }
  // Makes room for dead letters, and looks which data come to where they go.
  Strings Letters() {
    if (!broker->GetTopic("dead").ok()) {
      dead = Topic("dead");
      letters = Subscribe("letters-too", "dead");
    }
    const StreamPtr reader = Consume(letters, Automatic());
    for (int i = 0; i < 30; ++i) {
      Take(letters, reader);
      world.AdvanceAndSettle(1'000);
    }
    Strings data;
    for (const auto& frame : reader->frames) {
      for (const std::string& body : frame.bodies) {
        if (body.size() < 8'000) data.push_back(body.substr(0, 1));
      }
    }
    return data;
  }
  SubscriptionFigures Figures() { return s->Stats().figures; }

  TopicPtr topic;
  TopicPtr dead;
  SubscriptionPtr s;
  SubscriptionPtr letters;
  StreamPtr c;
};

TEST_CASE("Seek: back to before them, what waits comes again at once, as a first attempt") {
  WaitingFixture f(/*on_its_way=*/GENERATE(false, true));
  REQUIRE(f.Seek({Kind::kSequence, 1, 0}).ok());
  CHECK(f.c->sequences() == Numbers{1, 2, 3, 1, 2, 3});
  CHECK(f.c->frames.back().attempt == 1);
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().delayed_messages == 0);
  CHECK(f.Figures().outstanding_messages == 3);
  CHECK(f.Letters().empty());
  CHECK(f.Figures().dead_lettered_messages == 0);
}

TEST_CASE("Seek: a dead letter that came again may become one again, once") {
  WaitingFixture f(/*on_its_way=*/GENERATE(false, true));
  REQUIRE(f.Seek({Kind::kSequence, 1, 0}).ok());
  ConsumerUpdate update;
  update.terminations.push_back({{1, 1}, "hopeless"});
  f.s->Update(f.c, update);
  f.Settle();
  CHECK(f.Letters().size() == 1);
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().dead_lettered_messages == 1);
}

TEST_CASE("Purge: what waits counts as consumed") {
  WaitingFixture f(/*on_its_way=*/GENERATE(false, true));
  CHECK(f.Seek({Kind::kLatest, 0, 0})->skipped_messages == 3);
  CHECK(f.s->Stats().unconsumed() == 0);
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().floor_sequence == 4);
  CHECK(f.Letters().empty());
  f.world.AdvanceAndSettle(20'000);
  f.Take(f.s, f.c);
  CHECK(f.c->sequences() == Numbers{1, 2, 3});
}

TEST_CASE("Snapshot: has what waits, and a seek to it delivers that") {
  WaitingFixture f(/*on_its_way=*/GENERATE(false, true));
  SnapshotPtr snapshot;
  f.broker->snapshots().Create("snap", f.s, {}, 3'600'000,
                               [&](const absl::StatusOr<SnapshotPtr>& made) { snapshot = *made; });
  f.Settle();
  REQUIRE(snapshot != nullptr);
  CHECK(snapshot->unacked_messages() == 3);
  CHECK(snapshot->next_sequence() == 4);
  f.Ack(f.s, f.c, 2, 3);
  f.s->SeekTo(snapshot, [](const absl::StatusOr<SeekResult>& r) { CHECK(r.ok()); });
  f.Settle();
  f.Take(f.s, f.c);
  CHECK(f.c->sequences() == Numbers{1, 2, 3, 1, 2, 3});
  CHECK(f.c->frames.back().attempt == 1);
  f.Ack(f.s, f.c, 1, 3);
  CHECK(f.s->Stats().unconsumed() == 0);
}

TEST_CASE("Detach: what waits is dropped as well") {
  WaitingFixture f(/*on_its_way=*/GENERATE(false, true));
  REQUIRE(f.broker->DetachSubscription("s").ok());
  f.Settle();
  CHECK(f.Figures().dead_letter_waiting == 0);
  CHECK(f.Figures().delayed_messages == 0);
  CHECK(f.s->Stats().unconsumed() == 0);
  CHECK(f.Letters().empty());
}

TEST_CASE("Filter: holds for what comes from a snapshot taken without one") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  const SubscriptionPtr all = f.Subscribe("all", "t");
  SubscriptionConfig config;
  config.filter = Filter::Compile("attributes.kind = \"x\"").value();
  const SubscriptionPtr some = f.broker->CreateSubscription("some", "t", config, {}).value();
  f.Settle();
  Strings bodies;
  for (int i = 1; i <= 9; ++i) {
    std::string entry;
    WireWriter(entry).Bytes(1, "kind");
    WireWriter(entry).Bytes(2, i % 3 == 0 ? "x" : "y");
    bodies.emplace_back();
    WireWriter(bodies.back()).Bytes(2, entry);
  }
  f.Publish(topic, bodies);
  const StreamPtr c = f.Consume(all, Explicit(7));
  f.Take(all, c);
  f.Ack(all, c, 3, 3);
  SnapshotPtr snapshot;
  f.broker->snapshots().Create("snap", all, {}, 3'600'000,
                               [&](const absl::StatusOr<SnapshotPtr>& made) { snapshot = *made; });
  f.Settle();
  REQUIRE(snapshot != nullptr);
  const StreamPtr filtered = f.Consume(some, Explicit());
  f.Take(some, filtered);
  f.Ack(some, filtered, 1, 9);
  REQUIRE(filtered->sequences() == Numbers{3, 6, 9});
  some->SeekTo(snapshot, [](const absl::StatusOr<SeekResult>& r) { CHECK(r.ok()); });
  f.Settle();
  f.Take(some, filtered);
  CHECK(filtered->sequences() == Numbers{3, 6, 9, 6, 9});
  CHECK(filtered->gaps.empty());
  f.Ack(some, filtered, 6, 9);
  CHECK(some->Stats().unconsumed() == 0);
}

}  // namespace
}  // namespace estiba::testing
