// Subscriptions beside each other, consumers that share one, and what becomes of the messages of a
// consumer that is killed or hangs.
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

constexpr int kMany = 100'000 / kSlowdown;

// A consumer in a process of its own: `estiba sub`.
class ConsumerProcess {
 public:
  ConsumerProcess(BrokerUnderTest& broker, const std::string& topic,
                  const std::string& subscription, const std::string& ack_deadline = "10s")
      : process_({BuiltProgram("estiba"), "--server", broker.daemon.address(), "sub", topic,
                  "--subscription", subscription, "--ack-deadline", ack_deadline, "--json"}) {}

  // Sequences as written so far, in order, with their attempts.
  std::vector<std::pair<uint64_t, int>> Written() const {
    std::vector<std::pair<uint64_t, int>> written;
    const std::string text = process_.stdout_text();
    const size_t end = text.rfind('\n');
    if (end == std::string::npos) return written;
    for (const absl::string_view line : absl::StrSplit(text.substr(0, end), '\n')) {
      written.emplace_back(Number(line, "\"sequence\":"),
                           static_cast<int>(Number(line, "\"attempt\":")));
    }
    return written;
  }
  Process& process() { return process_; }

 private:
  static uint64_t Number(absl::string_view line, absl::string_view key) {
    const size_t at = line.find(key);
    if (at == absl::string_view::npos) return 0;
    return std::strtoull(std::string(line.substr(at + key.size(), 20)).c_str(), nullptr, 10);
  }

  Process process_;
};

uint64_t Consumers(BrokerUnderTest& broker, const std::string& subscription) {
  return broker.GetSubscription(subscription).stats().consumers();
}

TEST_CASE(
    "Two subscriptions get everything each, and four consumers of one share it without "
    "duplicates") {
  BrokerUnderTest broker;
  SubscribeStream alone(broker.client, StartOf("t", "alone", v1::ACK_MODE_AUTO));
  REQUIRE(alone.started().topic() == "t");
  std::map<uint64_t, int> seen;
  std::vector<std::unique_ptr<SubscribeStream>> shared;
  for (int i = 0; i < 4; ++i) {
    v1::Start start = StartOf("t", "shared");
    start.mutable_credit()->set_max_messages(1000);
    shared.push_back(std::make_unique<SubscribeStream>(broker.client, start));
    REQUIRE(shared.back()->started().topic() == "t");
  }
  REQUIRE(broker.PublishNumbers("t", kMany));
  CHECK(DataOf(alone.Take(kMany)) == Numbers(kMany));

  // Each reads on a thread of its own, acks, and stops when the last has been acked.
  std::vector<std::map<uint64_t, int>> received(4);
  std::vector<int> wrong(4);
  std::vector<std::thread> readers;
  for (size_t i = 0; i < 4; ++i) {
    readers.emplace_back([&, i] {
      for (;;) {
        const std::vector<Received> messages = shared[i]->Take(1);
        if (messages.empty()) return;
        ++received[i][messages[0].sequence];
        wrong[i] +=
            messages[0].attempt != 1 || messages[0].data != absl::StrCat(messages[0].sequence - 1);
        if (!shared[i]->Ack(messages[0].sequence, messages[0].sequence)) return;
      }
    });
  }
  const bool all_acked =
      Eventually([&] { return broker.GetSubscription("shared").stats().acked_messages() == kMany; },
                 absl::Seconds(60));
  for (const auto& stream : shared) stream->Cancel();
  for (std::thread& reader : readers) reader.join();
  REQUIRE(all_acked);
  int consumers_with_messages = 0;
  for (size_t i = 0; i < 4; ++i) {
    CHECK(wrong[i] == 0);
    consumers_with_messages += !received[i].empty();
    for (const auto& [sequence, times] : received[i]) seen[sequence] += times;
  }
  CHECK(consumers_with_messages == 4);
  CHECK(seen.size() == kMany);
  bool once = true;
  for (const auto& [sequence, times] : seen) once &= times == 1;
  CHECK(once);
  CHECK(broker.GetSubscription("shared").stats().delivered_messages() == kMany);
}

