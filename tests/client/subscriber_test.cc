#include "estiba/subscriber.h"

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/synchronization/notification.h"
#include "tests/client/broker_fixture.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("Pulling gives every message in order, then waits") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 1000).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  for (int i = 0; i < 1000; ++i) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    REQUIRE(message->data() == absl::StrCat(i));
    REQUIRE(message->sequence() == static_cast<uint64_t>(i) + 1);
  }
  REQUIRE(absl::IsDeadlineExceeded(subscriber.Next(absl::Now() + absl::Milliseconds(20)).status()));
  const auto nothing = subscriber.TryNext();
  REQUIRE(nothing.ok());
  REQUIRE_FALSE(nothing->has_value());
  REQUIRE(broker.PublishNumbers("numbers", 1, 1000).ok());
  REQUIRE(BrokerFixture::Take(subscriber, 1) == BrokerFixture::Numbers(1, 1000));
}

TEST_CASE("A pulled message stays valid when later ones have been taken") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 100).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  const auto first = subscriber.Next(Soon());
  REQUIRE(first.ok());
  REQUIRE(BrokerFixture::Take(subscriber, 99).size() == 99);
  subscriber.Stop();
  REQUIRE(first->data() == "0");
}

TEST_CASE("Frames and single messages may be pulled in turns") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 500).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  std::vector<std::string> taken;
  size_t bytes = 0;
  while (taken.size() < 500) {
    if (taken.size() % 2 == 0) {
      const auto message = subscriber.Next(Soon());
      REQUIRE(message.ok());
      taken.emplace_back(message->data());
    } else {
      const auto frame = subscriber.NextFrame(Soon());
      REQUIRE(frame.ok());
      for (const MessageView& message : frame->messages) taken.emplace_back(message.data());
      bytes += frame->bytes;
    }
  }
  REQUIRE(taken == BrokerFixture::Numbers(500));
  REQUIRE(bytes > 0);
}

TEST_CASE("A callback gets every message in order") {
  BrokerFixture broker;
  std::vector<std::string> received;  // only touched by callbacks, until Stop has returned
  std::atomic<int> count{0};
  absl::Notification started;
  Subscriber subscriber(broker.client, {.topic = "numbers", .on_started = [&](const Started& s) {
                                          if (s.topic == "numbers") started.Notify();
                                        }});
  REQUIRE(subscriber
              .Start([&](const MessageView& message) {
                received.emplace_back(message.data());
                ++count;
              })
              .ok());
  REQUIRE(started.WaitForNotificationWithTimeout(Soon() - absl::Now()));
  REQUIRE(broker.PublishNumbers("numbers", 5000).ok());
  REQUIRE(Eventually([&] { return count == 5000; }));
  subscriber.Stop();
  REQUIRE(received == BrokerFixture::Numbers(5000));
  REQUIRE(subscriber.Wait(Soon()).ok());
  REQUIRE(subscriber.Stats().received_messages == 5000);
}

TEST_CASE("A callback for frames gets every message in order") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 5000).ok());
  std::vector<std::string> received;
  std::atomic<size_t> count{0};
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(subscriber
              .StartFrames([&](const Frame& frame) {
                for (const MessageView& message : frame.messages) {
                  received.emplace_back(message.data());
                }
                count += frame.messages.size();
              })
              .ok());
  REQUIRE(Eventually([&] { return count == 5000; }));
  subscriber.Stop();
  REQUIRE(received == BrokerFixture::Numbers(5000));
}

TEST_CASE("A subscriber starts once and is used one way") {
  BrokerFixture broker;
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(subscriber.Start([](const MessageView&) {}).ok());
  REQUIRE(absl::IsFailedPrecondition(subscriber.Start()));
  REQUIRE(absl::IsFailedPrecondition(subscriber.Next(Soon()).status()));
}

