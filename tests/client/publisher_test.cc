#include "estiba/publisher.h"

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/client/broker_fixture.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("Publishing gives each message the next sequence of its topic") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  for (uint64_t expected = 1; expected <= 5; ++expected) {
    const auto sequence = publisher.Publish({.data = "hello"}).get();
    REQUIRE(sequence.ok());
    REQUIRE(*sequence == expected);
  }
  REQUIRE(publisher.Stats().published_messages == 5);
  REQUIRE(publisher.Stats().in_flight_messages == 0);
  REQUIRE(publisher.Stats().in_flight_bytes == 0);
}

TEST_CASE("Futures taken together are kept in order") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  std::vector<std::future<absl::StatusOr<uint64_t>>> futures;
  for (int i = 0; i < 1000; ++i) futures.push_back(publisher.Publish({.data = "x"}));
  for (uint64_t i = 0; i < futures.size(); ++i) {
    const auto sequence = futures[i].get();
    REQUIRE(sequence.ok());
    REQUIRE(*sequence == i + 1);
  }
}

TEST_CASE("Callbacks come once each, in order, and before Flush returns") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  std::vector<uint64_t> sequences;  // only touched by callbacks, until Flush has returned
  for (int i = 0; i < 1000; ++i) {
    publisher.Publish({.data = "x"}, [&](absl::StatusOr<uint64_t> sequence) {
      sequences.push_back(sequence.value_or(0));
    });
  }
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  REQUIRE(sequences.size() == 1000);
  for (uint64_t i = 0; i < 1000; ++i) REQUIRE(sequences[i] == i + 1);
}

TEST_CASE("A scheduled message has no sequence yet, and comes at its time") {
  BrokerFixture broker;
  uint64_t scheduled = 0;  // only touched by callbacks, until Close has returned
  PublisherOptions options;
  options.linger = absl::Milliseconds(50);  // all in one batch
  options.on_batch = [&](const PublishedBatch& batch) { scheduled += batch.scheduled; };
  Publisher publisher(broker.client, "orders", options);
  const absl::Time at = absl::Now() + absl::Milliseconds(200);
  auto later = publisher.Publish({.data = "later", .timing = {.deliver_at = at}});
  auto first = publisher.Publish({.data = "first"});
  auto over =
      publisher.Publish({.data = "over", .timing = {.deliver_at = absl::Now() - absl::Hours(1)}});
  auto second = publisher.Publish({.data = "second", .timing = {.time_to_live = absl::Hours(1)}});
  CHECK(later.get().value() == 0);
  CHECK(first.get().value() == 1);
  CHECK(over.get().value() == 0);
  CHECK(second.get().value() == 2);
  REQUIRE(publisher.Close(Soon()).ok());
  CHECK(scheduled == 2);
  Subscriber subscriber(broker.client, {.topic = "orders"});
  const auto next = [&] {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    return std::make_pair(message->sequence(), message->ToMessage());
  };
  const auto [s1, m1] = next();
  const auto [s2, m2] = next();
  const auto [s3, m3] = next();
  CHECK(m1.data == "first");
  CHECK(m2.data == "second");
  CHECK(m2.timing.time_to_live == absl::Hours(1));
  CHECK(m3.data == "over");
  const auto [s4, m4] = next();
  CHECK(m4.data == "later");
  CHECK(s4 == 4);
  CHECK(absl::Now() >= at);
}

TEST_CASE("A message arrives with everything that was in it") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  const std::string binary("\0\xff\n\x80", 4);
  const std::vector<Message> sent = {
      Message{},
      Message{.data = binary},
      Message{.data = "d", .attributes = {{"k", "v"}, {"empty", ""}}, .ordering_key = "customer"},
      Message{.data = std::string(5 << 20, 'L')},
  };
  for (const Message& message : sent) publisher.Publish(message, [](auto) {});
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  Subscriber subscriber(broker.client, {.topic = "orders"});
  for (const Message& message : sent) {
    const auto received = subscriber.Next(Soon());
    REQUIRE(received.ok());
    REQUIRE(received->data() == message.data);
    REQUIRE(received->ordering_key() == message.ordering_key);
    REQUIRE(received->ToMessage().attributes.size() == message.attributes.size());
    for (const auto& [key, value] : message.attributes) {
      REQUIRE(received->attributes().Find(key) == std::string_view(value));
    }
    REQUIRE(received->delivery_attempt() == 1);
    REQUIRE(received->publish_time() > absl::Now() - absl::Hours(1));
  }
}

