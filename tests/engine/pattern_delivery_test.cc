// Subscriptions over a pattern: frames, credit and acks over many topics.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/pattern_fixture.h"

namespace estiba::testing {
namespace {

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

TEST_CASE(
    "Of random programs nothing is lost, nothing comes twice without cause, and all is given "
    "back") {
  std::mt19937_64 random(Seed());
  for (int program = 0; program < 30; ++program) {
    BrokerOptions options;
    options.frame_bytes = 64 + random() % 200;
    PatternFixture f(options);
    const auto subscription = f.Use("s", "t.*", kFromLatest);
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

}  // namespace
}  // namespace estiba::testing