TEST_CASE("A new subscription begins where it was asked to") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 10).ok());
  Subscriber keep(broker.client, {.topic = "numbers", .subscription = "keeps-everything"});
  REQUIRE(BrokerFixture::Take(keep, 1).size() == 1);
  keep.Stop();

  Subscriber sequence(broker.client, {.topic = "numbers", .from = StartFrom::Sequence(8)});
  REQUIRE(BrokerFixture::Take(sequence, 3) == BrokerFixture::Numbers(3, 7));
  Subscriber time(broker.client,
                  {.topic = "numbers", .from = StartFrom::Time(absl::Now() + absl::Hours(1))});
  absl::Notification started;
  Subscriber latest(broker.client, {.topic = "numbers",
                                    .from = StartFrom::Latest(),
                                    .on_started = [&](const Started&) { started.Notify(); }});
  REQUIRE(latest.Start().ok());
  REQUIRE(started.WaitForNotificationWithTimeout(Soon() - absl::Now()));
  REQUIRE(broker.PublishNumbers("numbers", 1, 10).ok());
  REQUIRE(BrokerFixture::Take(latest, 1) == BrokerFixture::Numbers(1, 10));
}

TEST_CASE("What was not acked comes again to the next consumer, what was acked does not") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 10).ok());
  const SubscriberOptions options{
      .topic = "numbers", .subscription = "workers", .ack_mode = AckMode::kExplicit};
  {
    Subscriber first(broker.client, options);
    for (int i = 0; i < 10; ++i) {
      const auto message = first.Next(Soon());
      REQUIRE(message.ok());
      if (i % 2 == 0) first.Ack(*message);
    }
    first.Stop();
  }
  Subscriber second(broker.client, options);
  for (int i = 1; i < 10; i += 2) {
    const auto message = second.Next(Soon());
    REQUIRE(message.ok());
    REQUIRE(message->data() == absl::StrCat(i));
    REQUIRE(message->delivery_attempt() == 2);
    second.Ack(*message);
  }
  REQUIRE(second.FlushAcks(Soon()).ok());
  REQUIRE(Eventually([&] {
    const auto subscription = broker.admin.GetSubscription("workers");
    return subscription.ok() && subscription->stats.acked_messages == 10 &&
           subscription->stats.outstanding_messages == 0;
  }));
  REQUIRE(second.Stats().redelivered_messages == 5);
}

TEST_CASE("Acks given before Stop have arrived when it returns") {
  BrokerFixture broker;
  for (int round = 0; round < 20; ++round) {
    REQUIRE(broker.PublishNumbers("numbers", 300).ok());
    Subscriber subscriber(
        broker.client,
        {.topic = "numbers", .subscription = "workers", .ack_mode = AckMode::kExplicit});
    for (int i = 0; i < 300; ++i) {
      const auto message = subscriber.Next(Soon());
      REQUIRE(message.ok());
      REQUIRE(message->delivery_attempt() == 1);
      subscriber.Ack(*message);
    }
    subscriber.Stop();
  }
  REQUIRE(Eventually(
      [&] { return broker.admin.GetSubscription("workers")->stats.acked_messages == 6000; }));
}

TEST_CASE("A nacked message comes again at once") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 1).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers",
                                        .subscription = "workers",
                                        .ack_mode = AckMode::kExplicit,
                                        .ack_deadline = absl::Seconds(600)});
  for (uint32_t attempt = 1; attempt <= 4; ++attempt) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    REQUIRE(message->delivery_attempt() == attempt);
    if (attempt == 1) subscriber.Nack(*message);
    if (attempt == 2) subscriber.NackRange(message->id(), message->sequence());
    // A deadline of nothing is a nack by another name.
    if (attempt == 3) subscriber.Extend(*message, absl::ZeroDuration());
  }
}

