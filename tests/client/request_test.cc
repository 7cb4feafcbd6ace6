// estiba::Requester and estiba::Responder against a real broker.
#include <atomic>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "estiba/requester.h"
#include "estiba/responder.h"
#include "tests/client/broker_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

absl::Duration Long() { return absl::Seconds(30) * kSlowdown; }

// A responder that is there when the constructor returns.
struct RunningResponder {
  RunningResponder(const Client& client, const std::string& topic, Responder::Callback callback,
                   ResponderOptions options = {})
      : responder(client, topic, [&] {
          options.on_started = [this](const Started&) {
            if (!ready.HasBeenNotified()) ready.Notify();
          };
          return std::move(options);
        }()) {
    CHECK(responder.Start(std::move(callback)).ok());
    REQUIRE(ready.WaitForNotificationWithTimeout(Long()));
  }
  absl::Notification ready;
  Responder responder;
};

absl::StatusOr<Message> Shout(const MessageView& request) {
  Message reply = request.ToMessage();
  reply.data += "!";
  return reply;
}

TEST_CASE("A request gets its reply, with everything that a message has") {
  BrokerFixture f;
  RunningResponder responder(f.client, "rpc", &Shout);
  Requester requester(f.client, "rpc");
  const auto reply =
      requester.Request({.data = "hello", .attributes = {{"a", "b"}}, .ordering_key = "k"}, Long());
  REQUIRE(reply.ok());
  CHECK(reply->data == "hello!");
  CHECK(reply->attributes == std::vector<Attribute>{{"a", "b"}});
  CHECK(reply->ordering_key == "k");
  CHECK(requester.Stats().replies == 1);
  CHECK(responder.responder.Stats().requests == 1);
  CHECK(f.admin.Stats()->requests.replies == 1);
}

TEST_CASE("Many requests at once all get their own reply, shared by two responders") {
  BrokerFixture f;
  RunningResponder one(f.client, "rpc", &Shout), two(f.client, "rpc", &Shout);
  Requester requester(f.client, "rpc", {.timeout = Long()});
  constexpr int kRequests = 2'000;
  absl::BlockingCounter left(kRequests);
  std::atomic<int> right = 0;
  for (int i = 0; i < kRequests; ++i) {
    const std::string data = absl::StrCat(i);
    requester.Request({.data = data}, [&, data](absl::StatusOr<Message> reply) {
      right += reply.ok() && reply->data == data + "!";
      left.DecrementCount();
    });
  }
  left.Wait();
  CHECK(right == kRequests);
  CHECK(one.responder.Stats().requests + two.responder.Stats().requests == kRequests);
  CHECK(Eventually([&] { return f.admin.GetTopic("rpc")->stats.held_messages == 0; }));
}

TEST_CASE("A responder's error is told apart from the want of a reply") {
  BrokerFixture f;
  Requester requester(f.client, "rpc", {.timeout = Long()});
  const absl::Status nobody = requester.Request({.data = "x"}).status();
  CHECK(absl::IsUnavailable(nobody));
  CHECK_FALSE(IsResponderError(nobody));
  const std::string text = std::string(1023, 'x') + "\xc3\xa9";  // cut before the last character
  RunningResponder responder(f.client, "rpc", [&](const MessageView&) -> absl::StatusOr<Message> {
    return absl::UnavailableError(text);
  });
  const absl::Status refused = requester.Request({.data = "x"}).status();
  CHECK(absl::IsUnavailable(refused));
  CHECK(IsResponderError(refused));
  CHECK(refused.message() == text.substr(0, 1023));
  CHECK(responder.responder.Stats().errors == 1);
}

TEST_CASE("A request that nobody answers in time ends, and is passed over when it is found later") {
  BrokerFixture f;
  absl::Notification go_on;
  std::atomic<int> calls = 0;
  Client service({.target = f.daemon.address()});
  RunningResponder responder(service, "rpc", [&](const MessageView& request) {
    if (++calls == 1) go_on.WaitForNotification();
    return Shout(request);
  });
  Requester requester(f.client, "rpc");
  CHECK(absl::IsDeadlineExceeded(
      requester.Request({.data = "first"}, absl::Milliseconds(100)).status()));
  CHECK(absl::IsDeadlineExceeded(
      requester.Request({.data = "second"}, absl::Milliseconds(100)).status()));
  // The broker's deadline counts from when the request has reached it.
  REQUIRE(Eventually([end = absl::Now() + absl::Seconds(1)] { return absl::Now() > end; }));
  go_on.Notify();
  CHECK(Eventually([&] { return responder.responder.Stats().too_late == 1; }));
  CHECK(calls == 1);
  CHECK(requester.Stats().failed == 2);
  CHECK(Eventually([&] { return f.admin.Stats()->requests.late_replies == 1; }));
}

