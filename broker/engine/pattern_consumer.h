#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "broker/engine/actor.h"
#include "broker/engine/consumer.h"

namespace estiba {

class PatternLeg;
class PatternSubscription;

// A topic has come under a pattern, or has gone. Its number stands for it from now on.
struct TopicChange {
  uint32_t number = 0;
  std::string name;
  uint64_t next_sequence = 0;
  bool left = false;
};

// One open Subscribe stream of a pattern, as the engine sees it. rpc derives from it.
//
// Threads and lifetime: as for Consumer, with PatternSubscription in place of Subscription: the
// Send functions and OnEnd come in its turns, one send at a time, each followed by one
// PatternSubscription::Sent; OnEnd is the last call.
class PatternConsumer : public boost::intrusive_ref_counter<PatternConsumer> {
 public:
  explicit PatternConsumer(const ConsumerOptions& options);
  virtual ~PatternConsumer();
  PatternConsumer(const PatternConsumer&) = delete;
  PatternConsumer& operator=(const PatternConsumer&) = delete;

 protected:
  virtual void SendStarted(const Started& started) = 0;
  virtual void SendTopicChanges(const std::vector<TopicChange>& changes) = 0;
  virtual void SendGap(uint32_t topic, const Gap& gap) = 0;
  virtual void SendDelivery(uint32_t topic, const Delivery& delivery) = 0;
  // Exactly-once subscriptions: in the order of the updates of each topic.
  virtual void SendVerdicts(const std::vector<Verdicts>& verdicts) = 0;
  virtual void OnEnd(const absl::Status& status) = 0;

 private:
  friend class PatternLeg;
  friend class PatternSubscription;
  using LegPtr = boost::intrusive_ptr<PatternLeg>;

  struct SentCommand final : Command {
    void Run() override;
    PatternConsumer* consumer = nullptr;
    bool ok = false;
  };

  bool HasCredit() const {
    const auto below = [](int64_t used, uint64_t most) {
      return most == 0 || used < 0 || static_cast<uint64_t>(used) < most;
    };
    return below(outstanding_messages_, options_.credit.max_messages) &&
           below(outstanding_bytes_, options_.credit.max_bytes);
  }
  bool limited() const {
    return options_.credit.max_messages != 0 || options_.credit.max_bytes != 0;
  }
  // All of this belongs to the pattern subscription's turns.
  ConsumerOptions options_;
  boost::intrusive_ptr<PatternSubscription> subscription_;
  bool sending_ = false;
  bool broken_ = false;
  bool removed_ = false;
  bool ending_ = false;               // removed in order; OnEnd waits for the verdicts to be sent
  uint64_t unanswered_ = 0;           // updates whose verdicts are to come
  VerdictQueue verdicts_;             // to be sent
  int64_t outstanding_messages_ = 0;  // below 0: returned before it was sent
  int64_t outstanding_bytes_ = 0;
  absl::flat_hash_map<uint32_t, LegPtr> legs_;  // by the number of their topic
  std::deque<TopicChange> left_;                // to be told
  std::deque<LegPtr> notices_;                  // legs that have something which needs no credit
  std::deque<LegPtr> deliveries_;               // legs that have a delivery, oldest first
  std::deque<LegPtr> parked_;                   // legs that may not go on for want of credit
  std::vector<LegPtr> on_their_way_;            // legs of the send under way
  SentCommand sent_;
};

using PatternConsumerPtr = boost::intrusive_ptr<PatternConsumer>;

}  // namespace estiba