TEST_CASE("A message nacked with a delay comes when that is over") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 2).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers",
                                        .subscription = "workers",
                                        .ack_mode = AckMode::kExplicit,
                                        .ack_deadline = absl::Seconds(600)});
  const MessageId first = subscriber.Next(Soon())->id();
  const MessageId second = subscriber.Next(Soon())->id();
  REQUIRE(first.sequence() == 1);
  REQUIRE(second.sequence() == 2);
  const absl::Time nacked = absl::Now();
  subscriber.Nack(second, absl::Milliseconds(300));
  subscriber.Nack(first, absl::ZeroDuration());
  REQUIRE(subscriber.Next(Soon())->sequence() == 1);
  const auto again = subscriber.Next(Soon());
  REQUIRE(again.ok());
  REQUIRE(again->sequence() == 2);
  REQUIRE(again->delivery_attempt() == 2);
  // The broker counts whole milliseconds of its own clock.
  REQUIRE(absl::Now() - nacked >= absl::Milliseconds(299));
}

TEST_CASE("Ordered: keys are shared among consumers, and what is nacked brings back its key") {
  BrokerFixture broker;
  SubscriberOptions options{
      .topic = "numbers", .subscription = "s", .ack_mode = AckMode::kExplicit};
  options.config.ordered = true;
  Subscriber one(broker.client, options);
  Subscriber two(broker.client, options);
  REQUIRE(one.Start().ok());
  REQUIRE(two.Start().ok());
  REQUIRE(Eventually([&] {
    const auto info = broker.admin.GetSubscription("s");
    return info.ok() && info->stats.consumers == 2;
  }));
  constexpr int kKeys = 20;
  constexpr int kEach = 50;
  std::vector<Message> messages;
  for (int i = 0; i < kKeys * kEach; ++i) {
    messages.push_back({.data = absl::StrCat(i / kKeys), .ordering_key = absl::StrCat(i % kKeys)});
  }
  REQUIRE(broker.admin.PublishOnce("numbers", messages).ok());
  std::map<std::string, int> next;
  std::map<std::string, Subscriber*> owner;
  std::set<std::string> nacked;
  int acked = 0;
  while (acked < kKeys * kEach) {
    for (Subscriber* subscriber : {&one, &two}) {
      const auto message = subscriber->Next(absl::Now() + absl::Milliseconds(20));
      if (!message.ok()) continue;
      const std::string key(message->ordering_key());
      CHECK(owner.emplace(key, subscriber).first->second == subscriber);
      int number = -1;
      REQUIRE(absl::SimpleAtoi(std::string(message->data()), &number));
      // Brought back by the nack, and to come again.
      if (number > next[key]) {
        REQUIRE(nacked.count(key) == 1);
        continue;
      }
      REQUIRE(number == next[key]);
      if (number == 25 && nacked.insert(key).second) {
        subscriber->Nack(*message);
        continue;
      }
      subscriber->Ack(*message);
      ++next[key];
      ++acked;
    }
  }
  CHECK(nacked.size() == kKeys);
  CHECK(Eventually([&] {
    const auto info = broker.admin.GetSubscription("s");
    return info->stats.acked_messages == kKeys * kEach && info->stats.blocked_messages == 0;
  }));
  SubscriberOptions unordered = options;
  unordered.subscription = "plain";
  unordered.config.ordered = false;
  REQUIRE(broker.PublishNumbers("numbers", 1).ok());
  Subscriber plain(broker.client, unordered);
  REQUIRE(plain.Next(Soon()).ok());
  unordered.config.ordered = true;
  Subscriber other(broker.client, unordered);
  REQUIRE(absl::IsFailedPrecondition(other.Next(Soon()).status()));
}

TEST_CASE("A subscription is made with what its first consumer says, and others must agree") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 3).ok());
  Message wanted{.data = "wanted"};
  wanted.attributes = {{"kind", "new"}};
  REQUIRE(broker.admin.PublishOnce("numbers", {wanted}).ok());
  SubscriberOptions options{
      .topic = "numbers", .subscription = "s", .ack_mode = AckMode::kExplicit};
  options.config.filter = "attributes.kind = \"new\"";
  options.config.retry = {absl::Milliseconds(10), absl::Seconds(1)};
  Subscriber subscriber(broker.client, options);
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  REQUIRE(message->sequence() == 4);
  const auto info = broker.admin.GetSubscription("s");
  REQUIRE(info.ok());
  REQUIRE(info->config.filter == options.config.filter);
  REQUIRE(info->config.retry.min_backoff == absl::Milliseconds(10));
  REQUIRE(info->config.retry.max_backoff == absl::Seconds(1));
  REQUIRE(info->stats.filtered_messages == 3);

  options.config.filter = "attributes:other";
  Subscriber other(broker.client, options);
  REQUIRE(absl::IsFailedPrecondition(other.Next(Soon()).status()));
}

