// Exactly-once subscriptions: what counts, what is refused, and that it is said.
#include "absl/strings/str_cat.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/snapshot.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

constexpr int64_t kDeadlineMs = 10'000;

// Verdicts in a form to be read: "ack 1-2 done, 3 refused; nack 4 done".
std::string Text(const Verdicts& verdicts) {
  static const char* const kOf[] = {"ack", "nack", "nack-later", "terminate", "extend"};
  static const char* const kOutcomes[] = {"done", "refused", "unordered"};
  std::string text;
  const Verdict* before = nullptr;
  for (const Verdict& v : verdicts.list) {
    if (before != nullptr) text += before->of == v.of ? ", " : "; ";
    if (before == nullptr || before->of != v.of) {
      absl::StrAppend(&text, kOf[static_cast<int>(v.of)], " ");
    }
    absl::StrAppend(&text, v.range.first);
    if (v.range.last != v.range.first) absl::StrAppend(&text, "-", v.range.last);
    absl::StrAppend(&text, " ", kOutcomes[static_cast<int>(v.outcome)]);
    before = &v;
  }
  return text;
}

std::string Keyed(const std::string& key) {
  std::string message;
  WireWriter(message).Bytes(1, "d");
  if (!key.empty()) WireWriter(message).Bytes(5, key);
  return message;
}

struct OnceFixture : Fixture {
  explicit OnceFixture(SubscriptionConfig config = {}) {
    topic = Topic("t");
    config.exactly_once = true;
    s = broker->CreateSubscription("s", "t", config, {}).value();
    Settle();
  }
  StreamPtr Join(ConsumerOptions options = Explicit()) {
    StreamPtr c = Consume(s, options);
    Take(s, c);
    return c;
  }
  // Says it, takes what comes, and returns what the verdicts are, each update's on its own.
  Strings Say(const StreamPtr& c, const std::vector<ConsumerUpdate>& updates) {
    const size_t before = c->verdicts.size();
    for (const ConsumerUpdate& update : updates) s->Update(c, update);
    Settle();
    Take(s, c);
    Strings texts;
    for (size_t i = before; i < c->verdicts.size(); ++i) texts.push_back(Text(c->verdicts[i]));
    return texts;
  }
  static ConsumerUpdate Acks(std::vector<SequenceRange> ranges) {
    ConsumerUpdate update;
    update.acks = std::move(ranges);
    return update;
  }
  static ConsumerUpdate Nacks(std::vector<SequenceRange> ranges) {
    ConsumerUpdate update;
    update.nacks = std::move(ranges);
    return update;
  }
  static ConsumerUpdate Extends(SequenceRange range, int64_t deadline_ms) {
    ConsumerUpdate update;
    update.extensions.push_back({range, deadline_ms});
    return update;
  }
  SubscriptionFigures Figures() const { return s->Stats().figures; }

  TopicPtr topic;
  SubscriptionPtr s;
};

TEST_CASE("Exactly once: an ack is confirmed, and the message never comes again") {
  OnceFixture f;
  StreamPtr c = f.Join();
  CHECK(c->started[0].exactly_once);
  f.Publish(f.topic, {"a", "b", "c"});
  f.Take(f.s, c);
  CHECK(f.Say(c, {f.Acks({{1, 2}})}) == Strings{"ack 1-2 done"});
  CHECK(f.Figures().acked_messages == 2);
  f.Remove(f.s, c);
  f.world.AdvanceAndSettle(3 * kDeadlineMs);
  c = f.Join();
  CHECK(c->sequences() == Numbers{3});
  CHECK(c->frames[0].attempt == 2);
  CHECK(f.Figures().refused_acks == 0);
}

