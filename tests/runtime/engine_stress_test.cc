// The engine on real threads: publishers, consumers that come and go, memory that runs full. What a
// subscription gets is counted message by message; assertions are the main thread's.
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
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

constexpr int kMessages = 60'000 / kSlowdown;  // of each publisher

// A publisher with a few batches under way; sends the next from within the answer.
class StressPublisher {
 public:
  StressPublisher(TopicPtr topic, uint64_t id) : topic_(std::move(topic)), id_(id) {}

  // Publishes numbers 1..kMessages, in order; retries what was refused.
  void Run() {
    const std::string name = "producer-" + std::to_string(id_);
    uint64_t batch_number = 0;
    for (uint64_t next = 1; next <= kMessages;) {
      const uint64_t count = 1 + next % 7;
      ++batch_number;
      for (;;) {
        Publishing batch;
        for (uint64_t i = 0; i < count; ++i) {
          batch.encoded += MakeRecord(StampedBody(id_, next + i, (next + i) % 300));
        }
        batch.records = batch.encoded.data();
        batch.bytes = static_cast<uint32_t>(batch.encoded.size());
        batch.count = static_cast<uint32_t>(count);
        batch.producer = &name;
        batch.batch = batch_number;
        topic_->Publish(&batch);
        batch.done.Await();
        if (batch.result.status.ok()) break;
        ++refused;
        std::this_thread::yield();
      }
      next += count;
      taken = next - 1;
    }
  }

  std::atomic<uint64_t> taken{0};
  std::atomic<uint64_t> refused{0};

 private:
  struct Publishing final : PublishCommand {
    void Done() override { done.Set(); }
    std::string encoded;
    Event done;
  };
  const TopicPtr topic_;
  const uint64_t id_;
};

// What a subscription has got; shared by its consumers.
struct Received {
  void Note(const Delivery& delivery, bool automatic) {
    const absl::MutexLock lock(&mutex);
    for (const Run& run : delivery.runs()) Note(run, automatic);
  }
  void Note(const Run& run, bool automatic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const std::vector<std::string> bodies = Bodies(run);
    if (bodies.size() != run.count) ++torn;
    for (size_t i = 0; i < bodies.size(); ++i) {
      const uint64_t sequence = run.first + i;
      Stamp stamp;
      if (!ReadStamp(bodies[i], &stamp)) {
        ++torn;
        continue;
      }
      // The numbers of each producer, in the order of the topic's sequences.
      const auto [known, added] = stamps.emplace(sequence, std::pair(stamp.producer, stamp.number));
      if (!added && known->second != std::pair(stamp.producer, stamp.number)) ++torn;
      if (consumed.count(sequence) != 0) ++again;
      if (automatic && !added) ++repeated;
    }
  }
  void Consumed(uint64_t first, uint64_t last) {
    const absl::MutexLock lock(&mutex);
    for (uint64_t s = first; s <= last; ++s) consumed.insert(s);
  }
  void Lost(const Gap& gap) {
    const absl::MutexLock lock(&mutex);
    for (uint64_t s = gap.first; s <= gap.last; ++s) lost.insert(s);
  }
  uint64_t consumed_count() {
    const absl::MutexLock lock(&mutex);
    return consumed.size();
  }
  // Whether everything up to `last` was consumed or declared lost.
  bool Complete(uint64_t last) {
    const absl::MutexLock lock(&mutex);
    for (uint64_t s = 1; s <= last; ++s) {
      if (consumed.count(s) == 0 && lost.count(s) == 0) return false;
    }
    return true;
  }

  absl::Mutex mutex;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> stamps;
  std::set<uint64_t> consumed;
  std::set<uint64_t> lost;
  int torn = 0;
  int again = 0;     // delivered after its ack was handed over
  int repeated = 0;  // delivered more than once
};

// A stream whose owner's thread accepts, acks, and now and then breaks.
class StressConsumer final : public Consumer {
 public:
  StressConsumer(const ConsumerOptions& options, Received& received)
      : Consumer(options), explicit_(options.ack_mode == AckMode::kExplicit), received_(received) {}