TEST_CASE("One request more than may wait fails at once") {
  BrokerFixture f;
  absl::Notification go_on;
  Client service({.target = f.daemon.address()});
  RunningResponder responder(service, "rpc", [&](const MessageView& request) {
    go_on.WaitForNotification();
    return Shout(request);
  });
  Requester requester(f.client, "rpc", {.timeout = Long(), .max_pending = 1});
  std::promise<absl::StatusOr<Message>> first;
  requester.Request({.data = "x"},
                    [&](absl::StatusOr<Message> reply) { first.set_value(std::move(reply)); });
  CHECK(absl::IsResourceExhausted(requester.Request({.data = "y"}).status()));
  go_on.Notify();
  CHECK(first.get_future().get().ok());
}

TEST_CASE("A requester that goes away cancels what is pending") {
  BrokerFixture f;
  absl::Notification go_on;
  Client service({.target = f.daemon.address()});
  RunningResponder responder(service, "rpc", [&](const MessageView& request) {
    go_on.WaitForNotification();
    return Shout(request);
  });
  std::optional<absl::Status> status;
  {
    Requester requester(f.client, "rpc", {.timeout = Long()});
    requester.Request({.data = "x"},
                      [&](absl::StatusOr<Message> reply) { status = reply.status(); });
  }
  REQUIRE(status.has_value());
  CHECK(absl::IsCancelled(*status));
  CHECK(Eventually([&] { return f.admin.Stats()->requests.pending == 0; }));
  go_on.Notify();
}

TEST_CASE("A responder that stops in its callback still sends that reply") {
  BrokerFixture f;
  Responder responder(f.client, "rpc");
  REQUIRE(responder
              .Start([&](const MessageView& request) {
                responder.Stop();
                return Shout(request);
              })
              .ok());
  CHECK(absl::IsFailedPrecondition(responder.Start(&Shout)));
  REQUIRE(Eventually([&] {
    const auto subscription = f.admin.GetSubscription("rpc");
    return subscription.ok() && subscription->stats.consumers == 1;
  }));
  Requester requester(f.client, "rpc", {.timeout = Long()});
  const auto reply = requester.Request({.data = "last"});
  REQUIRE(reply.ok());
  CHECK(reply->data == "last!");
  CHECK(responder.Wait(Soon()).ok());
  CHECK(f.admin.GetSubscription("rpc")->stats.floor_sequence == 2);
}

TEST_CASE("A subscriber answers later, from another thread, with automatic acks") {
  BrokerFixture f;
  Subscriber subscriber(f.client, {.topic = "rpc"});
  REQUIRE(subscriber.Start().ok());
  REQUIRE(Eventually([&] {
    const auto topic = f.admin.GetTopic("rpc");
    return topic.ok() && topic->stats.subscriptions == 1;
  }));
  Requester requester(f.client, "rpc", {.timeout = Long()});
  std::promise<absl::StatusOr<Message>> got;
  requester.Request({.data = "x"},
                    [&](absl::StatusOr<Message> reply) { got.set_value(std::move(reply)); });
  const auto request = subscriber.Next(Soon());
  REQUIRE(request.ok());
  REQUIRE(request->request().has_value());
  CHECK(request->request()->deadline > absl::Now());
  subscriber.Reply(request->request()->reply_address, Message{.data = "y"});
  const auto reply = got.get_future().get();
  REQUIRE(reply.ok());
  CHECK(reply->data == "y");
}

TEST_CASE("A plain message says that nobody waits") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("t", 1).ok());
  Subscriber subscriber(f.client, {.topic = "t"});
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  CHECK_FALSE(message->request().has_value());
}

TEST_CASE("The price service runs as it stands") {
  BrokerFixture f;
  const Finished run = Run({BuiltProgram("estiba_price_service"), f.daemon.address()});
  CHECK(run.status.code == 0);
  CHECK(run.stdout_text == "tea: 3\ncoffee: 4\ngold: we do not sell that\n");
}

}  // namespace
}  // namespace estiba::testing
