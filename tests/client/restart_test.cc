// Brokers that are killed and started again on their port, and topics that are deleted and made
// again, while consumers hold messages: the numbers of these stand for others then.
#include <signal.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/broker_fixture.h"
#include "tests/client/cutting_proxy.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

// A broker behind a proxy that keeps its consumers away from the next until that is prepared.
struct Restarted {
  void Kill() {
    proxy.Refuse(true);
    broker->daemon.process().Signal(SIGKILL);
    REQUIRE(broker->daemon.process().Wait(absl::InfiniteDuration()).has_value());
    const int port = broker->daemon.port();
    broker =
        std::make_unique<BrokerFixture>(std::vector<std::string>{absl::StrCat("--port=", port)});
  }
  void Cut() {
    const int before = disconnects;
    proxy.Refuse(true);
    proxy.Cut();
    REQUIRE(Eventually([&] { return disconnects > before; }));
    REQUIRE(Eventually([&] { return broker->admin.Stats()->subscribe_streams == 0; }));
  }
  // Lets consumers connect, and waits until so many streams have begun in all.
  void Continue(int streams) {
    proxy.Refuse(false);
    const bool begun = Eventually([&] { return starts >= streams; });
    CHECK(begun);
    REQUIRE(starts == streams);
  }
  SubscriberOptions Options(const std::string& topic, const std::string& subscription,
                            AckMode mode = AckMode::kExplicit) {
    return {.topic = topic,
            .subscription = subscription,
            .ack_mode = mode,
            .on_started =
                [this](const Started& started) {
                  anew = started.anew;
                  ++starts;
                },
            .on_gap = [this](const Gap& gap) { gap_last = gap.range.last; },
            .on_disconnect = [this](const absl::Status&) { ++disconnects; }};
  }

  std::unique_ptr<BrokerFixture> broker = std::make_unique<BrokerFixture>();
  CuttingProxy proxy{broker->daemon.port()};
  Client client{{.target = proxy.address(),
                 .min_backoff = absl::Milliseconds(5),
                 .max_backoff = absl::Milliseconds(50)}};
  std::atomic<int> starts{0}, disconnects{0};
  std::atomic<bool> anew{false};
  std::atomic<uint64_t> gap_last{0};
};

std::vector<MessageId> TakeIds(Subscriber& subscriber, int count) {
  std::vector<MessageId> ids;
  for (int i = 0; i < count; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    ids.push_back(message->id());
  }
  return ids;
}

// Takes the 20 messages that are there now, `from` and up, says late what was held before, and
// makes sure that it has consumed none of them.
void RequireAllLeft(Restarted& f, Subscriber& subscriber, const std::vector<MessageId>& late,
                    const std::string& topic, int from, uint64_t stale) {
  const int count = 20;
  const std::string name = "s";
  // In hand, and so open to any ack of their numbers.
  std::vector<ReceivedMessage> fresh;
  for (int i = 0; i < count; ++i) {
    auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    CHECK(message->data() == absl::StrCat(from + i));
    fresh.push_back(*std::move(message));
  }
  for (const MessageId& id : late) subscriber.Ack(id);
  if (!late.empty()) subscriber.Extend(late[0], late.back().sequence(), absl::Seconds(1));
  REQUIRE(subscriber.FlushAcks(Soon()).ok());
  // When this has its effect, what was said before it has had its own.
  subscriber.Ack(fresh.back());
  REQUIRE(
      Eventually([&] { return f.broker->admin.GetSubscription(name)->stats.acked_messages > 0; }));
  CHECK(f.broker->admin.GetSubscription(name)->stats.acked_messages == 1);
  CHECK(f.broker->admin.GetSubscription(name)->stats.outstanding_messages == count - 1);
  CHECK(subscriber.Stats().stale_acks == stale);
  for (const ReceivedMessage& message : fresh) subscriber.Ack(message);
  CHECK(Eventually(
      [&] { return f.broker->admin.GetSubscription(name)->stats.acked_messages == count; }));
  CHECK(Eventually([&] { return f.broker->admin.GetTopic(topic)->stats.held_messages == 0; }));
}

