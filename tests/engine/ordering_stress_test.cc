// The order of keys over many messages, with consumers that nack and crash; seeded.
#include <deque>
#include <random>

#include "absl/strings/numbers.h"
#include "broker/base/wire_writer.h"
#include "broker/queue/record.h"
#include "tests/engine/fixture.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

constexpr uint32_t kKeys = 10'000;
constexpr uint64_t kConsumers = 8;

// What has been published, and what came of it, known by number alone.
struct Account {
  explicit Account(uint64_t messages) : key_of(messages + 1), next_of(messages + 1) {}

  std::vector<uint32_t> key_of;   // by sequence
  std::vector<uint64_t> next_of;  // the next of the key
  std::vector<uint64_t> last_of_key = std::vector<uint64_t>(kKeys);
  std::vector<uint64_t> due_of_key = std::vector<uint64_t>(kKeys);  // not yet acked, first
  uint64_t acked = 0;
  uint64_t repeated = 0;  // delivered when it had been acked
  std::string failure;
};

// Works through what it is sent, in order; nacks some of it, and then forgets what is brought back.
class Worker final : public Consumer {
 public:
  Worker(const SubscriptionPtr& subscription, Account& account, std::mt19937_64& random,
         uint32_t nack_one_in)
      : Consumer(Explicit(500)),
        subscription_(subscription),
        account_(account),
        random_(random),
        nack_one_in_(nack_one_in) {}

  // Handles up to `most` messages.
  bool Work(size_t most) {
    ConsumerUpdate update;
    for (; most > 0 && !queue_.empty(); --most) {
      const uint64_t sequence = queue_.front();
      queue_.pop_front();
      const uint32_t key = account_.key_of[sequence];
      if (const auto it = back_.find(key); it != back_.end()) {
        // Until the one that was nacked comes again, in its place.
        if (sequence != it->second) continue;
        back_.erase(it);
      }
      if (sequence < account_.due_of_key[key]) {
        ++account_.repeated;
        continue;
      }
      if (sequence != account_.due_of_key[key] && account_.failure.empty()) {
        account_.failure = absl::StrCat("message ", sequence, " of key ", key, " comes before ",
                                        account_.due_of_key[key]);
      }
      if (nack_one_in_ != 0 && random_() % nack_one_in_ == 0) {
        back_[key] = sequence;
        update.nacks.push_back({sequence, sequence});
        continue;
      }
      account_.due_of_key[key] = account_.next_of[sequence];
      ++account_.acked;
      update.acks.push_back({sequence, sequence});
    }
    const bool some = !update.acks.empty() || !update.nacks.empty();
    if (some) subscription_->Update(this, std::move(update));
    return some;
  }
  bool ended = false;

 private:
  void SendStarted(const Started&) override { subscription_->Sent(this, true); }
  void SendGap(const Gap&) override {
    if (account_.failure.empty()) account_.failure = "a gap";
    subscription_->Sent(this, true);
  }
  void SendVerdicts(const std::vector<Verdicts>&) override { subscription_->Sent(this, true); }
  void SendDelivery(const Delivery& delivery) override {
    for (const Run& run : delivery.runs()) {
      for (uint64_t s = run.first; s < run.end(); ++s) queue_.push_back(s);
    }
    subscription_->Sent(this, true);
  }
  void OnEnd(const absl::Status&) override { ended = true; }

  const SubscriptionPtr subscription_;
  Account& account_;
  std::mt19937_64& random_;
  const uint32_t nack_one_in_;
  std::deque<uint64_t> queue_;
  std::map<uint32_t, uint64_t> back_;
};
using WorkerPtr = boost::intrusive_ptr<Worker>;

void RunWorkers(uint64_t messages, uint32_t nack_one_in, uint32_t crash_one_in) {
  std::mt19937_64 random(Seed());
  Fixture f;
  const TopicPtr topic = f.Topic("t");
  SubscriptionConfig config;
  config.ordered = true;
  const SubscriptionPtr s = f.broker->CreateSubscription("s", "t", config, {}).value();
  f.Settle();
  Account account(messages);
  std::vector<WorkerPtr> workers;
  const auto hire = [&] {
    workers.push_back(new Worker(s, account, random, nack_one_in));
    s->Add(workers.back());
  };
  for (uint64_t i = 0; i < kConsumers; ++i) hire();
  uint64_t published = 0;
  for (int idle = 0; idle < 3;) {
    std::vector<std::string> bodies;
    const uint64_t wanted = published < messages ? random() % 2'000 : 0;
    while (bodies.size() < wanted && published < messages) {
      const uint32_t key = static_cast<uint32_t>(random() % kKeys);
      std::string body;
      WireWriter(body).Bytes(1, "data");
      WireWriter(body).Bytes(5, absl::StrCat("key-", key));
      bodies.push_back(std::move(body));
      ++published;
      account.key_of[published] = key;
      uint64_t& last = account.last_of_key[key];
      if (last != 0) account.next_of[last] = published;
      // The one that is due was the last, and has been acked.
      if (account.due_of_key[key] == 0) account.due_of_key[key] = published;
      last = published;
    }
    if (!bodies.empty()) {
      f.Publish(topic, bodies);
      f.batches.clear();
    }
    f.Settle();
    bool progress = !bodies.empty();
    for (size_t i = 0; i < workers.size(); ++i) progress |= workers[i]->Work(random() % 400);
    f.Settle();
    if (crash_one_in != 0 && random() % crash_one_in == 0) {
      const size_t unlucky = random() % workers.size();
      s->Remove(workers[unlucky]);
      workers.erase(workers.begin() + static_cast<ptrdiff_t>(unlucky));
      hire();
      f.Settle();
    }
    if (!progress && published == messages) ++idle;
    REQUIRE(account.failure == "");
  }
  CHECK(account.acked == messages);
  if (crash_one_in == 0) CHECK(account.repeated == 0);
  const SubscriptionStats stats = s->Stats();
  CHECK(stats.unconsumed() == 0);
  CHECK(stats.figures.acked_messages >= messages);
  for (const WorkerPtr& worker : workers) s->Remove(worker);
  f.Settle();
}

TEST_CASE("Ordering: a million messages of ten thousand keys, eight consumers that nack") {
  RunWorkers(1'000'000 / kSlowdown, 50, 0);
}

TEST_CASE(
    "Ordering: a million messages of ten thousand keys, eight consumers that nack and crash") {
  RunWorkers(1'000'000 / kSlowdown, 50, 20);
}

}  // namespace
}  // namespace estiba::testing
