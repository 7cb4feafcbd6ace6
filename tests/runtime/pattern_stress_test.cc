// Pattern subscriptions on real threads: topics that are made while they are published to, streams
// that come and go, topics that are deleted.
#include <atomic>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/engine/broker.h"
#include "broker/runtime/asio_timers.h"
#include "broker/runtime/thread_executor.h"
#include "tests/queue/records.h"
#include "tests/queue/stress.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

constexpr int kPublishers = 2;
constexpr int kMessages = 40'000 / kSlowdown;  // of each publisher
constexpr uint64_t kTopics = 40;

struct Publishing final : PublishCommand {
  void Done() override { done.Set(); }
  Event done;
};

// Takes everything at once, in the turn that sends it, and acks it.
class EagerStream final : public PatternConsumer {
 public:
  // confirmed: counts the acks that were; may be null.
  EagerStream(const ConsumerOptions& options, PatternSubscriptionPtr subscription,
              std::atomic<uint64_t>* confirmed)
      : PatternConsumer(options), subscription_(std::move(subscription)), confirmed_(confirmed) {}

  std::atomic<uint64_t> messages{0};
  std::atomic<bool> ended{false};

 private:
  void SendStarted(const Started&) override { subscription_->Sent(this, true); }
  void SendTopicChanges(const std::vector<TopicChange>&) override {
    subscription_->Sent(this, true);
  }
  void SendGap(uint32_t, const Gap&) override { subscription_->Sent(this, true); }
  void SendVerdicts(const std::vector<Verdicts>& verdicts) override {
    for (const Verdicts& of_update : verdicts) {
      for (const Verdict& v : of_update.list) {
        if (confirmed_ == nullptr || v.outcome != Outcome::kDone) continue;
        *confirmed_ += v.range.last - v.range.first + 1;
      }
    }
    subscription_->Sent(this, true);
  }
  void SendDelivery(uint32_t topic, const Delivery& delivery) override {
    messages += delivery.messages();
    ConsumerUpdate update;
    for (const Run& run : delivery.runs()) update.acks.push_back({run.first, run.end() - 1});
    subscription_->Sent(this, true);
    subscription_->Update(this, {{topic, std::move(update)}}, {});
  }
  void OnEnd(const absl::Status&) override { ended = true; }

  const PatternSubscriptionPtr subscription_;
  std::atomic<uint64_t>* const confirmed_;
};
using EagerStreamPtr = boost::intrusive_ptr<EagerStream>;

ConsumerOptions Explicit(uint64_t max_messages) {
  ConsumerOptions options;
  options.ack_mode = AckMode::kExplicit;
  options.credit = {max_messages, 0};
  return options;
}

TEST_CASE("Everything published to topics as they are made is acked once by a pattern's streams") {
  SubscriptionConfig config;
  config.exactly_once = GENERATE(false, true);
  std::atomic<uint64_t> confirmed{0};
  SystemClock clock;
  ThreadExecutor executor(2);
  AsioTimers timers(executor.pool(), clock);
  {
    Broker broker({}, executor, clock, timers);
    const PatternSubscriptionPtr named = broker.UsePattern("all", "t.*", {}, config).value();
    std::atomic<bool> publishing = true;
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (int id = 0; id < kPublishers; ++id) {
      threads.emplace_back([&, id] {
        std::mt19937_64 random(Seed() + static_cast<uint64_t>(id));
        const std::string record = MakeRecord("x");
        for (int i = 0; i < kMessages; ++i) {
          // New topics all along, so that some are made by two at the same time.
          const uint64_t newest = 1 + kTopics * static_cast<uint64_t>(i) / kMessages;
          const auto topic = broker.UseTopic(absl::StrCat("t.", random() % newest));
          Publishing publishing_one;
          publishing_one.records = record.data();
          publishing_one.bytes = static_cast<uint32_t>(record.size());
          publishing_one.count = 1;
          (*topic)->Publish(&publishing_one);
          publishing_one.done.Await();
          failed += !publishing_one.result.status.ok();
        }
      });
    }
    // Streams of the named one, and private ones beside it, that come and go.
    threads.emplace_back([&] {
      std::mt19937_64 random(Seed() + 100);
      while (publishing) {
        const bool shared = random() % 2 == 0;
        const PatternSubscriptionPtr subscription =
            shared ? named : broker.UsePattern("", "t.>", {}).value();
        const EagerStreamPtr stream(new EagerStream(Explicit(1 + random() % 50), subscription,
                                                    shared ? &confirmed : nullptr));
        subscription->Add(stream);
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 5));
        // In order, so that every ack is answered.
        subscription->Remove(
            stream, config.exactly_once ? absl::OkStatus() : absl::CancelledError("enough"));
      }
    });
    // And topics that do not last; so many at a time that the executor keeps up.
    threads.emplace_back([&] {
      std::deque<TopicPtr> gone;
      for (int i = 0; publishing; ++i) {
        const std::string name = absl::StrCat("t.gone-", i % 3);
        gone.push_back(broker.UseTopic(name).value());
        std::this_thread::yield();
        broker.DeleteTopic(name).IgnoreError();
        while (publishing && gone.size() > 30) {
          if (gone.front()->use_count() == 1) gone.pop_front();
          std::this_thread::yield();
        }
      }
    });
    const EagerStreamPtr stream(new EagerStream(Explicit(100), named, &confirmed));
    named->Add(stream);
    for (int id = 0; id < kPublishers; ++id) threads[static_cast<size_t>(id)].join();
    publishing = false;
    for (size_t i = kPublishers; i < threads.size(); ++i) threads[i].join();
    CHECK(failed == 0);
    CHECK(Eventually([&] { return named->Stats().unconsumed() == 0; }));
    CHECK(named->Stats().figures.acked_messages == kPublishers * kMessages);
    const uint64_t due = config.exactly_once ? kPublishers * kMessages : 0;
    CHECK(Eventually([&] { return confirmed == due; }));
    for (const TopicPtr& topic : broker.ListTopics("", 1'000)) {
      if (topic->name().find("gone") != std::string::npos) continue;
      CHECK(Eventually([&] { return topic->Stats().subscriptions == 1; }));
    }
    named->Remove(stream, absl::CancelledError("done"));
    CHECK(Eventually([&] { return stream->ended.load(); }));
  }
  timers.Stop();
  executor.Stop();
}

}  // namespace
}  // namespace estiba::testing