TEST_CASE("Exactly once: a late ack is refused, and the message comes again") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  f.Publish(f.topic, {"a", "b"});
  f.Take(f.s, c);
  f.s->SetPaused(true, [](const auto&) {});
  SECTION("when the deadline has been noticed") { f.world.AdvanceAndSettle(kDeadlineMs + 1'000); }
  SECTION("when it has not") { f.world.clock.Advance(kDeadlineMs); }
  CHECK(f.Say(c, {f.Acks({{1, 2}})}) == Strings{"ack 1-2 refused"});
  CHECK(f.Figures().refused_acks == 2);
  CHECK(f.Figures().acked_messages == 0);
  f.world.AdvanceAndSettle(1'000);
  f.s->SetPaused(false, [](const auto&) {});
  f.Settle();
  f.Take(f.s, c);
  REQUIRE(c->frames.size() == 2);
  CHECK(c->frames[1].sequences == Numbers{1, 2});
  CHECK(c->frames[1].attempt == 2);
}

TEST_CASE("Exactly once: an ack just before the deadline counts") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  f.Publish(f.topic, {"a"});
  f.Take(f.s, c);
  f.world.clock.Advance(kDeadlineMs - 1);
  CHECK(f.Say(c, {f.Acks({{1, 1}})}) == Strings{"ack 1 done"});
}

TEST_CASE("Exactly once: acks of what another stream holds are refused, and change nothing") {
  OnceFixture f;
  const StreamPtr holder = f.Join(Explicit(2));
  f.Publish(f.topic, {"a", "b"});
  f.Take(f.s, holder);
  const StreamPtr other = f.Join();
  CHECK(f.Say(other, {f.Acks({{1, 2}}), f.Nacks({{1, 2}}), f.Extends({1, 1}, 1)}) ==
        Strings{"ack 1-2 refused", "nack 1-2 refused", "extend 1 refused"});
  CHECK(f.Figures().outstanding_messages == 2);
  CHECK(f.Figures().nacked_messages == 0);
  CHECK(f.Say(holder, {f.Acks({{1, 2}})}) == Strings{"ack 1-2 done"});
}

TEST_CASE("Exactly once: each message named gets its verdict") {
  OnceFixture f;
  const StreamPtr c = f.Join(Explicit(6));
  f.Publish(f.topic, Strings(8, "m"));
  f.Take(f.s, c);
  CHECK(f.Say(c, {f.Acks({{2, 2}, {4, 4}})}) == Strings{"ack 2 done, 4 done"});
  f.Take(f.s, c);
  // A second ack is refused; so is one for what was never sent, or never was.
  CHECK(f.Say(c, {f.Acks({{1, 5}, {20, 21}})}) ==
        Strings{"ack 1 done, 2 refused, 3 done, 4 refused, 5 done, 20-21 refused"});
  // Named twice at once: it counts once.
  CHECK(f.Say(c, {f.Acks({{6, 6}, {6, 7}, {6, 6}})}) == Strings{"ack 6-7 done"});
  CHECK(f.Figures().acked_messages == 7);
  CHECK(f.Figures().refused_acks == 2);  // what there is not is not counted
}

TEST_CASE("Exactly once: verdicts come in the order of the updates, and of what they say") {
  OnceFixture f({.dead_letter = {"dead", 5}});
  const StreamPtr c = f.Join();
  f.Publish(f.topic, Strings(9, "m"));
  f.Take(f.s, c);
  ConsumerUpdate all = f.Acks({{1, 1}});
  all.nacks.push_back({1, 2});
  all.delayed_nacks.push_back({{2, 3}, 1'000});
  all.terminations.push_back({{3, 4}, "why"});
  all.extensions.push_back({{4, 5}, 60'000});
  all.extensions.push_back({{6, 6}, 0});
  all.extensions.push_back({{6, 7}, 60'000});
  const Strings verdicts = f.Say(c, {f.Acks({{9, 9}}), all, f.Acks({{8, 9}})});
  REQUIRE(verdicts.size() == 3);
  CHECK(verdicts[0] == "ack 9 done");
  CHECK(verdicts[1] ==
        "ack 1 done; nack 1 refused, 2 done; nack-later 2 refused, 3 done; "
        "terminate 3 refused, 4 done; extend 4 refused, 5-6 done, 6 refused, 7 done");
  CHECK(verdicts[2] == "ack 8 done, 9 refused");
  f.world.AdvanceAndSettle(kDeadlineMs + 1'000);
  CHECK(f.Say(c, {f.Acks({{5, 5}, {7, 7}})}) == Strings{"ack 5 done, 7 done"});
}

TEST_CASE("Exactly once: an update without entries is not answered") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  ConsumerUpdate credit;
  credit.credit.max_messages = 5;
  CHECK(f.Say(c, {credit}).empty());
}

TEST_CASE("Exactly once: the extension of an expired lease is refused") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  f.Publish(f.topic, {"a"});
  f.Take(f.s, c);
  f.world.clock.Advance(kDeadlineMs);
  CHECK(f.Say(c, {f.Extends({1, 1}, 60'000)}) == Strings{"extend 1 refused"});
  f.world.AdvanceAndSettle(1'000);
  f.Take(f.s, c);
  REQUIRE(c->frames.size() == 2);
  CHECK(c->frames[1].attempt == 2);
}

TEST_CASE("Exactly once: a purge or a seek takes back what is held, and acks for it are refused") {
  OnceFixture f;
  const StreamPtr c = f.Join(Explicit(3));
  f.Publish(f.topic, Strings(5, "m"));
  f.Take(f.s, c);
  StartPosition to;
  SECTION("a purge") {
    to.kind = StartPosition::Kind::kLatest;
    f.s->Seek(to, [](const auto&) {});
    f.Settle();
    CHECK(f.Say(c, {f.Acks({{1, 3}})}) == Strings{"ack 1-3 refused"});
    CHECK(c->frames.size() == 1);
  }
  SECTION("a seek back") {
    to.kind = StartPosition::Kind::kSequence;
    to.sequence = 3;
    f.Say(c, {f.Acks({{1, 1}})});
    f.s->Seek(to, [](const auto&) {});
    f.Settle();
    CHECK(f.Say(c, {f.Acks({{1, 2}})}) == Strings{"ack 1-2 refused"});
    CHECK(c->frames.back().first == 3);
    CHECK(c->frames.back().attempt == 1);
    CHECK(f.Say(c, {f.Acks({{3, 3}})}) == Strings{"ack 3 done"});
  }
}

TEST_CASE("Exactly once: what a crashed consumer said too late is answered, and changes nothing") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  f.Publish(f.topic, {"a"});
  f.Take(f.s, c);
  f.s->Remove(c);
  f.s->Update(c, f.Acks({{1, 1}}));
  f.Settle();
  CHECK(f.Figures().acked_messages == 0);
  CHECK(f.Figures().refused_acks == 1);
  const StreamPtr next = f.Join();
  CHECK(next->frames[0].attempt == 2);
}

TEST_CASE("Exactly once: in order, an early ack is refused as such, and its message is held on") {
  OnceFixture f({.ordered = true});
  const StreamPtr c = f.Join();
  f.Publish(f.topic, {Keyed("a"), Keyed("a"), Keyed("b"), Keyed("a"), Keyed("")});
  f.Take(f.s, c);
  CHECK(f.Say(c, {f.Acks({{2, 5}})}) == Strings{"ack 2 unordered, 3 done, 4 unordered, 5 done"});
  CHECK(f.Figures().outstanding_messages == 3);
  CHECK(f.Figures().refused_acks == 2);
  // Their deadlines are what they were.
  f.world.clock.Advance(kDeadlineMs - 1);
  CHECK(f.Say(c, {f.Acks({{1, 1}}), f.Acks({{2, 4}})}) ==
        Strings{"ack 1 done", "ack 2 done, 3 refused, 4 done"});
  f.world.AdvanceAndSettle(3 * kDeadlineMs);
  CHECK(c->frames.size() == 1);
}

TEST_CASE("Exactly once: in order, a message that fails takes later ones of its key away") {
  OnceFixture f({.ordered = true});
  const StreamPtr c = f.Join(Explicit(3));
  f.Publish(f.topic, {Keyed("a"), Keyed("a"), Keyed("a")});
  f.Take(f.s, c);
  ConsumerUpdate update = f.Nacks({{1, 1}});
  // Only of what is left after the nack.
  update.extensions.push_back({{2, 3}, 60'000});
  CHECK(f.Say(c, {update}) == Strings{"nack 1 done; extend 2-3 refused"});
  CHECK(c->sequences() == Numbers{1, 2, 3, 1, 2, 3});
  CHECK(f.Say(c, {f.Acks({{1, 3}})}) == Strings{"ack 1-3 done"});
  f.world.AdvanceAndSettle(3 * kDeadlineMs);
  CHECK(c->frames.size() == 2);
}

TEST_CASE("Exactly once: verdicts go before deliveries, also without credit or while paused") {
  OnceFixture f;
  const StreamPtr c = f.Join(Explicit(2));
  f.Publish(f.topic, Strings(4, "m"));
  f.s->SetPaused(true, [](const auto&) {});
  f.s->Update(c, f.Acks({{9, 9}}));
  f.Settle();
  CHECK(c->verdicts.empty());  // a delivery is being sent
  f.Take(f.s, c);
  CHECK(c->verdicts.size() == 1);
  f.s->SetPaused(false, [](const auto&) {});
  CHECK(f.Say(c, {f.Acks({{1, 1}})}) == Strings{"ack 1 done"});
  CHECK(c->sequences() == Numbers{1, 2, 3});
}

TEST_CASE("Exactly once: a stream that ends in order is sent its verdicts first") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  f.Publish(f.topic, Strings(3, "m"));
  const bool sending = GENERATE(false, true);
  if (!sending) f.Take(f.s, c);
  f.s->Update(c, f.Acks({{1, 1}}));
  f.s->Update(c, f.Acks({{2, 9}}));
  f.s->Remove(c, absl::OkStatus());
  f.Settle();
  CHECK(c->ends.empty());
  SECTION("and then ends") {
    f.Take(f.s, c);
    REQUIRE(c->verdicts.size() == 2);
    CHECK(Text(c->verdicts[1]) == "ack 2-3 done, 4-9 refused");
    REQUIRE(c->ends.size() == 1);
    CHECK(c->ends[0].ok());
    CHECK(f.Figures().consumers == 0);
  }
  SECTION("unless it is ended otherwise meanwhile") {
    f.s->Remove(c, absl::UnavailableError("shutting down"));
    f.Settle();
    REQUIRE(c->ends.size() == 1);
    CHECK(absl::IsUnavailable(c->ends[0]));
    c->ends.clear();  // what is being sent may still be accepted
    f.Take(f.s, c);
    CHECK(c->ends.empty());
  }
  SECTION("or does not take them") {
    c->Accept(*f.s, false);
    f.Settle();
    CHECK(c->ends.size() == 1);
  }
  SECTION("or its client is gone") {
    f.s->Remove(c);
    f.Settle();
    c->Accept(*f.s, false);
    f.Settle();
    CHECK(c->ends.empty());
  }
}

TEST_CASE("Exactly once: a private subscription's stream ends with its verdicts, too") {
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  SubscriptionConfig config;
  config.exactly_once = true;
  const SubscriptionPtr s = f.broker->UseSubscription("", "t", {}, config).value();
  const StreamPtr c = f.Consume(s, Explicit());
  f.Take(s, c);
  f.Publish(topic, {"a"});
  f.Take(s, c);
  s->Update(c, OnceFixture::Acks({{1, 1}}));
  s->Remove(c, absl::OkStatus());
  f.Settle();
  f.Take(s, c);
  CHECK(c->verdicts.size() == 1);
  CHECK(c->ends.size() == 1);
  CHECK(topic->Stats().subscriptions == 0);
}

TEST_CASE("Exactly once: many verdicts are sent in several frames, and none is lost") {
  OnceFixture f;
  const StreamPtr c = f.Join();
  constexpr uint64_t kMessages = 3 * VerdictQueue::kMostInFrame;
  f.Publish(f.topic, Strings(kMessages, "m"));
  f.Take(f.s, c);
  ConsumerUpdate odd;
  for (uint64_t i = 1; i <= kMessages; i += 2) odd.acks.push_back({i, i});
  f.Say(c, {odd});
  REQUIRE(c->verdicts.size() == 1);
  CHECK(c->verdicts[0].list.size() == kMessages / 2);
  CHECK(c->verdicts[0].entries == kMessages / 2);
  f.Say(c, {f.Acks({{1, kMessages}})});
  REQUIRE(c->verdicts.size() == 2);
  CHECK(c->verdicts[1].list.size() == kMessages);
  CHECK(f.Figures().acked_messages == kMessages);
}

TEST_CASE("Exactly once: a consumer with automatic acks is told what to do instead") {
  OnceFixture f;
  const StreamPtr c = f.Consume(f.s, Automatic());
  REQUIRE(c->ends.size() == 1);
  CHECK(absl::IsFailedPrecondition(c->ends[0]));
  CHECK(c->ends[0].message().find("ACK_MODE_EXPLICIT") != std::string::npos);
  CHECK(CheckConsumer(f.s->config(), Explicit()).ok());
  CHECK(CheckConsumer({}, Automatic()).ok());
}

TEST_CASE("Exactly once: who asks for it does not get a subscription without") {
  Fixture f;
  f.Topic("t");
  SubscriptionConfig wanted;
  wanted.exactly_once = true;
  f.Subscribe("plain", "t");
  CHECK(absl::IsFailedPrecondition(f.broker->UseSubscription("plain", "t", {}, wanted).status()));
  CHECK(f.broker->UseSubscription("once", "t", {}, wanted).ok());
  CHECK(f.broker->UseSubscription("once", "t", {}).ok());
}

TEST_CASE("Exactly once: what memory has given up and is still held can be acked") {
  Fixture f;
  TopicConfig limits;
  limits.full_policy = FullPolicy::kDropOldest;
  limits.budget_bytes = 256 << 10;
  const TopicPtr topic = f.Topic("t", limits);
  SubscriptionConfig config;
  config.exactly_once = true;
  const SubscriptionPtr s = f.broker->CreateSubscription("s", "t", config, {}).value();
  f.Settle();
  const StreamPtr c = f.Consume(s, Explicit(1));
  f.Take(s, c);
  for (int i = 0; i < 100; ++i) f.Publish(topic, {std::string(10'000, 'x')});
  f.Take(s, c);
  REQUIRE(c->sequences().front() == 1);
  s->Update(c, OnceFixture::Acks({{1, 2}}));
  f.Settle();
  f.Take(s, c);
  REQUIRE(c->verdicts.size() == 1);
  CHECK(Text(c->verdicts[0]) == "ack 1 done, 2 refused");
}

TEST_CASE("Verdicts: what nobody can do anything about is refused, each sequence once") {
  ConsumerUpdate update = OnceFixture::Acks({{5, 9}, {1, 3}, {2, 6}});
  update.delayed_nacks.push_back({{4, 4}, 1});
  update.extensions.push_back({{4, 4}, 1});
  update.extensions.push_back({{4, 5}, 1});
  CHECK(Text(Refuse(update)) ==
        "ack 1-9 refused; nack-later 4 refused; extend 4 refused, 4-5 refused");
  CHECK(Refuse(update).entries == 6);
}

}  // namespace
}  // namespace estiba::testing