TEST_CASE("A terminated message leaves for the dead-letter topic with its reason") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 2).ok());
  SubscriberOptions options{
      .topic = "numbers", .subscription = "s", .ack_mode = AckMode::kExplicit};
  options.config.dead_letter = {"dead", 7};
  Subscriber subscriber(broker.client, options);
  REQUIRE(subscriber.Next(Soon()).ok());
  const auto message = subscriber.Next(Soon());
  REQUIRE(message.ok());
  subscriber.Terminate(*message, "no good");
  Subscriber letters(broker.client, {.topic = "dead"});
  const auto letter = letters.Next(Soon());
  REQUIRE(letter.ok());
  REQUIRE(letter->attributes().Find("estiba-reason") == "no good");
  REQUIRE(letter->attributes().Find("estiba-source-sequence") == "2");
  const auto info = broker.admin.GetSubscription("s");
  REQUIRE(info.ok());
  REQUIRE(info->config.dead_letter.topic == "dead");
  REQUIRE(info->config.dead_letter.max_attempts == 7);
  REQUIRE(info->stats.dead_lettered_messages == 1);
}

TEST_CASE("AckFrame acks what a frame with holes has, and nothing else") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 6).ok());
  const SubscriberOptions options{.topic = "numbers",
                                  .subscription = "s",
                                  .ack_mode = AckMode::kExplicit,
                                  .ack_deadline = absl::Seconds(600)};
  {
    Subscriber first(broker.client, options);
    for (int i = 1; i <= 6; ++i) {
      const auto message = first.Next(Soon());
      REQUIRE(message.ok());
      if (i == 2 || i == 5) first.Ack(*message);
    }
    first.Stop();
  }
  REQUIRE(
      Eventually([&] { return broker.admin.GetSubscription("s")->stats.redeliver_messages == 4; }));
  Subscriber second(broker.client, options);
  const auto frame = second.NextFrame(Soon());
  REQUIRE(frame.ok());
  REQUIRE(frame->messages.size() == 4);
  const uint64_t expected[] = {1, 3, 4, 6};
  for (size_t i = 0; i < 4; ++i) REQUIRE(frame->messages[i].sequence() == expected[i]);
  second.AckFrame(*frame);
  REQUIRE(Eventually([&] { return broker.admin.GetSubscription("s")->stats.acked_messages == 6; }));
}

TEST_CASE("A message whose deadline passes comes again") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 1).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers",
                                        .subscription = "workers",
                                        .ack_mode = AckMode::kExplicit,
                                        .ack_deadline = absl::Milliseconds(100)});
  REQUIRE(subscriber.Next(Soon())->delivery_attempt() == 1);
  const auto again = subscriber.Next(Soon());
  REQUIRE(again.ok());
  REQUIRE(again->delivery_attempt() == 2);
}

TEST_CASE("Credit holds the broker back until acks return it, or more is given") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 10).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers",
                                        .subscription = "workers",
                                        .ack_mode = AckMode::kExplicit,
                                        .credit = {.max_messages = 2}});
  const auto first = subscriber.Next(Soon());
  REQUIRE(BrokerFixture::Take(subscriber, 1) == BrokerFixture::Numbers(1, 1));
  const auto subscription = broker.admin.GetSubscription("workers");
  REQUIRE(subscription.ok());
  REQUIRE(subscription->stats.outstanding_messages == 2);
  REQUIRE(subscription->stats.backlog_messages == 8);
  REQUIRE_FALSE(subscriber.TryNext()->has_value());
  subscriber.Ack(*first);
  REQUIRE(BrokerFixture::Take(subscriber, 1) == BrokerFixture::Numbers(1, 2));
  subscriber.SetCredit({.max_messages = 100});
  REQUIRE(BrokerFixture::Take(subscriber, 7) == BrokerFixture::Numbers(7, 3));
}

