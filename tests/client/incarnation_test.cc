// Acks of messages whose broker may not be the one that gets them, against a scripted broker.
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "estiba/client.h"
#include "estiba/subscriber.h"
#include "tests/client/scripted_broker.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

absl::Time Soon() { return absl::Now() + absl::Seconds(30) * kSlowdown; }

// Two streams in succession. The first delivers messages 1-3 and breaks when told so; the second
// waits to be told before it starts, delivers 1-3 as well, and notes what it is asked until the
// end.
struct TwoStreams {
  explicit TwoStreams(uint64_t second_incarnation, bool exactly_once = false)
      : second(second_incarnation), once(exactly_once) {}
  ~TwoStreams() {
    if (!break_first.HasBeenNotified()) break_first.Notify();
    if (!start_second.HasBeenNotified()) start_second.Notify();
  }

  grpc::Status Run(ScriptedBroker::Stream& stream) {
    v1::SubscribeRequest request;
    if (!stream.Read(&request)) return grpc::Status::CANCELLED;
    const int number = ++streams;
    if (number == 1) {
      stream.Write(ScriptedBroker::Started(kFirst, once));
      stream.Write(ScriptedBroker::Delivery(3, "old"));
      break_first.WaitForNotification();
      return {grpc::StatusCode::UNAVAILABLE, "broken"};
    }
    resumed = request.start().incarnation();
    second_open.Notify();
    start_second.WaitForNotification();
    stream.Write(ScriptedBroker::Started(second, once));
    stream.Write(ScriptedBroker::Delivery(3, "new"));
    while (stream.Read(&request)) {
      for (const v1::SequenceRange& range : request.ack()) acks += Text("ack", range);
      for (const v1::SequenceRange& range : request.nack()) acks += Text("nack", range);
      for (const v1::Extension& e : request.extend()) acks += Text("extend", e.range());
      for (const v1::NackLater& n : request.nack_later()) acks += Text("later", n.range());
      for (const v1::Termination& t : request.terminate()) acks += Text("terminate", t.range());
      if (request.stop()) break;
    }
    ended.Notify();
    return grpc::Status::OK;
  }
  static std::string Text(const std::string& what, const v1::SequenceRange& range) {
    return absl::StrCat(what, " ", range.first(), "-", range.last(), "; ");
  }

  SubscriberOptions Options() {
    return {.topic = "t",
            .subscription = "s",
            .ack_mode = AckMode::kExplicit,
            .on_started =
                [this](const Started& started) {
                  anew = started.anew;
                  ++starts;
                },
            .on_disconnect = [this](const absl::Status&) { ++disconnects; }};
  }

  static constexpr uint64_t kFirst = 7;
  const uint64_t second;
  const bool once;
  absl::Notification break_first, second_open, start_second, ended;
  std::atomic<int> streams{0}, starts{0}, disconnects{0};
  std::atomic<bool> anew{false};
  std::atomic<uint64_t> resumed{0};
  std::string acks;  // after `ended`
};

std::vector<ReceivedMessage> TakeThree(Subscriber& subscriber, const std::string& data) {
  std::vector<ReceivedMessage> taken;
  for (uint64_t i = 1; i <= 3; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    REQUIRE(message->data() == data);
    REQUIRE(message->sequence() == i);
    taken.push_back(*message);
  }
  return taken;
}

