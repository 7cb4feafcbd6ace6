// The pod of the StatefulSet under podman, with the probes that a kubelet would make, and a rolling
// restart while the C++ client publishes and consumes.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "estiba/admin.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"
#include "tests/k8s/kubelet.h"
#include "tests/k8s/manifests.h"
#include "tests/k8s/pod.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

// Publishes numbers, in order, at some thousands a second, from a thread of its own.
class Load {
 public:
  Load(const Client& client, const std::string& topic)
      : publisher_(client, topic, {.on_failure = [this](const PublishFailure& failure) {
                     absl::MutexLock lock(&mutex_);
                     failures_.push_back(failure.status.ToString());
                   }}) {
    thread_ = std::thread([this] {
      while (!stop_) {
        for (int i = 0; i < 5; ++i) {
          const absl::Status status = publisher_.Post(absl::StrCat(published_.load()));
          if (status.ok()) {
            ++published_;
          } else {
            absl::MutexLock lock(&mutex_);
            failures_.push_back(status.ToString());
          }
        }
        absl::SleepFor(absl::Milliseconds(1));
      }
    });
  }
  ~Load() { Stop().IgnoreError(); }

  // Ends, and waits for the last answer.
  absl::Status Stop() {
    stop_ = true;
    if (!thread_.joinable()) return absl::OkStatus();
    thread_.join();
    return publisher_.Flush(absl::Now() + absl::Seconds(60));
  }
  size_t published() const { return published_; }
  uint64_t reconnects() const { return publisher_.Stats().reconnects; }
  std::vector<std::string> failures() const {
    absl::MutexLock lock(&mutex_);
    return failures_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<size_t> published_{0};
  mutable absl::Mutex mutex_;
  std::vector<std::string> failures_ ABSL_GUARDED_BY(mutex_);
  Publisher publisher_;
  std::thread thread_;
};

// What the consumers of a subscription have had, by number.
class Ledger {
 public:
  void Enter(size_t number) {
    absl::MutexLock lock(&mutex_);
    if (number >= times_.size()) times_.resize(number + 1);
    if (times_[number]++ == 0) {
      ++distinct_;
    } else {
      ++repeated_;
    }
  }
  size_t distinct() const {
    absl::MutexLock lock(&mutex_);
    return distinct_;
  }
  size_t repeated() const {
    absl::MutexLock lock(&mutex_);
    return repeated_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<int> times_ ABSL_GUARDED_BY(mutex_);
  size_t distinct_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t repeated_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A consumer that acks what it has entered.
std::unique_ptr<Subscriber> Consume(const Client& client, const std::string& topic,
                                    const std::string& subscription, Ledger* ledger) {
  auto subscriber = std::make_unique<Subscriber>(
      client, SubscriberOptions{
                  .topic = topic, .subscription = subscription, .ack_mode = AckMode::kExplicit});
  REQUIRE(subscriber
              ->Start([ledger, me = subscriber.get()](const MessageView& message) {
                size_t number = 0;
                const std::string text(message.data());
                if (absl::SimpleAtoi(text, &number)) ledger->Enter(number);
                me->Ack(message);
              })
              .ok());
  return subscriber;
}

bool Ready(const Kubelet& kubelet) {
  return Eventually([&] { return kubelet.ready(); }, absl::Seconds(60));
}

bool LogSays(const std::string& log, const std::vector<std::string>& texts) {
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (std::all_of(texts.begin(), texts.end(), [&](const std::string& text) {
          return line.find(text) != absl::string_view::npos;
        })) {
      return true;
    }
  }
  return false;
}

TEST_CASE("The pod runs as the manifest says, and its three probes succeed") {
  Pod pod;
  pod.Start();
  const Kubelet kubelet(pod.container(), pod.address());
  REQUIRE(Ready(kubelet));
  std::cout << "first SERVING to a startup probe: " << kubelet.start_took() << std::endl;
  CHECK(pod.Inspect("{{.Config.User}}") == "65532:65532");
  CHECK(pod.Inspect("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}") == "true false");
  CHECK(pod.Inspect("{{.EffectiveCaps}} {{.HostConfig.SecurityOpt}}") == "[] [no-new-privileges]");
  // The budget is half of the limit, and the log is for machines.
  const double limit = Bytes(TextAt(pod.container(), "resources.limits.memory"));
  CHECK(pod.Inspect("{{.HostConfig.Memory}}") == absl::StrCat(static_cast<uint64_t>(limit)));
  CHECK_THAT(pod.Log(),
             HasText(absl::StrCat("\"memory_budget_bytes\":", static_cast<uint64_t>(limit / 2))));
  // What k8s/README.md tells operators to ask.
  CHECK(pod.Exec({"/usr/bin/estibad", "health"}) == "SERVING\n");
  CHECK(pod.Exec({"/usr/bin/estibad", "health", "--service=liveness"}) == "SERVING\n");
  CHECK_FALSE(kubelet.would_restart());
}

TEST_CASE("A rolling restart under load: no error for a client, nothing lost, nothing twice") {
  Pod pod;
  pod.Start();
  auto kubelet = std::make_optional<Kubelet>(pod.container(), pod.address());
  REQUIRE(Ready(*kubelet));

  // Two processes' worth of clients: publishing, and consuming with two consumers.
  const Client publishing({.target = pod.address()});
  const Client consuming({.target = pod.address()});
  Ledger ledger;
  const auto first = Consume(consuming, "orders", "billing", &ledger);
  const auto second = Consume(consuming, "orders", "billing", &ledger);
  Load load(publishing, "orders");
  int probes = 0;
  for (int round = 0; round < 3; ++round) {
    const size_t before = ledger.distinct();
    REQUIRE(Eventually([&] { return ledger.distinct() > before + 5000; }, absl::Seconds(60)));
    CHECK_FALSE(kubelet->would_restart());
    probes += kubelet->probes();
    // A kubelet stops to probe what is to end.
    kubelet.reset();
    const PodEnd end = pod.Stop();
    std::cout << "pod ended in " << end.took << std::endl;
    INFO(end.log);
    CHECK(end.exit_code == 0);
    CHECK(end.took < pod.grace());
    CHECK(LogSays(end.log, {"\"Drained\"", "\"messages_not_consumed\":0"}));
    // A scheduler takes a moment, too.
    absl::SleepFor(absl::Seconds(2));
    pod.Start();
    kubelet.emplace(pod.container(), pod.address());
    REQUIRE(Ready(*kubelet));
  }
  const size_t before = ledger.distinct();
  REQUIRE(Eventually([&] { return ledger.distinct() > before + 5000; }, absl::Seconds(60)));
  CHECK(load.Stop() == absl::OkStatus());
  CHECK(Eventually([&] { return ledger.distinct() == load.published(); }, absl::Seconds(60)));
  std::cout << load.published() << " published over 4 pods, " << ledger.distinct() << " consumed, "
            << ledger.repeated() << " of them twice; " << load.reconnects()
            << " reconnects of the publisher, " << probes << " probes" << std::endl;
  CHECK(ledger.distinct() == load.published());
  CHECK(ledger.repeated() == 0);
  CHECK(load.failures().empty());
  CHECK(load.reconnects() >= 3);
  for (const auto* subscriber : {&first, &second}) {
    // Still at it: no status has come to the application.
    CHECK(absl::IsDeadlineExceeded((*subscriber)->Wait(absl::Now())));
  }
}

TEST_CASE("What nobody consumes until the drain deadline is in the log, by topic") {
  Pod pod;
  pod.Start();
  auto kubelet = std::make_optional<Kubelet>(pod.container(), pod.address());
  REQUIRE(Ready(*kubelet));
  const Client client({.target = pod.address()});
  Publisher nobody(client, "nobody-comes");
  Publisher slow(client, "slow-consumer");
  for (int i = 0; i < 17; ++i) REQUIRE(nobody.Post("x").ok());
  for (int i = 0; i < 5; ++i) REQUIRE(slow.Post("y").ok());
  REQUIRE(nobody.Flush() == absl::OkStatus());
  REQUIRE(slow.Flush() == absl::OkStatus());
  Subscriber stuck(client, {.topic = "slow-consumer",
                            .subscription = "s",
                            .ack_mode = AckMode::kExplicit,
                            .ack_deadline = absl::Seconds(600)});
  const auto first = stuck.Next(absl::Now() + absl::Seconds(10));
  REQUIRE(first.ok());
  for (int i = 1; i < 5; ++i) REQUIRE(stuck.Next(absl::Now() + absl::Seconds(10)).ok());
  // Two of the five count as consumed.
  stuck.AckRange(first->id(), 2);
  REQUIRE(stuck.FlushAcks(absl::Now() + absl::Seconds(10)).ok());

  // Now it drains for its 20 s: out of the Services, and alive.
  pod.Terminate();
  const GrpcProbe readiness(pod.container()["readinessProbe"], pod.address());
  const GrpcProbe liveness(pod.container()["livenessProbe"], pod.address());
  CHECK(Eventually([&] { return !readiness.Succeeds(); }));
  CHECK(liveness.Succeeds());
  CHECK(Eventually([&] { return !kubelet->ready(); }, absl::Seconds(15)));
  CHECK_FALSE(kubelet->would_restart());
  kubelet.reset();

  // A SIGTERM that comes again cuts the drain short.
  const PodEnd end = pod.Stop();
  INFO(end.log);
  CHECK(end.exit_code == 0);
  CHECK(
      LogSays(end.log, {"Messages not consumed", "\"topic\":\"nobody-comes\"", "\"messages\":17"}));
  CHECK(
      LogSays(end.log, {"Messages not consumed", "\"topic\":\"slow-consumer\"", "\"messages\":3"}));
  CHECK(LogSays(end.log, {"\"Drained\"", "\"messages_not_consumed\":20"}));
}

}  // namespace
}  // namespace estiba::testing