TEST_CASE("With automatic acks credit comes back as messages are taken") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 2000).ok());
  // Stays behind, so that each of the others finds everything.
  REQUIRE(broker.admin.CreateSubscription("keeps-everything", "numbers").ok());
  for (const Credit credit :
       {Credit{.max_messages = 1}, Credit{.max_messages = 7}, Credit{.max_bytes = 1},
        Credit{.max_bytes = 100}, Credit{.max_messages = 1000, .max_bytes = 1 << 20}}) {
    CAPTURE(credit.max_messages, credit.max_bytes);
    Subscriber pull(broker.client, {.topic = "numbers", .credit = credit});
    REQUIRE(BrokerFixture::Take(pull, 2000) == BrokerFixture::Numbers(2000));

    std::atomic<int> count{0};
    Subscriber push(broker.client, {.topic = "numbers", .credit = credit});
    REQUIRE(push.Start([&](const MessageView&) { ++count; }).ok());
    REQUIRE(Eventually([&] { return count == 2000; }));
  }
}

TEST_CASE("A pull buffer that nobody takes from stays small, and loses nothing") {
  BrokerFixture broker;
  const int count = 2000;
  const std::string data(10'000, 'x');
  Subscriber subscriber(broker.client, {.topic = "large", .buffer_bytes = 64 << 10});
  REQUIRE(subscriber.Start().ok());
  Publisher publisher(broker.client, "large");
  for (int i = 0; i < count; ++i) REQUIRE(publisher.Post(data).ok());
  REQUIRE(publisher.Flush(Soon()).ok());
  REQUIRE(Eventually([&] { return subscriber.Stats().received_messages > 0; }));
  REQUIRE(subscriber.Stats().received_bytes < (2 << 20));
  REQUIRE(BrokerFixture::Take(subscriber, count).size() == static_cast<size_t>(count));
}

TEST_CASE("A gap is reported, and what was received and what was not make up the topic") {
  BrokerFixture broker;
  REQUIRE(
      broker.admin
          .CreateTopic("short", {.full_policy = FullPolicy::kDropOldest, .budget_bytes = 256 << 10})
          .ok());
  REQUIRE(broker.admin.CreateSubscription("reader", "short").ok());
  Publisher publisher(broker.client, "short");
  const std::string data(1000, 'x');
  const uint64_t count = 2000;
  for (uint64_t i = 0; i < count; ++i) REQUIRE(publisher.Post(data).ok());
  REQUIRE(publisher.Flush(Soon()).ok());
  std::atomic<uint64_t> missing{0}, last{0};
  std::atomic<bool> reason_right{true};
  Subscriber subscriber(broker.client,
                        {.topic = "short", .subscription = "reader", .on_gap = [&](const Gap& gap) {
                           missing += gap.range.last - gap.range.first + 1;
                           if (gap.reason != Gap::Reason::kDroppedOldest) {
                             reason_right = false;
                           }
                         }});
  REQUIRE(subscriber.Start([&](const MessageView& message) { last = message.sequence(); }).ok());
  REQUIRE(Eventually([&] { return last == count; }));
  subscriber.Stop();
  REQUIRE(missing > 0);
  REQUIRE(reason_right);
  REQUIRE(subscriber.Stats().gap_messages == missing);
  REQUIRE(subscriber.Stats().received_messages + missing == count);
}

TEST_CASE("A callback may stop its subscriber, and is then called no more") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 1000).ok());
  std::atomic<int> count{0};
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(subscriber
              .Start([&](const MessageView&) {
                if (++count == 10) subscriber.Stop();
              })
              .ok());
  REQUIRE(subscriber.Wait(Soon()).ok());
  REQUIRE(count == 10);
}

