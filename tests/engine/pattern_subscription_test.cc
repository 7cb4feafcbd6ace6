#include "broker/engine/pattern_subscription.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/fixture.h"

namespace estiba::testing {
namespace {

// A stream of a pattern subscription that notes what it is sent.
class PatternStream final : public PatternConsumer {
 public:
  struct Frame {
    std::string topic;
    uint64_t first = 0;
    uint32_t count = 0;
    uint32_t attempt = 0;
    Strings bodies;
    std::vector<uint64_t> sequences;
  };
  explicit PatternStream(const ConsumerOptions& options) : PatternConsumer(options) {}

  void Accept(PatternSubscription& subscription, bool ok = true) {
    sending = false;
    subscription.Sent(this, ok);
  }
  Strings bodies() const {
    Strings all;
    for (const Frame& f : frames) all.insert(all.end(), f.bodies.begin(), f.bodies.end());
    return all;
  }
  uint32_t NumberOf(const std::string& topic) const {
    for (const auto& [number, name] : topics) {
      if (name == topic) return number;
    }
    return 0;
  }

  std::vector<Started> started;
  std::map<uint32_t, std::string> topics;
  std::vector<std::string> left;
  std::vector<std::pair<std::string, Gap>> gaps;
  std::vector<Frame> frames;
  std::vector<Verdicts> verdicts;
  std::vector<absl::Status> ends;
  bool sending = false;

 private:
  void Begin() {
    if (sending || !ends.empty()) FAIL("sent at the wrong time");
    sending = true;
  }
  void SendStarted(const Started& s) override {
    Begin();
    started.push_back(s);
  }
  void SendTopicChanges(const std::vector<TopicChange>& changes) override {
    Begin();
    for (const TopicChange& change : changes) {
      if (change.left) {
        left.push_back(change.name);
        topics.erase(change.number);
      } else {
        topics[change.number] = change.name;
      }
    }
  }
  void SendGap(uint32_t topic, const Gap& gap) override {
    Begin();
    gaps.emplace_back(topics.at(topic), gap);
  }
  void SendDelivery(uint32_t topic, const Delivery& delivery) override {
    Begin();
    std::vector<std::string> bodies;
    std::vector<uint64_t> sequences;
    for (const Run& run : delivery.runs()) {
      for (std::string& body : Bodies(run)) bodies.push_back(std::move(body));
      for (uint64_t i = run.first; i < run.end(); ++i) sequences.push_back(i);
    }
    frames.push_back({topics.at(topic), delivery.first(), delivery.messages(), delivery.attempt,
                      std::move(bodies), std::move(sequences)});
  }
  void SendVerdicts(const std::vector<Verdicts>& sent) override {
    Begin();
    verdicts.insert(verdicts.end(), sent.begin(), sent.end());
  }
  void OnEnd(const absl::Status& status) override { ends.push_back(status); }
};
using PatternStreamPtr = boost::intrusive_ptr<PatternStream>;

struct PatternFixture : Fixture {
  explicit PatternFixture(const BrokerOptions& options = {}) : Fixture(options) {}
  ~PatternFixture() {
    for (auto& [subscription, stream] : pattern_streams) Close(subscription, stream);
    pattern_streams.clear();
  }

  PatternSubscriptionPtr Use(const std::string& name, const std::string& pattern,
                             const StartPosition& start = {},
                             const SubscriptionConfig& config = {0}) {
    const PatternSubscriptionPtr subscription =
        broker->UsePattern(name, pattern, start, config).value();
    Settle();
    return subscription;
  }
  PatternStreamPtr Open(const PatternSubscriptionPtr& subscription,
                        const ConsumerOptions& options = {}) {
    PatternStreamPtr stream(new PatternStream(options));
    pattern_streams.emplace_back(subscription, stream);
    subscription->Add(stream);
    Settle();
    return stream;
  }
  void Take(const PatternSubscriptionPtr& subscription, const PatternStreamPtr& stream) {
    while (stream->sending) {
      stream->Accept(*subscription);
      Settle();
    }
  }
  void Close(const PatternSubscriptionPtr& subscription, const PatternStreamPtr& stream) {
    subscription->Remove(stream);
    Settle();
    if (stream->sending) stream->Accept(*subscription, false);
    Settle();
  }
  void Ack(const PatternSubscriptionPtr& subscription, const PatternStreamPtr& stream,
           const std::string& topic, uint64_t first, uint64_t last) {
    ConsumerUpdate update;
    update.acks.push_back({first, last});
    subscription->Update(stream, {{stream->NumberOf(topic), update}}, {});
    Settle();
  }

