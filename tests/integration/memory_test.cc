// What the broker holds, what that costs, and what it gives back. Figures are asserted for the
// build that is shipped; sanitizers have memory habits of their own.
#include <atomic>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/status/status.pb.h"
#include "estiba/subscriber.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

#if defined(NDEBUG) && !defined(ESTIBA_ASAN) && !defined(ESTIBA_TSAN)
constexpr bool kMemoryCounts = true;
constexpr int kMillion = 1'000'000;
#else
constexpr bool kMemoryCounts = false;
constexpr int kMillion = 50'000;
#endif
constexpr uint64_t kMiB = 1 << 20;

std::string InMiB(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / kMiB);
}

// A line as a machine's log has them: 60 to 200 bytes, each different.
std::string LogLine(int i) {
  static const char* const kWhat[] = {
      "kernel: [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:35:02 SRC=203.0.113.%d DST=10.0.2.15 "
      "LEN=40 "
      "TOS=0x00 PREC=0x00 TTL=64 ID=%d PROTO=TCP SPT=%d DPT=22 WINDOW=65535 RES=0x00 SYN URGP=0",
      "sshd[%d]: Accepted publickey for deploy from 198.51.100.%d port %d ssh2: ED25519 "
      "SHA256:c2Vzc2lvbi1rZXktZm9yLXRlc3Rz",
      "systemd[1]: Started Session %d of user postgres. (%d %d)",
      "nginx: 192.0.2.%d - - \"GET /api/v1/orders/%d?page=%d HTTP/1.1\" 200 5316 \"-\" "
      "\"curl/7.88.1\"",
      "dockerd[%d]: time=\"2026-01-31T12:%02d:%02dZ\" level=info msg=\"ignoring event\" "
      "module=libcontainerd",
  };
  const auto mix = static_cast<uint32_t>(i) * 2654435761u;
  char text[256];
  snprintf(text, sizeof(text), kWhat[mix % 5], static_cast<int>(mix % 60),
           static_cast<int>((mix >> 8) % 60), static_cast<int>((mix >> 16) % 60));
  return absl::StrFormat("2026-01-31T%02d:%02d:%02d.%06d+00:00 host-%d %s", i / 3'600'000 % 24,
                         i / 60'000 % 60, i / 1000 % 60, i % 1'000'000, mix % 7, text);
}

TEST_CASE(
    "A million log lines, published before any subscriber exists, come back in order, byte for "
    "byte, and their memory goes back") {
  BrokerUnderTest broker;
  Process& process = broker.daemon.process();
  const uint64_t before = process.resident_bytes();
  uint64_t bytes = 0;
  const Client client({.target = broker.daemon.address()});
  absl::Time start = absl::Now();
  {
    Publisher publisher(client, "log");
    for (int i = 0; i < kMillion; ++i) {
      const std::string line = LogLine(i);
      bytes += line.size();
      REQUIRE(publisher.Post(line).ok());
    }
    REQUIRE(publisher.Close(absl::Now() + kLongEnough).ok());
    CHECK(publisher.Stats().published_messages == kMillion);
  }
  const absl::Duration published = absl::Now() - start;
  const uint64_t held = process.resident_bytes();
  CHECK(broker.GetTopic("log").stats().held_messages() == kMillion);

  start = absl::Now();
  Subscriber subscriber(client,
                        {.topic = "log", .subscription = "s", .ack_mode = AckMode::kExplicit});
  int wrong = 0;
  for (int i = 0; i < kMillion; ++i) {
    const auto message = subscriber.Next(absl::Now() + kLongEnough);
    REQUIRE(message.ok());
    wrong += message->data() != LogLine(i) || message->sequence() != static_cast<uint64_t>(i) + 1 ||
             message->delivery_attempt() != 1;
    subscriber.Ack(*message);
  }
  const absl::Duration consumed = absl::Now() - start;
  CHECK(wrong == 0);
  REQUIRE(subscriber.FlushAcks(absl::Now() + kLongEnough).ok());
  REQUIRE(
      Eventually([&] { return broker.GetSubscription("s").stats().acked_messages() == kMillion; }));
  CHECK(broker.GetTopic("log").stats().held_messages() == 0);
  CHECK(broker.GetSubscription("s").stats().delivered_messages() == kMillion);
  const bool back = Eventually([&] { return process.resident_bytes() <= before + 16 * kMiB; });
  std::cout << "bar 2: " << kMillion << " lines, " << InMiB(bytes) << ": published in " << published
            << ", consumed in " << consumed << "; resident " << InMiB(before) << " before, "
            << InMiB(held) << " held, " << InMiB(process.resident_bytes()) << " after" << std::endl;
  if (kMemoryCounts) CHECK(back);
}

TEST_CASE("A million messages of 100 bytes cost at most 1.25 times their encoded bytes") {
  BrokerUnderTest broker;
  Process& process = broker.daemon.process();
  const uint64_t before = process.resident_bytes();
  const Client client({.target = broker.daemon.address()});
  Publisher publisher(client, "t");
  const std::string payload(100, 'p');
  for (int i = 0; i < kMillion; ++i) REQUIRE(publisher.Post(payload).ok());
  REQUIRE(publisher.Close(absl::Now() + kLongEnough).ok());
  const v1::TopicStats stats = broker.GetTopic("t").stats();
  REQUIRE(stats.held_messages() == kMillion);
  const uint64_t encoded = stats.published_bytes();
  CHECK(encoded == uint64_t{kMillion} * 104);
  // What passing them in took besides is given back within a moment.
  const auto grown = [&] { return process.resident_bytes() - before; };
  const bool within = Eventually([&] { return grown() * 4 <= encoded * 5; });
  std::cout << "bar 3: " << kMillion << " messages held, " << InMiB(encoded)
            << " encoded: resident "
            << "memory grew by " << InMiB(grown()) << ", factor "
            << static_cast<double>(grown()) / static_cast<double>(encoded) << "; counted as held "
            << InMiB(stats.held_bytes()) << std::endl;
  CHECK(stats.held_bytes() >= encoded);
  CHECK(stats.held_bytes() * 4 <= encoded * 5);
  if (kMemoryCounts) CHECK(within);
}

// --- The budget
// -----------------------------------------------------------------------------------

constexpr uint64_t kBudget = 64 * kMiB;
constexpr uint64_t kBase = 40 * kMiB;

void CheckPeak(BrokerUnderTest& broker, const char* policy) {
  const uint64_t peak = broker.daemon.process().peak_resident_bytes();
  const v1::StatsResponse stats = broker.Stats();
  std::cout << "bar 5, " << policy << ": peak resident " << InMiB(peak) << " (limit "
            << InMiB(kBudget + kBase) << "), peak held " << InMiB(stats.peak_held_bytes())
            << ", published " << stats.published_messages() << ", rejected "
            << stats.rejected_messages() << ", dropped " << stats.dropped_messages() << std::endl;
  // Bookkeeping that cannot be refused may exceed it by a little.
  CHECK(stats.peak_held_bytes() <= kBudget + kBudget / 1000);
  if (kMemoryCounts) CHECK(peak <= kBudget + kBase);
}

// Publishes 256 MiB over several connections at once, in batches of 128-byte messages; counts what
// became of them.
struct Flood {
  explicit Flood(const std::string& address) {
    for (int i = 0; i < kStreams; ++i) {
      clients.emplace_back(std::make_unique<RawClient>(address));
      streams.emplace_back(std::make_unique<PublishStream>(*clients.back(), kPublish));
    }
    for (int i = 0; i < kStreams; ++i) {
      threads.emplace_back([this, i] {
        v1::PublishRequest batch =
            Batch("flood", 1, std::vector<std::string>(500, std::string(128, 'f')));
        for (int n = 0; n < kBatches; ++n) {
          if (!streams[i]->Write(batch)) break;
          ++batches_written[i];
        }
        streams[i]->HalfClose();
      });
      threads.emplace_back([this, i] {
        v1::PublishResponse response;
        while (streams[i]->Read(&response)) {
          for (const v1::BatchResult& result : response.results()) {
            ++answers[i];
            taken[i] += result.count();
            if (result.has_error()) errors[i].push_back(result.error());
          }
        }
      });
    }
  }
  ~Flood() {
    for (const auto& stream : streams) stream->Cancel();
    Join();
  }
  void Join() {
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }
  uint64_t Taken() const {
    uint64_t sum = 0;
    for (const auto& n : taken) sum += n;
    return sum;
  }
  int Answers() const {
    int sum = 0;
    for (const auto& n : answers) sum += n;
    return sum;
  }

  static constexpr int kStreams = 4;
  static constexpr int kBatches = 1000;  // of 66 kB
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<std::unique_ptr<PublishStream>> streams;
  std::atomic<int> batches_written[kStreams] = {};
  std::atomic<int> answers[kStreams] = {};
  std::atomic<uint64_t> taken[kStreams] = {};
  std::vector<v1::Error> errors[kStreams];
  std::vector<std::thread> threads;
};

std::vector<std::string> BudgetFlags(const char* policy) {
  return {"--memory-budget=64MiB", absl::StrCat("--full-policy=", policy)};
}

TEST_CASE(
    "A flood without consumers under reject: RESOURCE_EXHAUSTED with RetryInfo, inside the "
    "budget, and publishing works again after consuming") {
  BrokerUnderTest broker(BudgetFlags("reject"));
  Flood flood(broker.daemon.address());
  flood.Join();
  CHECK(flood.Answers() == Flood::kStreams * Flood::kBatches);
  size_t refused = 0;
  for (const std::vector<v1::Error>& errors : flood.errors) {
    for (const v1::Error& error : errors) {
      ++refused;
      REQUIRE(error.code() == static_cast<int>(grpc::StatusCode::RESOURCE_EXHAUSTED));
      REQUIRE(error.has_retry_after());
    }
  }
  CHECK(refused > 1000);
  CHECK(flood.Taken() == broker.Stats().published_messages());

  v1::PublishOnceResponse response;
  const std::vector<std::string> much(100, std::string(10'000, 'x'));
  const grpc::Status full = broker.TryPublish("flood", much, &response);
  REQUIRE(full.error_code() == grpc::RESOURCE_EXHAUSTED);
  estiba::status::Status details;
  REQUIRE(details.ParseFromString(full.error_details()));
  REQUIRE(details.details_size() == 1);
  CHECK(details.details(0).type_url() == "type.googleapis.com/google.rpc.RetryInfo");
  estiba::status::RetryInfo retry;
  REQUIRE(retry.ParseFromString(details.details(0).value()));
  CHECK(retry.retry_delay().seconds() + retry.retry_delay().nanos() > 0);

  SubscribeStream consumer(broker.client, StartOf("flood", "s"));
  const std::vector<Received> some = consumer.Take(10'000);
  REQUIRE(some.size() == 10'000);
  REQUIRE(consumer.Ack(1, 10'000));
  CHECK(Eventually([&] { return broker.TryPublish("flood", much, &response).ok(); }));
  CheckPeak(broker, "reject");
}

TEST_CASE(
    "A flood without consumers under block: held back inside the budget, and let on by "
    "consuming, with nothing lost") {
  BrokerUnderTest broker(BudgetFlags("block"));
  Flood flood(broker.daemon.address());
  // Every stream has come to where it waits: a batch of each is blocked.
  const bool stuck = Eventually(
      [&] { return broker.GetTopic("flood").stats().blocked_batches() >= Flood::kStreams; });
  REQUIRE(stuck);
  CHECK(flood.Answers() < Flood::kStreams * Flood::kBatches);
  CheckPeak(broker, "block, stuck");

  const Client client({.target = broker.daemon.address()});
  Subscriber subscriber(client, {.topic = "flood", .subscription = "s"});
  constexpr uint64_t kAll = uint64_t{Flood::kStreams} * Flood::kBatches * 500;
  uint64_t wrong = 0;
  for (uint64_t i = 1; i <= kAll; ++i) {
    const auto message = subscriber.Next(absl::Now() + kLongEnough);
    REQUIRE(message.ok());
    wrong += message->sequence() != i;
  }
  flood.Join();
  CHECK(wrong == 0);
  CHECK(flood.Taken() == kAll);
  CheckPeak(broker, "block");
}

TEST_CASE(
    "A flood without consumers under drop-oldest: all taken, inside the budget, and what was "
    "given up is counted and told") {
  BrokerUnderTest broker(BudgetFlags("drop-oldest"));
  // A subscription from before, without a consumer.
  {
    SubscribeStream maker(broker.client, StartOf("flood", "s"));
    REQUIRE(maker.started().topic() == "flood");
  }
  Flood flood(broker.daemon.address());
  flood.Join();
  constexpr uint64_t kAll = uint64_t{Flood::kStreams} * Flood::kBatches * 500;
  CHECK(flood.Taken() == kAll);
  const uint64_t dropped = broker.Stats().dropped_messages();
  CHECK(dropped > 0);
  CheckPeak(broker, "drop-oldest");

  const Client client({.target = broker.daemon.address()});
  uint64_t told = 0;
  Subscriber subscriber(client,
                        {.topic = "flood", .subscription = "s", .on_gap = [&](const Gap& gap) {
                           told += gap.range.last - gap.range.first + 1;
                         }});
  uint64_t received = 0;
  uint64_t last = 0;
  while (last < kAll) {
    const auto message = subscriber.Next(absl::Now() + kLongEnough);
    REQUIRE(message.ok());
    REQUIRE(message->sequence() > last);
    last = message->sequence();
    ++received;
  }
  CHECK(received + told == kAll);
  CHECK(told == dropped);
  CHECK(broker.Publish("flood", {"after"}) == kAll + 1);
}

}  // namespace
}  // namespace estiba::testing