TEST_CASE("Waiting inside a callback fails instead of waiting for itself") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 1).ok());
  absl::Notification done;
  absl::Status waited, flushed;
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(subscriber
              .Start([&](const MessageView&) {
                waited = subscriber.Wait();
                flushed = subscriber.FlushAcks();
                done.Notify();
              })
              .ok());
  REQUIRE(done.WaitForNotificationWithTimeout(Soon() - absl::Now()));
  REQUIRE(absl::IsFailedPrecondition(waited));
  REQUIRE(absl::IsFailedPrecondition(flushed));
}

TEST_CASE("After Stop what had arrived can be taken, then pulling ends with CANCELLED") {
  BrokerFixture broker;
  REQUIRE(broker.PublishNumbers("numbers", 10).ok());
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  REQUIRE(BrokerFixture::Take(subscriber, 1).size() == 1);
  REQUIRE(Eventually([&] { return subscriber.Stats().received_messages == 10; }));
  subscriber.Stop();
  REQUIRE(BrokerFixture::Take(subscriber, 9) == BrokerFixture::Numbers(9, 1));
  REQUIRE(absl::IsCancelled(subscriber.Next(Soon()).status()));
  REQUIRE(subscriber.Wait(Soon()).ok());
}

TEST_CASE("Stop wakes a thread that pulls") {
  BrokerFixture broker;
  Subscriber subscriber(broker.client, {.topic = "numbers"});
  absl::Status result;
  std::thread puller([&] { result = subscriber.Next().status(); });
  REQUIRE(Eventually([&] { return broker.admin.Stats()->subscribe_streams == 1; }));
  subscriber.Stop();
  puller.join();
  REQUIRE(absl::IsCancelled(result));
}

TEST_CASE("What ends the stream for good is what pulling and waiting return") {
  BrokerFixture broker;
  Subscriber subscriber(broker.client, {.topic = "numbers", .subscription = "workers"});
  REQUIRE(subscriber.Start().ok());
  REQUIRE(Eventually([&] { return broker.admin.GetSubscription("workers").ok(); }));

  Subscriber other(broker.client, {.topic = "another", .subscription = "workers"});
  REQUIRE(absl::IsFailedPrecondition(other.Next(Soon()).status()));

  REQUIRE(broker.admin.DeleteTopic("numbers").ok());
  REQUIRE(absl::IsAborted(subscriber.Next(Soon()).status()));
  REQUIRE(absl::IsAborted(subscriber.Wait(Soon())));
  subscriber.Stop();

  Subscriber invalid(broker.client, {.topic = "numbers", .ack_deadline = absl::Seconds(601)});
  const absl::Status refused = invalid.Next(Soon()).status();
  REQUIRE(absl::IsInvalidArgument(refused));
  REQUIRE_THAT(std::string(refused.message()), HasText("ack_deadline"));
}

TEST_CASE("A subscriber may begin with the last message of each ordering key") {
  BrokerFixture broker;
  REQUIRE(broker.admin.CreateTopic("prices").ok());
  REQUIRE(broker.admin.CreateSubscription("keeps-everything", "prices").ok());
  Publisher publisher(broker.client, "prices");
  for (const auto& [key, data] : std::vector<std::pair<std::string, std::string>>{
           {"a", "1"}, {"b", "2"}, {"a", "3"}, {"", "4"}}) {
    REQUIRE(publisher.Publish({.data = data, .ordering_key = key}).get().ok());
  }
  Subscriber subscriber(broker.client, {.topic = "prices", .from = StartFrom::LastOfEachKey()});
  REQUIRE(BrokerFixture::Take(subscriber, 2) == std::vector<std::string>{"2", "3"});
  REQUIRE(publisher.Publish({.data = "5", .ordering_key = "b"}).get().ok());
  REQUIRE(BrokerFixture::Take(subscriber, 1) == std::vector<std::string>{"5"});
}

}  // namespace
}  // namespace estiba::testing