TEST_CASE("What is said of another incarnation's messages is never sent, whenever it is said") {
  TwoStreams script(/*second_incarnation=*/8);
  ScriptedBroker broker([&](ScriptedBroker::Stream& stream) { return script.Run(stream); });
  const Client client({.target = broker.address(), .min_backoff = absl::Milliseconds(1)});
  Subscriber subscriber(client, script.Options());
  const auto old = TakeThree(subscriber, "old");
  CHECK_FALSE(script.anew);
  script.break_first.Notify();
  REQUIRE(Eventually([&] { return script.disconnects == 1; }));
  subscriber.Ack(old[0]);  // while there is no stream
  script.second_open.WaitForNotification();
  CHECK(script.resumed == TwoStreams::kFirst);
  subscriber.Nack(old[1]);  // while nobody knows whose the stream is
  script.start_second.Notify();
  const auto fresh = TakeThree(subscriber, "new");
  CHECK(script.anew);
  CHECK(fresh[0].id() != old[0].id());
  CHECK(fresh[0].id().epoch() == old[0].id().epoch() + 1);

  subscriber.Ack(old[0]);
  subscriber.AckRange(old[0].id(), 3);
  subscriber.Nack(old[1]);
  subscriber.Nack(old[1], absl::Seconds(1));
  subscriber.Terminate(old[2], "bad");
  subscriber.Extend(old[2], absl::Seconds(1));
  const MessageView view = old[0];
  subscriber.AckFrame(Frame{absl::MakeConstSpan(&view, 1), 0});
  absl::Status refused;
  subscriber.Ack(old[2], [&](absl::Status status) { refused = std::move(status); });
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(refused.message().find("message 3 is gone") == 0);

  subscriber.Ack(fresh[1]);
  subscriber.Nack(fresh[2]);
  subscriber.Stop();
  script.ended.WaitForNotification();
  CHECK(script.acks == "ack 2-2; nack 3-3; ");
  const SubscriberStats stats = subscriber.Stats();
  CHECK(stats.stale_acks == 2 + 10);
  CHECK(stats.acked_messages == 1);
}

TEST_CASE("What was said of messages in hand goes out once the next stream says they are its own") {
  TwoStreams script(/*second_incarnation=*/TwoStreams::kFirst);
  ScriptedBroker broker([&](ScriptedBroker::Stream& stream) { return script.Run(stream); });
  const Client client({.target = broker.address(), .min_backoff = absl::Milliseconds(1)});
  Subscriber subscriber(client, script.Options());
  const auto old = TakeThree(subscriber, "old");
  script.break_first.Notify();
  REQUIRE(Eventually([&] { return script.disconnects == 1; }));
  subscriber.Ack(old[0]);
  script.start_second.Notify();
  TakeThree(subscriber, "new");
  CHECK_FALSE(script.anew);
  subscriber.Ack(old[2]);
  subscriber.Stop();
  script.ended.WaitForNotification();
  // (Whether in one request or two.)
  CHECK((script.acks == "ack 1-1; ack 3-3; "));
  CHECK(subscriber.Stats().stale_acks == 0);
}

TEST_CASE("Stop before the next stream has started waits to learn what becomes of the acks") {
  const uint64_t second = GENERATE(uint64_t{7}, uint64_t{8});
  TwoStreams script(second);
  ScriptedBroker broker([&](ScriptedBroker::Stream& stream) { return script.Run(stream); });
  const Client client({.target = broker.address(), .min_backoff = absl::Milliseconds(1)});
  Subscriber subscriber(client, script.Options());
  const auto old = TakeThree(subscriber, "old");
  script.break_first.Notify();
  REQUIRE(Eventually([&] { return script.disconnects == 1; }));
  subscriber.Ack(old[0]);
  script.second_open.WaitForNotification();
  std::thread stopper([&] { subscriber.Stop(); });
  // (In whichever order the two come, the outcome is the same; mostly Stop is first.)
  absl::SleepFor(absl::Milliseconds(20));
  script.start_second.Notify();
  stopper.join();
  script.ended.WaitForNotification();
  CHECK(script.acks == (second == TwoStreams::kFirst ? "ack 1-1; " : ""));
  CHECK(subscriber.Stats().stale_acks == (second == TwoStreams::kFirst ? 0 : 1));
}

TEST_CASE("Exactly once: an ack of another incarnation's message is refused here, not there") {
  TwoStreams script(/*second_incarnation=*/8, /*exactly_once=*/true);
  ScriptedBroker broker([&](ScriptedBroker::Stream& stream) { return script.Run(stream); });
  const Client client({.target = broker.address(), .min_backoff = absl::Milliseconds(1)});
  Subscriber subscriber(client, script.Options());
  const auto old = TakeThree(subscriber, "old");
  script.break_first.Notify();
  script.start_second.Notify();
  TakeThree(subscriber, "new");
  auto verdict = subscriber.AckConfirmed(old[0]);
  REQUIRE(verdict.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
  CHECK(absl::IsFailedPrecondition(verdict.get()));
  subscriber.Stop();
  script.ended.WaitForNotification();
  CHECK(script.acks.empty());
  CHECK(subscriber.Stats().stale_acks == 1);
}

}  // namespace
}  // namespace estiba::testing