TEST_CASE("Late acks of a killed broker's messages consume nothing of the next one") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t", 20).ok());
  Subscriber subscriber(f.client, f.Options("t", "s"));
  const auto held = TakeIds(subscriber, 20);
  f.Kill();
  REQUIRE(f.broker->PublishNumbers("t", 20, 100).ok());
  // Said while there is no stream: of messages 1 and 2 of the broker that is gone.
  REQUIRE(Eventually([&] { return f.disconnects == 1; }));
  subscriber.Ack(held[0]);
  subscriber.Nack(held[1]);
  f.Continue(2);
  CHECK(f.anew);
  RequireAllLeft(f, subscriber, held, "t", 100, 2 + 20 + 20);
}

TEST_CASE("Late acks consume nothing of a topic that was deleted and made again") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t", 20).ok());
  Subscriber subscriber(f.client, f.Options("t", "s"));
  const auto held = TakeIds(subscriber, 20);
  f.Cut();
  REQUIRE(f.broker->admin.DeleteTopic("t").ok());
  REQUIRE(f.broker->PublishNumbers("t", 20, 100).ok());
  subscriber.Ack(held[0]);
  f.Continue(2);
  CHECK(f.anew);
  RequireAllLeft(f, subscriber, held, "t", 100, 1 + 20 + 20);
}

TEST_CASE("Late acks find their messages when only the connection broke") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t", 20).ok());
  Subscriber subscriber(f.client, f.Options("t", "s"));
  const auto held = TakeIds(subscriber, 20);
  f.Cut();
  for (int i = 0; i < 5; ++i) subscriber.Ack(held[i]);
  f.Continue(2);
  CHECK_FALSE(f.anew);
  for (int i = 5; i < 20; ++i) subscriber.Ack(held[i]);
  CHECK(
      Eventually([&] { return f.broker->admin.GetSubscription("s")->stats.acked_messages == 20; }));
  CHECK(subscriber.Stats().stale_acks == 0);
}

TEST_CASE("Exactly once: a killed broker's message is not acked at the next one") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t", 3).ok());
  SubscriberOptions options = f.Options("t", "s");
  options.config.exactly_once = true;
  Subscriber subscriber(f.client, options);
  const auto held = TakeIds(subscriber, 3);
  f.Kill();
  REQUIRE(f.broker->PublishNumbers("t", 3, 100).ok());
  f.Continue(2);
  const auto fresh = TakeIds(subscriber, 3);
  for (const MessageId& id : held) {
    CHECK(absl::IsFailedPrecondition(subscriber.AckConfirmed(id).get()));
  }
  CHECK(f.broker->admin.GetSubscription("s")->stats.acked_messages == 0);
  for (const MessageId& id : fresh) CHECK(subscriber.AckConfirmed(id).get().ok());
  CHECK(f.broker->admin.GetSubscription("s")->stats.acked_messages == 3);
  CHECK(subscriber.Stats().stale_acks == 3);
  CHECK(subscriber.Stats().refused_acks == 0);
}

TEST_CASE(
    "Late acks of a pattern's messages consume nothing of topics that have their numbers now") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t.a", 20).ok());
  Subscriber subscriber(f.client, f.Options("t.*", "s"));
  const auto held = TakeIds(subscriber, 20);
  f.Kill();
  REQUIRE(Eventually([&] { return f.disconnects == 1; }));
  // Number 1, as t.a was.
  REQUIRE(f.broker->PublishNumbers("t.b", 20, 100).ok());
  subscriber.Ack(held[0]);
  f.Continue(2);
  CHECK(f.anew);
  RequireAllLeft(f, subscriber, held, "t.b", 100, 1 + 20 + 20);
}

TEST_CASE("A pattern that was deleted and made again gets no acks of the one before") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t.a", 20).ok());
  Subscriber subscriber(f.client, f.Options("t.*", "s"));
  const auto held = TakeIds(subscriber, 20);
  f.Cut();
  REQUIRE(f.broker->admin.DeleteTopic("t.a").ok());
  REQUIRE(f.broker->admin.DeleteSubscription("s").ok());
  REQUIRE(f.broker->PublishNumbers("t.b", 20, 100).ok());
  f.Continue(2);
  CHECK(f.anew);
  RequireAllLeft(f, subscriber, held, "t.b", 100, 20 + 20);
}

