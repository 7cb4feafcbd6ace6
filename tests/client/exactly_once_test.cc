// Acks that are confirmed, against a real broker.
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/client/broker_fixture.h"
#include "tests/client/cutting_proxy.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

SubscriberOptions Once(const std::string& topic, const std::string& name = "s") {
  SubscriberOptions options{.topic = topic, .subscription = name, .ack_mode = AckMode::kExplicit};
  options.config.exactly_once = true;
  return options;
}

absl::Status Get(std::future<absl::Status> future) {
  if (future.wait_until(absl::ToChronoTime(Soon())) != std::future_status::ready) {
    return absl::DeadlineExceededError("no verdict");
  }
  return future.get();
}

TEST_CASE("Exactly once: a confirmed ack is for good, a second one is refused") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("numbers", 2).ok());
  bool exactly_once = false;
  {
    SubscriberOptions options = Once("numbers");
    options.on_started = [&](const Started& started) { exactly_once = started.exactly_once; };
    Subscriber subscriber(f.client, options);
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    CHECK(exactly_once);
    CHECK(Get(subscriber.AckConfirmed(*message)) == absl::OkStatus());
    const absl::Status again = Get(subscriber.AckConfirmed(*message));
    CHECK(absl::IsFailedPrecondition(again));
    CHECK(again.message().find("message 1 is not held") == 0);
    CHECK(subscriber.Stats().refused_acks == 1);
  }
  Subscriber subscriber(f.client, Once("numbers"));
  CHECK(BrokerFixture::Take(subscriber, 1) == std::vector<std::string>{"1"});
  const auto info = f.admin.GetSubscription("s");
  CHECK(info->config.exactly_once);
  CHECK(info->stats.acked_messages == 1);
  CHECK(info->stats.refused_acks == 1);
}

TEST_CASE("Exactly once: an ack after the deadline is refused, and the message comes again") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("numbers", 1).ok());
  SubscriberOptions options = Once("numbers");
  options.ack_deadline = absl::Milliseconds(100);
  Subscriber subscriber(f.client, options);
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  REQUIRE(f.admin.PauseSubscription("s").ok());
  REQUIRE(Eventually([&] { return f.admin.GetSubscription("s")->stats.expired_leases == 1; }));
  CHECK(absl::IsFailedPrecondition(Get(subscriber.AckConfirmed(*message))));
  REQUIRE(f.admin.ResumeSubscription("s").ok());
  const auto again = subscriber.Next(Soon());
  REQUIRE(again.ok());
  CHECK(again->sequence() == 1);
  CHECK(again->delivery_attempt() == 2);
}

TEST_CASE("Exactly once: in order, an early ack is refused, and may be repeated in its turn") {
  BrokerFixture f;
  const Message message{.data = "m", .ordering_key = "k"};
  REQUIRE(f.admin.PublishOnce("numbers", {message, message}).ok());
  SubscriberOptions options = Once("numbers");
  options.config.ordered = true;
  Subscriber subscriber(f.client, options);
  const auto first = subscriber.Next(Soon());
  const auto second = subscriber.Next(Soon());
  REQUIRE(second.ok());
  const absl::Status early = Get(subscriber.AckConfirmed(*second));
  CHECK(absl::IsFailedPrecondition(early));
  CHECK(early.message().find("message 2 was acked before an earlier one") == 0);
  CHECK(Get(subscriber.AckConfirmed(*first)).ok());
  CHECK(Get(subscriber.AckConfirmed(*second)).ok());
}

TEST_CASE("Exactly once: an ack that a broken connection takes along is not known to count") {
  BrokerFixture f;
  CuttingProxy proxy(f.daemon.port());
  Client cut({.target = proxy.address(),
              .min_backoff = absl::Milliseconds(5),
              .max_backoff = absl::Milliseconds(50)});
  REQUIRE(f.PublishNumbers("numbers", 1).ok());
  Subscriber subscriber(cut, Once("numbers"));
  auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  proxy.CutAfter(3);
  const absl::Status broken = Get(subscriber.AckConfirmed(*message));
  CHECK(absl::IsUnavailable(broken));
  CHECK(broken.message().find("may come again") != std::string::npos);
  message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  CHECK(message->delivery_attempt() == 2);
  CHECK(Get(subscriber.AckConfirmed(*message)).ok());
  CHECK(f.admin.GetSubscription("s")->stats.acked_messages == 1);
}

TEST_CASE("Exactly once: cuts at any moment, and no message is acked twice or lost") {
  BrokerFixture f;
  CuttingProxy proxy(f.daemon.port());
  Client cut({.target = proxy.address(),
              .min_backoff = absl::Milliseconds(1),
              .max_backoff = absl::Milliseconds(10)});
  constexpr int kMessages = 3'000;
  REQUIRE(f.PublishNumbers("numbers", kMessages).ok());
  SubscriberOptions options = Once("numbers");
  options.credit.max_messages = 50;
  Subscriber subscriber(cut, options);
  std::mt19937_64 random(Seed());
  std::vector<std::unique_ptr<std::atomic<int>>> confirmed;
  for (int i = 0; i <= kMessages; ++i) confirmed.push_back(std::make_unique<std::atomic<int>>(0));
  std::atomic<int> unknown{0};
  std::atomic<int> told{0};
  int acks = 0;
  for (int i = 0;; ++i) {
    if (i % 300 == 200) proxy.CutAfter(random() % 300);
    const auto message = subscriber.Next(absl::Now() + absl::Milliseconds(100));
    if (!message.ok()) {
      REQUIRE(absl::IsDeadlineExceeded(message.status()));
      if (f.admin.GetSubscription("s")->stats.acked_messages == kMessages) break;
      continue;
    }
    const uint64_t sequence = message->sequence();
    REQUIRE(*confirmed[sequence] == 0);  // it never comes again
    ++acks;
    subscriber.Ack(*message, [&, sequence](absl::Status status) {
      ++told;
      if (status.ok()) ++*confirmed[sequence];
      if (absl::IsUnavailable(status)) ++unknown;
    });
  }
  subscriber.Stop();
  CHECK(told == acks);
  int confirmations = 0;
  for (const auto& count : confirmed) {
    REQUIRE(*count <= 1);
    confirmations += *count;
  }
  CHECK(proxy.cuts() > 0);
  // Those that counted, and whose stream broke before the answer.
  CHECK(confirmations + unknown >= kMessages);
  CHECK(f.admin.GetSubscription("s")->stats.acked_messages == kMessages);
}