TEST_CASE("A message over the limit is refused on the spot, and the others go on") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  const std::string large((10 << 20) + 1, 'x');
  REQUIRE(absl::IsInvalidArgument(publisher.Post(large)));
  const std::string_view many[] = {"before", large, "never reached"};
  size_t accepted = 0;
  REQUIRE(absl::IsInvalidArgument(publisher.PostBatch(many, &accepted)));
  REQUIRE(accepted == 1);
  absl::Status outcome;
  publisher.Publish({.data = large}, [&](absl::StatusOr<uint64_t> s) { outcome = s.status(); });
  REQUIRE(absl::IsInvalidArgument(outcome));
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  REQUIRE(publisher.Stats().published_messages == 1);
}

TEST_CASE("A batch that the broker refuses fails with its reason, and those behind it are taken") {
  BrokerFixture broker;
  std::atomic<uint64_t> failed{0};
  Publisher publisher(broker.client, "orders",
                      {.max_batch_messages = 1, .on_failure = [&](const PublishFailure& failure) {
                         failed += failure.messages;
                       }});
  const std::string long_key(1025, 'k');  // 1,024 are allowed
  for (int i = 0; i < 50; ++i) {
    MessageRef message{"data"};
    if (i % 10 == 5) message.ordering_key = long_key;
    REQUIRE(publisher.Post(message).ok());
  }
  const absl::Status status = publisher.Flush(Soon());
  REQUIRE(absl::IsInvalidArgument(status));
  REQUIRE_THAT(std::string(status.message()), HasText("ordering_key"));
  REQUIRE(failed == 5);
  REQUIRE(publisher.Stats().failed_messages == 5);
  REQUIRE(publisher.Stats().published_messages == 45);
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());  // reported once
  const auto topic = broker.admin.GetTopic("orders");
  REQUIRE(topic.ok());
  REQUIRE(topic->stats.published_messages == 45);
}

TEST_CASE("A topic name that is none fails what is published to it") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "no spaces please");
  const auto sequence = publisher.Publish({.data = "x"}).get();
  REQUIRE(absl::IsInvalidArgument(sequence.status()));
  REQUIRE_THAT(std::string(sequence.status().message()), HasText("no spaces please"));
}

TEST_CASE("Batches are as small as max_batch_messages says") {
  BrokerFixture broker;
  std::atomic<int> batches{0};
  Publisher publisher(
      broker.client, "orders",
      {.max_batch_messages = 3, .linger = absl::Hours(1), .on_batch = [&](const PublishedBatch& b) {
         if (b.count <= 3) ++batches;
       }});
  for (int i = 0; i < 10; ++i) REQUIRE(publisher.Post("x").ok());
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  REQUIRE(batches == 4);
  REQUIRE(publisher.Stats().published_batches == 4);
}

TEST_CASE("A lingering batch gathers until it is flushed") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders", {.linger = absl::Hours(1)});
  for (int i = 0; i < 10; ++i) REQUIRE(publisher.Post("x").ok());
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  REQUIRE(publisher.Stats().published_batches == 1);
}

TEST_CASE("A lingering batch goes by itself when its time has come") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders", {.linger = absl::Milliseconds(20)});
  REQUIRE(publisher.Post("x").ok());
  REQUIRE(Eventually([&] { return publisher.Stats().published_messages == 1; }));
}

TEST_CASE("Data sizes around the batch limit all arrive, in order") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders", {.max_batch_bytes = 4096});
  std::vector<size_t> sizes;
  for (size_t size = 4000; size < 4200; ++size) sizes.push_back(size);
  sizes.push_back(1 << 20);
  for (const size_t size : sizes) REQUIRE(publisher.Post(std::string(size, 'x')).ok());
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  Subscriber subscriber(broker.client, {.topic = "orders"});
  for (const size_t size : sizes) {
    const auto message = subscriber.Next(Soon());
    REQUIRE(message.ok());
    REQUIRE(message->data().size() == size);
  }
}

TEST_CASE("When the window is full TryPost says so, and Post waits until there is room") {
  BrokerFixture broker;
  REQUIRE(broker.admin
              .CreateTopic("narrow", {.full_policy = FullPolicy::kBlock, .budget_bytes = 128 << 10})
              .ok());
  Publisher publisher(broker.client, "narrow",
                      {.max_batch_bytes = 8 << 10, .max_in_flight_bytes = 256 << 10});
  const std::string data(1000, 'x');
  // The topic holds 128 KiB, the window 256 KiB; somewhere behind that there is no room.
  int posted = 0;
  REQUIRE(Eventually([&] {
    absl::Status status;
    while ((status = publisher.TryPost(data)).ok()) ++posted;
    const PublisherStats stats = publisher.Stats();
    return absl::IsResourceExhausted(status) && stats.in_flight_bytes > (200 << 10) &&
           stats.published_messages > 10;
  }));
  Subscriber subscriber(broker.client, {.topic = "narrow"});
  std::atomic<bool> posting_ok{true};
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) posting_ok = posting_ok && publisher.Post(data).ok();
  });
  const size_t taken = BrokerFixture::Take(subscriber, posted + 1000).size();
  poster.join();
  REQUIRE(posting_ok);
  REQUIRE(taken == static_cast<size_t>(posted) + 1000);
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
}