TEST_CASE("A private pattern's late acks go to no topic of the next stream") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t.a", 5).ok());
  Subscriber subscriber(f.client, f.Options("t.*", ""));
  const auto held = TakeIds(subscriber, 5);
  f.Cut();
  REQUIRE(f.broker->admin.DeleteTopic("t.a").ok());
  REQUIRE(f.broker->PublishNumbers("t.b", 5, 100).ok());
  f.Continue(2);
  CHECK_FALSE(f.anew);  // the same broker: nothing begins anew
  CHECK(BrokerFixture::Take(subscriber, 5) == BrokerFixture::Numbers(5, 100));
  for (const MessageId& id : held) subscriber.Ack(id);
  CHECK(subscriber.Stats().stale_acks == 5);
  CHECK(subscriber.Stats().acked_messages == 0);
}

TEST_CASE("A private subscription begins with the first message of the next broker") {
  Restarted f;
  const std::string topic = GENERATE(as<std::string>{}, "t", "t.>");
  const std::string name = topic == "t" ? "t" : "t.a";
  REQUIRE(f.broker->PublishNumbers(name, 10).ok());
  SubscriberOptions options = f.Options(topic, "", AckMode::kAuto);
  Subscriber subscriber(f.client, options);
  REQUIRE(BrokerFixture::Take(subscriber, 10) == BrokerFixture::Numbers(10));
  f.Kill();
  REQUIRE(f.broker->PublishNumbers(name, 5, 100).ok());
  f.Continue(2);
  CHECK(f.anew);
  CHECK(BrokerFixture::Take(subscriber, 5) == BrokerFixture::Numbers(5, 100));
  // And from then on it goes on where it was.
  f.Cut();
  REQUIRE(f.broker->admin.CreateSubscription("keeps", name).ok());
  REQUIRE(f.broker->PublishNumbers(name, 5, 105).ok());
  f.Continue(3);
  CHECK_FALSE(f.anew);
  std::set<std::string> rest;
  while (rest.count("109") == 0) rest.insert(BrokerFixture::Take(subscriber, 1).at(0));
  for (const std::string& number : BrokerFixture::Numbers(5, 105)) CHECK(rest.count(number) == 1);
}

TEST_CASE("What the next broker no longer keeps is told as a gap") {
  Restarted f;
  REQUIRE(f.broker->PublishNumbers("t", 10).ok());
  Subscriber subscriber(f.client, f.Options("t", "", AckMode::kAuto));
  REQUIRE(BrokerFixture::Take(subscriber, 10) == BrokerFixture::Numbers(10));
  f.Kill();
  REQUIRE(f.broker->admin.CreateTopic("t", {.retention_bytes = 1 << 20}).ok());
  // Each a segment of its own, of which the last is left.
  for (int i = 0; i < 4; ++i) {
    REQUIRE(f.broker->admin.PublishOnce("t", {Message{.data = std::string(2 << 20, 'x')}}).ok());
  }
  REQUIRE(Eventually([&] { return f.broker->admin.GetTopic("t")->stats.held_messages <= 2; }));
  f.Continue(2);
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  CHECK(message->sequence() > 1);
  CHECK(f.gap_last == message->sequence() - 1);
}

TEST_CASE("A named subscription that the next broker makes misses nothing of it") {
  Restarted f;
  SubscriberOptions options = f.Options("t", "s");
  options.from = StartFrom::Latest();
  Subscriber subscriber(f.client, options);
  REQUIRE(subscriber.Start().ok());
  REQUIRE(Eventually([&] { return f.starts == 1; }));
  f.Kill();
  REQUIRE(f.broker->PublishNumbers("t", 5).ok());
  f.Continue(2);
  CHECK(BrokerFixture::Take(subscriber, 5) == BrokerFixture::Numbers(5));
}

TEST_CASE("A publisher goes on with the next broker, which takes each of its batches once") {
  Restarted f;
  Publisher publisher(f.client, "t", {.max_batch_messages = 10});
  for (int i = 0; i < 100; ++i) REQUIRE(publisher.Post(absl::StrCat(i)).ok());
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  f.Kill();
  for (int i = 100; i < 300; ++i) REQUIRE(publisher.Post(absl::StrCat(i)).ok());
  f.proxy.Refuse(false);
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  f.proxy.Cut();  // and what it sends again to that broker is known there
  for (int i = 300; i < 400; ++i) REQUIRE(publisher.Post(absl::StrCat(i)).ok());
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  Subscriber subscriber(f.broker->client, {.topic = "t"});
  CHECK(BrokerFixture::Take(subscriber, 300) == BrokerFixture::Numbers(300, 100));
  CHECK(f.broker->admin.GetTopic("t")->stats.published_messages == 300);
}

}  // namespace
}  // namespace estiba::testing
