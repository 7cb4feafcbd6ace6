// A random program of everything the outside can do to a broker, and the invariants after each of
// its steps.
#ifndef TESTS_ENGINE_SIMULATION_PROGRAM_H_
#define TESTS_ENGINE_SIMULATION_PROGRAM_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/engine/broker.h"
#include "tests/engine/simulation/model.h"
#include "tests/engine/simulation/outside.h"
#include "tests/engine/simulation/world.h"

namespace estiba::testing {

// Runs itself in Run: the same seed and steps, the same outcome. Each step has a seed of its own,
// so that a program goes on much the same when some are left out.
class Program {
 public:
  // trace: where to tell each step; null: nowhere.
  Program(uint64_t seed, std::ostream* trace);
  ~Program();

  // Does the steps with these numbers. Empty: all invariants held. Otherwise what did not, and at
  // which step.
  std::string Run(const std::vector<int>& steps);

 private:
  struct Publisher {
    std::string name;  // empty: no producer
    uint64_t next_batch = 1;
    uint64_t last_taken = 0;
  };
  struct SimTopic {
    std::string name;
    TopicPtr topic;
    TopicConfig config;
    TopicModel model;
    bool deleted = false;
    // Private subscriptions come one after the other, and each takes over from the last.
    bool chain = false;
    bool had_subscription = false;
    bool retained = false;  // a subscription asks for what is consumed
    std::deque<Publisher> publishers;
    std::deque<std::shared_ptr<Batch>> batches;  // in the order handed over
    size_t first_unanswered = 0;
    uint64_t next_sequence = 1;
    // What is published later, by its time: in this order it gets the sequences that nobody was
    // answered.
    std::multimap<int64_t, std::string> schedule;
    std::set<uint64_t> answered;
    uint64_t unanswered = 0;  // sequences, so far
    bool may_expire = false;
    std::map<std::string, std::pair<uint64_t, uint32_t>> taken;  // producer/batch to answer
    std::map<std::string, int64_t> ids_until;                    // of those in `taken` that are ids
  };
  struct SimSubscription;
  struct SimConsumer {
    StreamPtr stream;
    SimSubscription* subscription = nullptr;
    AckMode mode = AckMode::kExplicit;
    int64_t deadline_ms = 0;
    uint64_t max_messages = 0;
    uint64_t returned_messages = 0;
    uint64_t accepted_messages = 0;
    bool started = false;
    bool removed = false;  // Remove has been called, or it was ended
    bool remove_settled = false;
    bool prompt = false;                 // accepts at once
    bool in_order = false;               // asked to end in order
    std::optional<ConsumerUpdate> said;  // exactly once: to be answered
    bool healthy = false;                // of the last phase: acks everything
  };
  // What takes the dead letters of a subscription.
  struct Undertaker {
    SubscriptionPtr subscription;
    StreamPtr stream;
  };
  enum class Modes { kExplicit, kAuto, kMixed };
  struct SimSubscription {
    std::string name;
    SimTopic* topic = nullptr;
    SubscriptionPtr subscription;
    std::shared_ptr<SubscriptionModel> model;
    Modes modes = Modes::kExplicit;
    SubscriptionConfig config;
    bool ended = false;
    bool paused = false;
    int64_t used_ms = 0;          // when it was in use last, at the earliest
    bool first_of_topic = false;  // gets everything from the beginning
    bool had_snapshot = false;    // has been sought to one
    std::vector<std::unique_ptr<SimConsumer>> consumers;
  };

  struct SimSnapshot {
    SnapshotPtr snapshot;
    SimTopic* topic = nullptr;
    SubscriptionModel::Snapshot model;
  };

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T>
  T* Pick(std::vector<std::unique_ptr<T>>& from) {
    return from.empty() ? nullptr : from[Below(from.size())].get();
  }
  void Fail(const std::string& what);
  void Trace(const std::string& what);
  static std::string Name(const Consumer* c);

  void Reseed(int step);
  void Step();
  void Settle();
  void Check();

  // What a new subscription of a topic is made with.
  SubscriptionConfig RandomConfig(const std::shared_ptr<SubscriptionModel>& model);
  DeadLetterPolicy MakeUndertaker(const std::shared_ptr<SubscriptionModel>& model);
  void MakeTopic();
  void DeleteTopic();
  void Publish();
  void Abandon();
  void Subscribe();
  void AddConsumer(SimSubscription& s, bool healthy);
  void DeleteSubscription();
  void AcceptSend();
  void Update();
  void NackLater(SimConsumer& c);
  // Exactly once.
  void UpdateOnce(SimConsumer& c);
  void Say(SimConsumer& c, const ConsumerUpdate& update);
  void ChangeCredit();
  void Seek();
  void Pause();
  void TakeSnapshot();
  void SeekToSnapshot();
  void Crash();
  void Rest();
  void Advance();

  void Accept(SimConsumer& c, bool ok);
  void Remove(SimConsumer& c);
  void End(SimSubscription& s);
  void Deleted(SimTopic& t);
  SimConsumer* PickConsumer();
  void OnAnswer(SimTopic& topic, Publisher& publisher, Batch& batch);
  void OnTaken(SimTopic& topic, const Batch& batch);
  // Finds out which sequences what has come due has got. Returns how many have none.
  uint64_t LearnSchedule(SimTopic& topic);
  bool Live(const SimTopic& topic) const;  // has a subscription that has not ended
  void OnDelivery(SimConsumer& c, const Delivery& delivery, const Stream::Frame& frame);

  // Consumes everything, looks that nothing is missing, deletes everything, looks that nothing is
  // left.
  void Finish();
  void AckAll(SimConsumer& c);

  std::ostream* const trace_;
  const uint64_t seed_;
  std::mt19937_64 random_;
  World world_;
  std::unique_ptr<Broker> broker_;
  std::shared_ptr<Memory> memory_;
  uint64_t limit_ = 0;
  std::vector<std::unique_ptr<SimTopic>> topics_;
  std::vector<std::unique_ptr<SimSubscription>> subscriptions_;
  std::vector<Undertaker> undertakers_;
  uint64_t forced_bytes_ = 0;
  bool letters_moved_ = false;
  bool letters_wait_ = false;  // at the end, for want of memory
  std::vector<SimSnapshot> snapshots_;
  uint64_t names_ = 0;
  int step_ = 0;
  std::string failure_;
};

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_SIMULATION_PROGRAM_H_