  std::vector<std::pair<PatternSubscriptionPtr, PatternStreamPtr>> pattern_streams;
};

constexpr StartPosition kLatest{StartPosition::Kind::kLatest, 0, 0};

TEST_CASE("A pattern gets what matches: of topics there are, and of those that come") {
  PatternFixture f;
  const TopicPtr eu = f.Topic("orders.eu.created");
  const TopicPtr other = f.Topic("orders.eu.deleted");
  f.Publish(eu, {"a", "b"});
  f.Publish(other, {"x"});
  const auto subscription = f.Use("", "orders.*.created");
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  CHECK(stream->started.at(0).topic == "orders.*.created");
  CHECK(stream->bodies() == Strings{"a", "b"});
  const TopicPtr us = f.Topic("orders.us.created");
  f.Publish(us, {"c"});
  f.Publish(other, {"y"});
  f.Take(subscription, stream);
  CHECK(stream->bodies() == Strings{"a", "b", "c"});
  CHECK(stream->frames.back().topic == "orders.us.created");
  CHECK(stream->frames.back().first == 1);
  CHECK(stream->topics.size() == 2);
  CHECK(other->Stats().subscriptions == 0);
}

TEST_CASE(
    "LATEST holds for the topics there are; those that come are taken from their first message") {
  PatternFixture f;
  const TopicPtr old = f.Topic("t.old");
  f.Publish(old, {"before"});
  const auto subscription = f.Use("s", "t.>", kLatest);
  const TopicPtr fresh = f.Topic("t.new");
  f.Publish(fresh, {"first"});
  f.Publish(old, {"after"});
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  Strings bodies = stream->bodies();
  std::sort(bodies.begin(), bodies.end());
  CHECK(bodies == Strings{"after", "first"});
}

TEST_CASE("A topic made by a publish misses nothing, though nothing has settled") {
  PatternFixture f;
  const auto subscription = f.Use("s", "t.>", kLatest);
  for (int i = 0; i < 50; ++i) {
    const TopicPtr topic = f.broker->UseTopic(absl::StrCat("t.", i)).value();
    auto batch = std::make_shared<Batch>(Strings{absl::StrCat(i)});
    f.batches.push_back(batch);
    topic->Publish(batch.get());
  }
  f.Settle();
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  CHECK(stream->bodies().size() == 50);
}

TEST_CASE("Frames of busy topics take turns") {
  BrokerOptions options;
  options.frame_bytes = 100;
  PatternFixture f(options);
  const TopicPtr a = f.Topic("t.a"), b = f.Topic("t.b");
  for (int i = 0; i < 20; ++i) {
    f.Publish(a, {std::string(60, 'a')});
    f.Publish(b, {std::string(60, 'b')});
  }
  const auto subscription = f.Use("", "t.*");
  const auto stream = f.Open(subscription);
  f.Take(subscription, stream);
  REQUIRE(stream->bodies().size() == 40);
  for (size_t i = 2; i < stream->frames.size(); ++i) {
    CHECK(stream->frames[i].topic == stream->frames[i - 2].topic);
  }
}

TEST_CASE("Credit counts over all topics, and acks of any give it back") {
  PatternFixture f;
  std::vector<TopicPtr> topics;
  for (const char* name : {"t.a", "t.b", "t.c"}) {
    topics.push_back(f.Topic(name));
    f.Publish(topics.back(), Strings(10, name));
  }
  const auto subscription = f.Use("s", "t.*");
  const auto stream = f.Open(subscription, Explicit(6));
  f.Take(subscription, stream);
  CHECK(stream->bodies().size() >= 6);
  CHECK(stream->bodies().size() <= 8);  // the last frame may exceed it
  std::set<std::pair<std::string, uint64_t>> seen;
  size_t acked = 0;
  for (int round = 0; round < 100 && acked < stream->frames.size(); ++round) {
    for (; acked < stream->frames.size(); ++acked) {
      const PatternStream::Frame frame = stream->frames[acked];
      for (uint64_t s = frame.first; s < frame.first + frame.count; ++s) {
        CHECK(seen.emplace(frame.topic, s).second);
      }
      f.Ack(subscription, stream, frame.topic, frame.first, frame.first + frame.count - 1);
      f.Take(subscription, stream);
    }
  }
  CHECK(seen.size() == 30);
  CHECK(subscription->Stats().unconsumed() == 0);
}

TEST_CASE("Automatic acks with a limit stop until the stream returns credit") {
  PatternFixture f;
  for (const char* name : {"t.a", "t.b"}) f.Publish(f.Topic(name), Strings(10, name));
  const auto subscription = f.Use("", "t.*");
  const auto stream = f.Open(subscription, Automatic(4));
  f.Take(subscription, stream);
  for (int round = 0; round < 40 && stream->bodies().size() < 20; ++round) {
    const size_t before = stream->bodies().size();
    ConsumerUpdate credit;
    credit.return_messages = 4;
    subscription->Update(stream, {}, credit);
    f.Settle();
    f.Take(subscription, stream);
    CHECK(stream->bodies().size() <= before + 7);
  }
  CHECK(stream->bodies().size() == 20);
}

TEST_CASE("A nack and a passed deadline bring messages again, to any stream of the subscription") {
  PatternFixture f;
  const TopicPtr topic = f.Topic("t.a");
  const auto subscription = f.Use("s", "t.*");
  const auto one = f.Open(subscription, Explicit(10)), two = f.Open(subscription, Explicit(10));
  f.Take(subscription, one);
  f.Take(subscription, two);
  f.Publish(topic, {"x"});
  f.Take(subscription, one);
  f.Take(subscription, two);
  const auto first = one->frames.empty() ? two : one;
  ConsumerUpdate nack;
  nack.nacks.push_back({1, 1});
  subscription->Update(first, {{first->NumberOf("t.a"), nack}}, {});
  f.Settle();
  f.Take(subscription, one);
  f.Take(subscription, two);
  CHECK(one->frames.size() + two->frames.size() == 2);
  f.world.AdvanceAndSettle(11'000);
  f.Take(subscription, one);
  f.Take(subscription, two);
  CHECK(one->frames.size() + two->frames.size() == 3);
  uint32_t attempt = 0;
  for (const auto& stream : {one, two}) {
    for (const auto& frame : stream->frames) attempt = std::max(attempt, frame.attempt);
  }
  CHECK(attempt == 3);
}

TEST_CASE("A deleted topic leaves, and one of the same name is another") {
  PatternFixture f;
  f.Publish(f.Topic("t.a"), {"old"});
  const auto subscription = f.Use("s", "t.*");
  const auto stream = f.Open(subscription, Explicit(10));
  f.Take(subscription, stream);
  const uint32_t before = stream->NumberOf("t.a");
  REQUIRE(f.broker->DeleteTopic("t.a").ok());
  f.Settle();
  f.Take(subscription, stream);
  CHECK(stream->left == Strings{"t.a"});
  CHECK(stream->topics.empty());
  CHECK(subscription->Stats().unconsumed() == 0);
  f.Publish(f.Topic("t.a"), {"new"});
  f.Take(subscription, stream);
  CHECK(stream->bodies() == Strings{"old", "new"});
  CHECK(stream->NumberOf("t.a") > before);
  CHECK(stream->frames.back().first == 1);
}

TEST_CASE("A topic deleted while its frame waits to be sent is not delivered any more") {
  PatternFixture f;
  const TopicPtr a = f.Topic("t.a"), b = f.Topic("t.b");
  const auto subscription = f.Use("s", "t.*");
  const auto stream = f.Open(subscription, Explicit(10));
  f.Take(subscription, stream);
  f.Publish(a, {"a"});
  f.Publish(b, {"b"});  // waits behind the frame of a
  REQUIRE(f.broker->DeleteTopic("t.b").ok());
  f.Settle();
  f.Take(subscription, stream);
  CHECK(stream->bodies() == Strings{"a"});
  CHECK(stream->left == Strings{"t.b"});
}

TEST_CASE("A named pattern keeps its place; a private one ends with its stream") {
  PatternFixture f;
  const TopicPtr topic = f.Topic("t.a");
  const auto named = f.Use("s", "t.*");
  auto stream = f.Open(named, Explicit(10));
  f.Publish(topic, {"1", "2"});
  f.Take(named, stream);
  f.Ack(named, stream, "t.a", 1, 1);
  f.Close(named, stream);
  f.Publish(topic, {"3"});
  stream = f.Open(f.Use("s", ""), Explicit(10));
  f.Take(named, stream);
  CHECK(stream->bodies() == Strings{"2", "3"});
  const auto private_one = f.Use("", "t.>");
  CHECK(topic->Stats().subscriptions == 2);
  const auto other = f.Open(private_one);
  f.Take(private_one, other);
  f.Close(private_one, other);
  CHECK(topic->Stats().subscriptions == 1);
  const TopicPtr later = f.Topic("t.later");
  f.Settle();
  CHECK(later->Stats().subscriptions == 1);
}

TEST_CASE("Names of patterns and of other subscriptions are one set") {
  PatternFixture f;
  f.Topic("t");
  f.Use("p", "t.>");
  f.Subscribe("s", "t");
  CHECK(absl::IsFailedPrecondition(f.broker->UseSubscription("p", "t", {}).status()));
  CHECK(absl::IsAlreadyExists(f.broker->CreateSubscription("p", "t", {}, {}).status()));
  CHECK(absl::IsAlreadyExists(f.broker->CreatePattern("s", "t.>", {}, {}).status()));
  CHECK(absl::IsAlreadyExists(f.broker->CreatePattern("p", "t.>", {}, {}).status()));
  CHECK(absl::IsFailedPrecondition(f.broker->UsePattern("p", "other.>", {}).status()));
  CHECK(absl::IsFailedPrecondition(f.broker->UsePattern("s", "t.>", {}).status()));
  CHECK(absl::IsInvalidArgument(f.broker->UsePattern("x", "t.>x", {}).status()));
  CHECK(absl::IsInvalidArgument(
      f.broker->UsePattern("x", "t.>", {StartPosition::Kind::kSequence, 5, 0}).status()));
  CHECK(f.broker->ListPatterns("", "", 10).size() == 1);
  CHECK(f.broker->Stats().subscriptions == 2);
  CHECK(f.broker->DeleteSubscription("p").ok());
  CHECK(absl::IsNotFound(f.broker->DeleteSubscription("p")));
  f.Settle();
  CHECK(f.broker->Stats().subscriptions == 1);
  CHECK(f.broker->CreateSubscription("p", "t", {}, {}).ok());
}

TEST_CASE(
    "Of random programs nothing is lost, nothing comes twice without cause, and all is given "
    "back") {
  std::mt19937_64 random(Seed());
  for (int program = 0; program < 30; ++program) {
    BrokerOptions options;
    options.frame_bytes = 64 + random() % 200;
    PatternFixture f(options);
    const auto subscription = f.Use("s", "t.*", kLatest);
    std::vector<PatternStreamPtr> open;
    std::map<std::string, uint64_t> published;
    std::map<std::string, std::set<uint64_t>> acked;
    std::map<PatternStream*, size_t> read;
    const auto ack_some = [&](const PatternStreamPtr& stream) {
      for (size_t& i = read[stream.get()]; i < stream->frames.size(); ++i) {
        const PatternStream::Frame& frame = stream->frames[i];
        ConsumerUpdate update;
        if (random() % 5 == 0) {
          for (const uint64_t s : frame.sequences) update.nacks.push_back({s, s});
        } else {
          for (const uint64_t s : frame.sequences) {
            update.acks.push_back({s, s});
            if (!acked[frame.topic].insert(s).second) FAIL("delivered after its ack");
          }
        }
        subscription->Update(stream, {{stream->NumberOf(frame.topic), update}}, {});
      }
    };
    for (int step = 0; step < 300; ++step) {
      switch (random() % 6) {
        case 0:
          if (open.size() < 3) open.push_back(f.Open(subscription, Explicit(1 + random() % 20)));
          break;
        case 1:
        case 2: {
          const std::string name = absl::StrCat("t.", random() % 8);
          const TopicPtr topic = f.broker->UseTopic(name).value();
          f.Publish(topic, Strings(1 + random() % 5, std::string(random() % 60, 'x')));
          published[name] = topic->end_sequence() - 1;
          break;
        }
        case 3:
          if (!open.empty() && random() % 4 == 0) {
            const PatternStreamPtr stream = open[random() % open.size()];
            f.Close(subscription, stream);
            std::erase(open, stream);
          }
          break;
        default:
          if (open.empty()) break;
          const PatternStreamPtr stream = open[random() % open.size()];
          if (stream->sending) stream->Accept(*subscription);
          f.Settle();
          if (!stream->sending) ack_some(stream);
          f.Settle();
      }
    }
    if (open.empty()) open.push_back(f.Open(subscription, Explicit(5)));
    for (int round = 0; round < 10'000 && subscription->Stats().unconsumed() > 0; ++round) {
      for (const PatternStreamPtr& stream : open) {
        f.Take(subscription, stream);
        ack_some(stream);
        f.Settle();
      }
    }
    CHECK(subscription->Stats().unconsumed() == 0);
    for (const auto& [name, last] : published) CHECK(acked[name].size() == last);
  }
}

TEST_CASE("Pattern: is not controlled as one topic's subscription is, and says so") {
  Fixture f;
  f.Topic("a.b");
  REQUIRE(f.broker->CreatePattern("p", "a.>", {}, {}).ok());
  f.Settle();
  const absl::Status found = f.broker->GetSubscription("p").status();
  CHECK(absl::IsFailedPrecondition(found));
  CHECK_THAT(std::string(found.message()), HasText("\"p\" is over a pattern"));
  CHECK(absl::IsFailedPrecondition(f.broker->DetachSubscription("p")));
  SubscriptionConfig config;
  config.retain_acked = true;
  CHECK(absl::IsInvalidArgument(f.broker->CreatePattern("q", "a.>", config, {}).status()));
  config.retain_acked = false;
  config.idle_expiry_ms = 5'000;
  CHECK(absl::IsInvalidArgument(f.broker->UsePattern("", "a.>", {}, config).status()));
}

struct OncePatternFixture : PatternFixture {
  OncePatternFixture() {
    a = Topic("t.a");
    b = Topic("t.b");
    SubscriptionConfig config;
    config.exactly_once = true;
    s = Use("p", "t.>", {}, config);
  }
  PatternStreamPtr Join(const ConsumerOptions& options = Explicit()) {
    const PatternStreamPtr c = Open(s, options);
    Take(s, c);
    return c;
  }
  void Say(const PatternStreamPtr& c,
           const std::vector<std::pair<std::string, SequenceRange>>& acks) {
    std::vector<std::pair<uint32_t, ConsumerUpdate>> topics;
    for (const auto& [topic, range] : acks) {
      topics.emplace_back(c->NumberOf(topic), ConsumerUpdate());
      topics.back().second.acks.push_back(range);
    }
    s->Update(c, std::move(topics), {});
  }
  // "t.a 1-2 done".
  Strings Texts(const PatternStreamPtr& c) {
    Strings texts;
    for (const Verdicts& verdicts : c->verdicts) {
      const auto known = c->topics.find(verdicts.topic);
      std::string text = known == c->topics.end() ? "?" : known->second;
      for (const Verdict& v : verdicts.list) {
        absl::StrAppend(&text, " ", v.range.first, "-", v.range.last,
                        v.outcome == Outcome::kDone ? " done" : " refused");
      }
      texts.push_back(text);
    }
    std::sort(texts.begin(), texts.end());
    return texts;
  }

  TopicPtr a;
  TopicPtr b;
  PatternSubscriptionPtr s;
};

TEST_CASE("A pattern, exactly once: each topic's acks are answered with its number") {
  OncePatternFixture f;
  const PatternStreamPtr c = f.Join();
  CHECK(c->started[0].exactly_once);
  f.Publish(f.a, {"m", "m"});
  f.Publish(f.b, {"m"});
  f.Take(f.s, c);
  f.Say(c, {{"t.a", {1, 2}}, {"t.b", {1, 4}}, {"t.nowhere", {3, 3}}});
  f.Settle();
  f.Take(f.s, c);
  CHECK(f.Texts(c) == Strings{"? 3-3 refused", "t.a 1-2 done", "t.b 1-1 done 2-4 refused"});
}

TEST_CASE("A pattern, exactly once: verdicts pass what waits for credit") {
  OncePatternFixture f;
  const PatternStreamPtr c = f.Join(Explicit(1));
  f.Publish(f.a, {"m", "m"});
  f.Publish(f.b, {"m"});
  f.Take(f.s, c);
  REQUIRE(c->frames.size() == 1);
  const bool first_a = c->frames[0].topic == "t.a";
  f.Say(c, {{first_a ? "t.b" : "t.a", {7, 7}}});
  f.Settle();
  f.Take(f.s, c);
  CHECK(c->verdicts.size() == 1);
  CHECK(c->frames.size() == 1);
}

TEST_CASE("A pattern, exactly once: what is said of a topic that goes is answered") {
  OncePatternFixture f;
  const PatternStreamPtr c = f.Join();
  f.Publish(f.a, {"m"});
  f.Take(f.s, c);
  // Which comes first is the scheduler's choice.
  f.Say(c, {{"t.a", {1, 1}}, {"t.a", {2, 2}}});
  CHECK(f.broker->DeleteTopic("t.a").ok());
  f.Say(c, {{"t.a", {1, 1}}});
  f.Settle();
  f.Take(f.s, c);
  CHECK(c->verdicts.size() == 3);
}

TEST_CASE("A pattern, exactly once: a stream that ends in order is sent its verdicts first") {
  OncePatternFixture f;
  const PatternStreamPtr c = f.Join();
  f.Publish(f.a, {"m"});
  f.Publish(f.b, {"m"});
  f.Take(f.s, c);
  f.Say(c, {{"t.a", {1, 1}}, {"t.b", {1, 1}}});
  f.s->Remove(c, absl::OkStatus());
  SECTION("and then ends") {
    f.Settle();
    f.Take(f.s, c);
    CHECK(f.Texts(c) == Strings{"t.a 1-1 done", "t.b 1-1 done"});
    REQUIRE(c->ends.size() == 1);
    CHECK(c->ends[0].ok());
  }
  SECTION("unless it is ended otherwise meanwhile") {
    f.s->Remove(c, absl::UnavailableError("shutting down"));
    f.Settle();
    f.Take(f.s, c);
    CHECK(c->ends.size() == 1);
  }
  SECTION("or its client is gone") {
    f.s->Remove(c);
    f.Settle();
    if (c->sending) c->Accept(*f.s, false);
    f.Settle();
    CHECK(c->ends.size() <= 1);
  }
  CHECK(f.s->Stats().figures.acked_messages == 2);
  CHECK(f.s->Stats().figures.consumers == 0);
}

TEST_CASE("A pattern, exactly once: automatic acks are refused") {
  OncePatternFixture f;
  const PatternStreamPtr c = f.Open(f.s);
  REQUIRE(c->ends.size() == 1);
  CHECK(absl::IsFailedPrecondition(c->ends[0]));
}

TEST_CASE("A pattern's incarnation is that of its numbers, a private one's the broker's") {
  PatternFixture f;
  f.Topic("t.a");
  const auto told = [&](const std::string& name, const std::string& pattern) {
    return f.Open(f.Use(name, pattern))->started.at(0).incarnation;
  };
  const uint64_t named = told("s", "t.>");
  CHECK(named != 0);
  CHECK(told("s", "t.>") == named);
  CHECK(told("other", "t.>") != named);
  const uint64_t broker = told("", "t.>");
  CHECK(told("", "t.*") == broker);
  CHECK(broker != named);
  REQUIRE(f.broker->DeleteSubscription("s").ok());
  f.Settle();
  CHECK(told("s", "t.>") != named);
}

TEST_CASE("A pattern's start that was meant for another broker is the beginning of this one") {
  BrokerOptions options;
  options.seed = uint64_t{1} << 50;
  PatternFixture f(options);
  f.Publish(f.Topic("t.a"), {"a", "b"});
  const uint64_t here = f.Open(f.Use("", "t.>"))->started.at(0).incarnation;
  const auto bodies = [&](const std::string& name, uint64_t incarnation) {
    StartPosition start = kLatest;
    start.incarnation = incarnation;
    const auto subscription = f.Use(name, "t.>", start);
    const auto stream = f.Open(subscription);
    f.Take(subscription, stream);
    return stream->bodies();
  };
  for (const std::string name : {"", "s", "r"}) {
    CHECK(bodies(name, name == "r" ? here : 7) == (name == "r" ? Strings{} : Strings{"a", "b"}));
  }
  CHECK(bodies("", here).empty());
  // Topics that come later are other incarnations, and begin as they would.
  f.Publish(f.Topic("t.b"), {"c"});
  CHECK(bodies("", here).empty());
}

}  // namespace
}  // namespace estiba::testing