TEST_CASE("A topic that refuses when full gets everything once there is room, once and in order") {
  BrokerFixture broker;
  REQUIRE(broker.admin
              .CreateTopic("full", {.full_policy = FullPolicy::kReject, .budget_bytes = 256 << 10})
              .ok());
  Publisher publisher(broker.client, "full",
                      {.max_batch_bytes = 16 << 10, .max_retry_backoff = absl::Milliseconds(20)});
  const int count = 20'000;
  const std::string padding(100, '.');
  std::thread poster([&] {
    for (int i = 0; i < count; ++i) publisher.Post(absl::StrCat(i, padding)).IgnoreError();
  });
  const bool refused = Eventually([&] { return publisher.Stats().resent_batches > 0; });
  Subscriber subscriber(broker.client, {.topic = "full"});
  std::vector<std::string> taken = BrokerFixture::Take(subscriber, count);
  poster.join();
  REQUIRE(refused);
  REQUIRE(taken.size() == count);
  for (int i = 0; i < count; ++i) REQUIRE(taken[i] == absl::StrCat(i, padding));
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  REQUIRE(publisher.Stats().failed_messages == 0);
  REQUIRE(broker.admin.GetTopic("full")->stats.published_messages == count);
}

TEST_CASE("Retrying ends at the retry timeout, with the broker's reason") {
  BrokerFixture broker;
  REQUIRE(broker.admin
              .CreateTopic("full", {.full_policy = FullPolicy::kReject, .budget_bytes = 64 << 10})
              .ok());
  Publisher publisher(broker.client, "full", {.retry_timeout = absl::Milliseconds(200)});
  const std::string data(10'000, 'x');
  for (int i = 0; i < 30; ++i) REQUIRE(publisher.Post(data).ok());
  REQUIRE(absl::IsResourceExhausted(publisher.Flush(Soon())));
  const PublisherStats stats = publisher.Stats();
  REQUIRE(stats.failed_messages > 0);
  REQUIRE(stats.failed_messages + stats.published_messages == 30);
  // Consumed, it takes messages again, from the same publisher.
  Subscriber subscriber(broker.client, {.topic = "full"});
  REQUIRE(BrokerFixture::Take(subscriber, static_cast<int>(stats.published_messages)).size() ==
          stats.published_messages);
  REQUIRE(Eventually([&] { return publisher.Publish({.data = "again"}).get().ok(); }));
}

TEST_CASE("A callback may publish, and what would make it wait fails instead") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders", {.max_in_flight_messages = 3});
  absl::Notification done;
  std::atomic<int> published{0};
  absl::Status flushed, full;
  std::function<void(absl::StatusOr<uint64_t>)> next = [&](absl::StatusOr<uint64_t> sequence) {
    if (!sequence.ok()) return;
    if (++published < 100) {
      publisher.Publish({.data = "again"}, next);
      return;
    }
    flushed = publisher.Flush();
    while (full.ok()) full = publisher.Post("x");
    done.Notify();
  };
  publisher.Publish({.data = "first"}, next);
  REQUIRE(done.WaitForNotificationWithTimeout(Soon() - absl::Now()));
  REQUIRE(absl::IsFailedPrecondition(flushed));
  REQUIRE(absl::IsResourceExhausted(full));
}

TEST_CASE("Several threads may publish through one publisher") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  const int kThreads = 4, kEach = 5000;
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        if (!publisher.Post(absl::StrCat(t, ":", i)).ok()) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(refused == 0);
  REQUIRE(publisher.Flush(Soon()) == absl::OkStatus());
  Subscriber subscriber(broker.client, {.topic = "orders"});
  std::vector<int> next(kThreads, 0);
  for (const std::string& data : BrokerFixture::Take(subscriber, kThreads * kEach)) {
    const int thread = data[0] - '0';
    REQUIRE(data == absl::StrCat(thread, ":", next.at(thread)++));
  }
  for (const int count : next) REQUIRE(count == kEach);
}