TEST_CASE("Consumer processes share a subscription; one killed with SIGKILL loses nothing") {
  BrokerUnderTest broker;
  {
    SubscribeStream maker(broker.client, StartOf("t", "s"));
    REQUIRE(maker.started().topic() == "t");
  }
  std::vector<std::unique_ptr<ConsumerProcess>> consumers;
  for (int i = 0; i < 4; ++i) {
    consumers.push_back(std::make_unique<ConsumerProcess>(broker, "t", "s"));
  }
  REQUIRE(Eventually([&] { return Consumers(broker, "s") == 4; }));
  // One of them is stopped in its tracks: what it is sent from now on it holds without an ack.
  ConsumerProcess& victim = *consumers[2];
  victim.process().Signal(SIGSTOP);
  REQUIRE(broker.PublishNumbers("t", kMany));
  REQUIRE(Eventually([&] {
    const v1::SubscriptionStats stats = broker.GetSubscription("s").stats();
    return stats.backlog_messages() == 0 && stats.outstanding_messages() > 0 &&
           stats.outstanding_messages() + stats.acked_messages() == kMany;
  }));
  victim.process().Signal(SIGKILL);
  REQUIRE(victim.process().Wait().has_value());
  REQUIRE(
      Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == kMany; }));
  // Written before they were acked, but perhaps not read from the pipe yet.
  REQUIRE(Eventually([&] {
    int64_t lines = 0;
    for (const auto& consumer : consumers) {
      const std::string text = consumer->process().stdout_text();
      lines += std::count(text.begin(), text.end(), '\n');
    }
    return lines >= kMany;
  }));

  std::map<uint64_t, int> seen;
  int again = 0;
  for (const auto& consumer : consumers) {
    for (const auto& [sequence, attempt] : consumer->Written()) {
      ++seen[sequence];
      again += attempt > 1;
    }
  }
  CHECK(seen.size() == kMany);
  CHECK(seen.begin()->first == 1);
  CHECK(seen.rbegin()->first == kMany);
  CHECK(again > 0);
  // It had written nothing of what it was sent, so nobody else wrote it a second time.
  bool once = true;
  for (const auto& [sequence, times] : seen) once &= times == 1;
  CHECK(once);
  CHECK(broker.GetTopic("t").stats().held_messages() == 0);
}

TEST_CASE("What a consumer process holds that hangs goes to others after the ack deadline") {
  BrokerUnderTest broker;
  ConsumerProcess hanging(broker, "t", "s", "1s");
  REQUIRE(Eventually([&] { return Consumers(broker, "s") == 1; }));
  REQUIRE(broker.Publish("t", {"first"}) == 1);
  REQUIRE(Eventually([&] { return hanging.Written().size() == 1; }));
  REQUIRE(Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == 1; }));
  hanging.process().Signal(SIGSTOP);
  REQUIRE(broker.PublishNumbers("t", 100));
  REQUIRE(Eventually(
      [&] { return broker.GetSubscription("s").stats().outstanding_messages() == 100; }));
  SubscribeStream other(broker.client, StartOf("t", "s"));
  std::set<uint64_t> received;
  while (received.size() < 100) {
    const std::vector<Received> messages = other.Take(1);
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].attempt >= 2);
    received.insert(messages[0].sequence);
    other.Ack(messages[0].sequence, messages[0].sequence);
  }
  CHECK(*received.begin() == 2);
  CHECK(*received.rbegin() == 101);
  CHECK(broker.GetSubscription("s").stats().expired_leases() >= 100);
  hanging.process().Signal(SIGCONT);
}

TEST_CASE("A publisher process that is killed leaves whole batches, in order") {
  BrokerUnderTest broker;
  Process publisher({BuiltProgram("estiba"), "--server", broker.daemon.address(), "pub", "t"});
  for (int i = 0; i < 1000; ++i) REQUIRE(publisher.WriteStdin(absl::StrCat(i, "\n")));
  REQUIRE(Eventually([&] { return broker.GetTopic("t").stats().published_messages() > 0; }));
  publisher.Signal(SIGKILL);
  REQUIRE(publisher.Wait().has_value());
  REQUIRE(Eventually([&] { return broker.Connections().connections_size() == 0; }));
  const uint64_t taken = broker.GetTopic("t").stats().published_messages();
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  CHECK(DataOf(consumer.Take(taken)) == Numbers(static_cast<int>(taken)));
  CHECK(broker.Publish("t", {"goes on"}) == taken + 1);
}

}  // namespace
}  // namespace estiba::testing