TEST_CASE("Exactly once: who waits for a verdict with a full buffer gets it") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("numbers", 5'000).ok());
  SubscriberOptions options = Once("numbers");
  options.buffer_bytes = 1;
  options.credit.max_messages = 100;
  Subscriber subscriber(f.client, options);
  for (int i = 0; i < 300; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    REQUIRE(Get(subscriber.AckConfirmed(*message)).ok());
  }
}

TEST_CASE("Exactly once: a hundred thousand acks, one by one and in any order") {
  BrokerFixture f;
  constexpr int kMessages = 100'000;
  REQUIRE(f.PublishNumbers("numbers", kMessages).ok());
  SubscriberOptions options = Once("numbers");
  options.credit.max_messages = 2'000;
  std::atomic<int> confirmed{0};
  std::atomic<int> refused{0};
  std::mt19937_64 random(Seed());
  Subscriber subscriber(f.client, options);
  const auto count = [&](absl::Status status) { ++(status.ok() ? confirmed : refused); };
  REQUIRE(subscriber
              .StartFrames([&](const Frame& frame) {
                std::vector<MessageView> messages(frame.messages.begin(), frame.messages.end());
                std::shuffle(messages.begin(), messages.end(), random);
                for (const MessageView& message : messages) subscriber.Ack(message, count);
              })
              .ok());
  CHECK(Eventually([&] { return confirmed + refused == kMessages; }));
  CHECK(refused == 0);
  CHECK(f.admin.GetSubscription("s")->stats.acked_messages == kMessages);
}

TEST_CASE("Exactly once: Stop tells every ack given before") {
  BrokerFixture f;
  constexpr int kMessages = 500;
  REQUIRE(f.PublishNumbers("numbers", kMessages).ok());
  Subscriber subscriber(f.client, Once("numbers"));
  std::atomic<int> confirmed{0};
  for (int i = 0; i < kMessages; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    subscriber.Ack(*message, [&](absl::Status status) { confirmed += status.ok(); });
  }
  subscriber.Stop();
  CHECK(confirmed == kMessages);
  absl::Status late;
  subscriber.Ack(MessageView(), [&](absl::Status status) { late = status; });
  CHECK(absl::IsCancelled(late));
}

TEST_CASE("Exactly once: over a pattern, frames and messages of each topic") {
  BrokerFixture f;
  for (const char* const topic : {"t.a", "t.b"}) REQUIRE(f.PublishNumbers(topic, 10).ok());
  Subscriber subscriber(f.client, Once("t.>"));
  int messages = 0;
  std::vector<std::future<absl::Status>> verdicts;
  while (messages < 20) {
    const auto frame = subscriber.NextFrame(Soon());
    REQUIRE(frame.ok());
    messages += static_cast<int>(frame->messages.size());
    if (frame->messages.front().topic() == "t.a") {
      auto promise = std::make_shared<std::promise<absl::Status>>();
      verdicts.push_back(promise->get_future());
      subscriber.AckFrame(*frame, [promise](absl::Status s) { promise->set_value(std::move(s)); });
    } else {
      for (const MessageView& message : frame->messages) {
        verdicts.push_back(subscriber.AckConfirmed(message));
      }
    }
  }
  for (auto& verdict : verdicts) CHECK(Get(std::move(verdict)).ok());
  CHECK(f.admin.GetSubscription("s")->stats.acked_messages == 20);
}

TEST_CASE("An ordinary subscription confirms nothing, and says so; the ack counts") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("numbers", 1).ok());
  Subscriber subscriber(
      f.client, {.topic = "numbers", .subscription = "plain", .ack_mode = AckMode::kExplicit});
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  const absl::Status status = Get(subscriber.AckConfirmed(*message));
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(status.message().find("not exactly-once") != std::string::npos);
  CHECK(Eventually([&] { return f.admin.GetSubscription("plain")->stats.acked_messages == 1; }));
  Subscriber wants(f.client, Once("numbers", "plain"));
  CHECK(absl::IsFailedPrecondition(wants.Next(Soon()).status()));
}

TEST_CASE("Exactly once: automatic acks are refused") {
  BrokerFixture f;
  REQUIRE(f.PublishNumbers("numbers", 1).ok());
  SubscriberOptions options = Once("numbers");
  options.ack_mode = AckMode::kAuto;
  Subscriber subscriber(f.client, options);
  const absl::Status status = subscriber.Next(Soon()).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK(status.message().find("explicit acks") != std::string::npos);
}

}  // namespace
}  // namespace estiba::testing