  // Before it is added.
  void Prepare(Subscription& subscription) { subscription_ = &subscription; }
  // One round of the owner's thread. False: the stream has ended.
  bool Serve(Subscription& subscription) {
    std::deque<Range> acks;
    bool accept = false;
    {
      const absl::MutexLock lock(&mutex_);
      acks.swap(to_ack_);
      accept = std::exchange(sending_, false);
      if (ended_) return false;
    }
    if (!acks.empty()) {
      ConsumerUpdate update;
      for (const Range& r : acks) update.acks.push_back({r.first, r.last});
      for (const Range& r : acks) received_.Consumed(r.first, r.last);
      subscription.Update(this, update);
    }
    if (accept) subscription.Sent(this, true);
    return true;
  }
  void Break(Subscription& subscription, bool sent_first) {
    bool accept = false;
    {
      const absl::MutexLock lock(&mutex_);
      accept = std::exchange(sending_, false);
      broken_ = true;
    }
    if (accept && sent_first) subscription.Sent(this, false);
    subscription.Remove(this);
    if (accept && !sent_first) subscription.Sent(this, false);
  }

  std::atomic<int> sends{0};

 private:
  struct Range {
    uint64_t first;
    uint64_t last;
  };

  void SendStarted(const Started&) override { Sending(); }
  void SendGap(const Gap& gap) override {
    received_.Lost(gap);
    Sending();
  }
  void SendVerdicts(const std::vector<Verdicts>&) override { Sending(); }
  void SendDelivery(const Delivery& delivery) override {
    received_.Note(delivery, !explicit_);
    for (const Run& run : delivery.runs()) {
      if (explicit_) {
        const absl::MutexLock lock(&mutex_);
        to_ack_.push_back({run.first, run.end() - 1});
      } else {
        received_.Consumed(run.first, run.end() - 1);
      }
    }
    Sending();
  }
  void OnEnd(const absl::Status&) override {
    const absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  void Sending() {
    ++sends;
    bool refuse = false;
    {
      const absl::MutexLock lock(&mutex_);
      refuse = broken_;
      sending_ = !refuse;
    }
    if (refuse) subscription_->Sent(this, false);  // on its way when the stream broke
  }

  const bool explicit_;
  Received& received_;
  Subscription* subscription_ = nullptr;
  absl::Mutex mutex_;
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Range> to_ack_ ABSL_GUARDED_BY(mutex_);
};

struct Engine {
  explicit Engine(uint64_t budget_bytes) : options{budget_bytes} {
    options.subscription_defaults.ack_deadline_ms = 60'000;
    options.frame_bytes = 8 << 10;
  }
  ~Engine() {
    broker.reset();
    timers.Stop();
    executor.Stop();
  }
  struct Options : BrokerOptions {
    explicit Options(uint64_t budget) { budget_bytes = budget; }
  } options;
  SystemClock clock;
  ThreadExecutor executor{2};
  AsioTimers timers{executor.pool(), clock};
  std::unique_ptr<Broker> broker = std::make_unique<Broker>(options, executor, clock, timers);
};

// Serves one consumer of a subscription; with `crashes`, breaks it again and again and starts anew.
void Consume(const SubscriptionPtr& subscription, ConsumerOptions options, Received& received,
             uint64_t seed, bool crashes, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  while (!stop) {
    boost::intrusive_ptr<StressConsumer> consumer(new StressConsumer(options, received));
    consumer->Prepare(*subscription);
    subscription->Add(consumer);
    for (uint64_t rounds = 100 + random() % 2'000; !stop && (!crashes || rounds > 0); --rounds) {
      if (!consumer->Serve(*subscription)) return;
      std::this_thread::yield();
    }
    consumer->Break(*subscription, random() % 2 == 0);
  }
}

void Run(FullPolicy policy, uint64_t topic_budget) {
  Received by_acks;
  Received shared;
  uint64_t total = 0;
  {
    Engine engine(8 << 20);
    TopicConfig config;
    config.full_policy = policy;
    config.budget_bytes = topic_budget;
    const TopicPtr topic = engine.broker->CreateTopic("t", config).value();
    const SubscriptionPtr a = engine.broker->UseSubscription("a", "t", {}).value();
    const SubscriptionPtr b = engine.broker->UseSubscription("b", "t", {}).value();
    ConsumerOptions acks;
    acks.ack_mode = AckMode::kExplicit;
    acks.credit.max_messages = 500;
    ConsumerOptions automatic;

    std::atomic<bool> stop{false};
    std::atomic<bool> peeked_over{false};
    std::vector<std::thread> consumers;
    for (uint64_t i = 0; i < 2; ++i) {
      consumers.emplace_back([&, i] { Consume(a, acks, by_acks, Seed() + i, true, stop); });
    }
    consumers.emplace_back([&] { Consume(b, automatic, shared, Seed() + 9, false, stop); });
    // Private ones that come and go, and the housekeeper.
    consumers.emplace_back([&] {
      int came = 0;
      while (!stop) {
        Received ignored;
        const SubscriptionPtr s = engine.broker->UseSubscription("", "t", {}).value();
        boost::intrusive_ptr<StressConsumer> c(new StressConsumer(automatic, ignored));
        c->Prepare(*s);
        s->Add(c);
        (void)Eventually([&] {
          c->Serve(*s);
          return c->sends > 3 || stop;
        });
        c->Break(*s, true);
        if (++came % 10 == 0) engine.broker->Rest();
        if (engine.broker->Stats().held_bytes > (8 << 20) + (256 << 10)) peeked_over = true;
        // `ignored` is used until the subscription has let go of its consumer.
        (void)Eventually([&] { return c->use_count() == 1; });
      }
    });
    std::deque<StressPublisher> publishers;
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 3; ++i) publishers.emplace_back(topic, i + 1);
    for (StressPublisher& p : publishers) threads.emplace_back([&p] { p.Run(); });
    for (std::thread& thread : threads) thread.join();
    for (StressPublisher& p : publishers) total += p.taken;

    CHECK(topic->Stats().next_sequence == total + 1);
    CHECK(Eventually([&] { return by_acks.Complete(total) && shared.Complete(total); },
                     absl::Seconds(30)));
    // Also what has come a second time, while there is somebody to take it.
    CHECK(Eventually([&] { return a->Stats().unconsumed() == 0 && b->Stats().unconsumed() == 0; },
                     absl::Seconds(30)));
    stop = true;
    for (std::thread& thread : consumers) thread.join();
    CHECK(!peeked_over);
  }
  for (Received* received : {&by_acks, &shared}) {
    CHECK(received->torn == 0);
    std::map<uint64_t, uint64_t> last;  // by producer
    int disordered = 0;
    for (const auto& [sequence, stamp] : received->stamps) {
      uint64_t& number = last[stamp.first];
      disordered += received->lost.empty() ? stamp.second != number + 1 : stamp.second <= number;
      number = stamp.second;
    }
    CHECK(disordered == 0);
    if (policy != FullPolicy::kDropOldest) CHECK(received->lost.empty());
  }
  CHECK(shared.repeated == 0);
  CHECK(by_acks.again == 0);
}

TEST_CASE("Engine on threads: nothing is lost, torn or out of order while memory suffices") {
  Run(FullPolicy::kReject, 0);
}

TEST_CASE("Engine on threads: nothing is lost while publishers are refused and try again") {
  Run(FullPolicy::kReject, 256 << 10);
}

TEST_CASE("Engine on threads: nothing is lost while publishers wait for room") {
  Run(FullPolicy::kBlock, 256 << 10);
}

TEST_CASE("Engine on threads: under drop-oldest what is lost is declared lost") {
  Run(FullPolicy::kDropOldest, 256 << 10);
}

}  // namespace
}  // namespace estiba::testing