TEST_CASE("A closed publisher has sent everything and accepts nothing more") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders");
  for (int i = 0; i < 100; ++i) REQUIRE(publisher.Post("x").ok());
  REQUIRE(publisher.Close(Soon()).ok());
  REQUIRE(publisher.Stats().published_messages == 100);
  REQUIRE(absl::IsFailedPrecondition(publisher.Post("late")));
  REQUIRE(absl::IsFailedPrecondition(publisher.Publish({.data = "late"}).get().status()));
  REQUIRE(publisher.Close(Soon()).ok());
  REQUIRE(Eventually([&] { return broker.admin.Stats()->publish_streams == 0; }));
}

TEST_CASE("Flush, Close and a full window do not wait for answers that the broker may hold back") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders",
                      {.max_batch_messages = 1,
                       .max_answer_delay = absl::Seconds(10),
                       .max_in_flight_messages = 50});
  const auto post = [&](int count) {
    for (int i = 0; i < count; ++i) REQUIRE(publisher.Post("x").ok());
  };
  const absl::Time start = absl::Now();
  post(1'000);
  REQUIRE(publisher.Flush(Soon()).ok());
  CHECK(publisher.Stats().published_messages == 1'000);
  post(1);
  REQUIRE(publisher.Flush(Soon()).ok());
  CHECK(publisher.Stats().published_messages == 1'001);
  post(40);
  REQUIRE(publisher.Close(Soon()).ok());
  CHECK(publisher.Stats().published_messages == 1'041);
  CHECK(absl::Now() - start < absl::Seconds(10));
}

TEST_CASE("Futures and callbacks do not wait for answers that the broker may hold back") {
  BrokerFixture broker;
  Publisher publisher(broker.client, "orders",
                      {.max_batch_messages = 1, .max_answer_delay = absl::Seconds(10)});
  const absl::Time start = absl::Now();
  REQUIRE(publisher.Publish({.data = "x"}).get().value() == 1);  // the first waits in no case
  REQUIRE(publisher.Post("x").ok());
  CHECK(publisher.Publish({.data = "x"}).get().value() == 3);
  absl::Notification called;
  publisher.Publish({.data = "x"}, [&](absl::StatusOr<uint64_t>) { called.Notify(); });
  CHECK(called.WaitForNotificationWithTimeout(absl::Seconds(5)));
  CHECK(absl::Now() - start < absl::Seconds(10));
  // What is posted does wait; otherwise this shows nothing.
  REQUIRE(publisher.Post("x").ok());
  REQUIRE(
      Eventually([&] { return broker.admin.GetTopic("orders")->stats.published_messages == 5; }));
  CHECK(publisher.Stats().published_messages == 4);
}

TEST_CASE("Flush does not wait for held back answers where few batches may be on the wire either") {
  BrokerFixture broker;
  const absl::Time start = absl::Now();
  Publisher publisher(broker.client, "orders",
                      {.max_batch_messages = 1, .max_answer_delay = absl::Seconds(10)});
  // The first batches of a stream go one by one, until one is taken.
  Message bad{.data = "x"};
  bad.attributes.emplace_back("", "an empty key");
  REQUIRE_FALSE(publisher.Publish(bad).get().ok());
  std::future<absl::StatusOr<uint64_t>> good = publisher.Publish({.data = "x"});
  std::future<absl::StatusOr<uint64_t>> next = publisher.Publish({.data = "x"});
  publisher.Flush(Soon()).IgnoreError();  // the first failure
  CHECK(good.get().value() == 1);
  CHECK(next.get().value() == 2);
  CHECK(absl::Now() - start < absl::Seconds(10));
}

TEST_CASE("Closing at its deadline gives up what is unanswered") {
  BrokerFixture broker;
  REQUIRE(broker.admin
              .CreateTopic("narrow", {.full_policy = FullPolicy::kBlock, .budget_bytes = 64 << 10})
              .ok());
  std::atomic<int> cancelled{0}, taken{0};
  Publisher publisher(broker.client, "narrow", {.max_batch_messages = 1});
  for (int i = 0; i < 50; ++i) {
    publisher.Publish({.data = std::string(10'000, 'x')}, [&](absl::StatusOr<uint64_t> sequence) {
      if (sequence.ok()) ++taken;
      if (absl::IsCancelled(sequence.status())) ++cancelled;
    });
  }
  REQUIRE(absl::IsDeadlineExceeded(publisher.Close(absl::Now() + absl::Milliseconds(200))));
  REQUIRE(cancelled > 0);
  REQUIRE(cancelled + taken == 50);
}

TEST_CASE("Destroying a publisher sends what it has accepted") {
  BrokerFixture broker;
  {
    Publisher publisher(broker.client, "orders", {.linger = absl::Hours(1)});
    for (int i = 0; i < 100; ++i) REQUIRE(publisher.Post("x").ok());
  }
  REQUIRE(broker.admin.GetTopic("orders")->stats.published_messages == 100);
}

}  // namespace
}  // namespace estiba::testing
