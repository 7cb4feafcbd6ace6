#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "broker/engine/actor.h"
#include "broker/engine/config.h"
#include "broker/engine/pattern_consumer.h"
#include "broker/engine/stats.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {

class PatternDirectory;

// A subscription over all topics that match a pattern: one ordinary subscription for each of them,
// and streams that take from all of these under one credit. Which topics these are is the
// directory's business (PatternDirectory); the ordinary path does not know of patterns at all.
//
// Credit: a stream is sent frames while what is outstanding is below both limits, so the last frame
// may exceed them. Legs into topics where nothing is waiting are left open for one message, so what
// waits here for a stream without credit is about a message for each topic.
// Order: that of each topic; frames of several topics take turns.
//
// Threads: any, for every public member; state changes in its turns.
// Lifetime: reference-counted; the directory holds it until it has ended, and it the directory.
class PatternSubscription final : public Actor {
 public:
  // A private one has an empty name, and ends with its last stream.
  PatternSubscription(std::string name, std::string pattern, const SubscriptionConfig& config,
                      const Topic::Surroundings& surroundings, uint32_t frame_bytes,
                      std::shared_ptr<PatternDirectory> directory);

  const std::string& name() const { return name_; }
  const std::string& pattern() const { return pattern_; }
  const SubscriptionConfig& config() const { return config_; }
  int64_t create_time_ms() const { return create_time_ms_; }

  // As for Subscription.
  void Add(PatternConsumerPtr consumer);
  void Remove(PatternConsumerPtr consumer);
  void Remove(PatternConsumerPtr consumer, absl::Status status);
  void Sent(PatternConsumer* consumer, bool ok);
  // What a stream says: for each topic, by number (unknown ones are passed over); and of its
  // credit.
  void Update(PatternConsumerPtr consumer, std::vector<std::pair<uint32_t, ConsumerUpdate>> topics,
              ConsumerUpdate credit);
  void End(absl::Status status);

  // Over all its topics; sequences are 0, as they have no common meaning.
  SubscriptionStats Stats() const;

  // --- For the directory, one call at a time; nothing runs on the caller's stack ---
  // The topic is one of its own from this position on.
  void Join(const TopicPtr& topic, const StartPosition& start);
  void Leave(const TopicPtr& topic);

 private:
  friend class PatternLeg;
  friend struct PatternConsumer::SentCommand;
  struct Member {
    uint32_t number = 0;
    SubscriptionPtr subscription;
  };

  void HandleJoin(const Member& member);
  void HandleLeave(const TopicPtr& topic);
  void HandleAdd(const PatternConsumerPtr& consumer);
  void HandleRemove(const PatternConsumerPtr& consumer);
  void HandleSent(PatternConsumer* consumer, bool ok);
  void HandleUpdate(const PatternConsumerPtr& consumer,
                    std::vector<std::pair<uint32_t, ConsumerUpdate>>& topics,
                    const ConsumerUpdate& credit);
  void HandleEnd(const absl::Status& status);
  void HandleArrived(const PatternConsumer::LegPtr& leg);
  void HandleReturned(const PatternConsumer::LegPtr& leg);
  void HandleVerdicts(const PatternLeg& leg, Verdicts verdicts);
  // After an end in order, when all verdicts have been sent.
  void EndIfAnswered(PatternConsumer& consumer);
  void EndIfPrivate();

  void AddLeg(PatternConsumer& consumer, const Member& member);
  // The leg hands on nothing more; what it was sent goes back, but for what is on its way out.
  void LetGo(const PatternConsumer::LegPtr& leg);
  // The stream's next send, if there is one and it may be made.
  void SendNext(PatternConsumer& consumer);
  // Lets legs go on that had to wait for credit.
  void Unpark(PatternConsumer& consumer);
  void Grant(PatternLeg& leg, uint64_t share);

  const std::string name_;
  const std::string pattern_;
  const SubscriptionConfig config_;
  Topic::Surroundings around_;
  const uint32_t frame_bytes_;
  const std::shared_ptr<PatternDirectory> directory_;
  const int64_t create_time_ms_;
  // Whose numbers the topics have. A private one's go with its stream, and it says the broker's:
  // that is what its start was meant for.
  const uint64_t incarnation_;

  uint32_t last_number_ = 0;  // the directory's calls
  // Changed in turns only; the mutex is for Stats, which reads from outside.
  mutable absl::Mutex members_mutex_;
  std::vector<Member> members_;
  std::vector<PatternConsumerPtr> consumers_;
  bool ended_ = false;
  absl::Status end_status_;
  std::atomic<uint32_t> consumer_count_{0};
};

using PatternSubscriptionPtr = boost::intrusive_ptr<PatternSubscription>;

}  // namespace estiba
