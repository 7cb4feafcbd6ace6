#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broker/engine/actor.h"
#include "broker/engine/config.h"
#include "broker/engine/delivery.h"
#include "broker/engine/gap.h"
#include "broker/engine/verdict.h"

namespace estiba {

class Subscription;

// The first thing a consumer is told.
struct Started {
  std::string topic;
  std::string subscription;
  uint64_t next_sequence = 0;
  int64_t ack_deadline_ms = 0;  // 0 with automatic acks
  bool exactly_once = false;
  uint64_t incarnation = 0;  // whose sequences these are
};

struct ConsumerOptions {
  AckMode ack_mode = AckMode::kAuto;
  int64_t ack_deadline_ms = 0;  // 0: the subscription's
  CreditLimits credit;
};

// FAILED_PRECONDITION: subscriptions made so do not take such consumers.
absl::Status CheckConsumer(const SubscriptionConfig& config, const ConsumerOptions& options);

// One open Subscribe stream, as the engine sees it. rpc derives from it.
//
// Threads: the Send functions and OnEnd are called in turns of the subscription, one send at a
// time: after each, the implementation calls Subscription::Sent exactly once, from any thread, and
// gets the next one after that. OnEnd is the last call; at an end in order, verdicts that are due
// are sent before it. Lifetime: reference-counted; the
// subscription holds a reference until it has called OnEnd or the consumer was removed.
class Consumer : public boost::intrusive_ref_counter<Consumer> {
 public:
  explicit Consumer(const ConsumerOptions& options);
  virtual ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  const ConsumerOptions& options() const { return options_; }

 protected:
  virtual void SendStarted(const Started& started) = 0;
  virtual void SendGap(const Gap& gap) = 0;
  virtual void SendDelivery(const Delivery& delivery) = 0;
  // Exactly-once subscriptions: what the consumer's updates have come to, in their order.
  virtual void SendVerdicts(const std::vector<Verdicts>& verdicts) = 0;
  // The stream is to end with this status. No send is made after it; one may be under way.
  virtual void OnEnd(const absl::Status& status) = 0;
  // What an update has come to: once for each that has entries, in their order, also when the
  // consumer is gone. As it is here, they wait for SendVerdicts.
  virtual void OnVerdicts(Verdicts verdicts);
  // Outstanding messages are no longer. In a turn, as the others; must be quick.
  virtual void OnCreditReturned(uint64_t /*messages*/, uint64_t /*bytes*/) {}

 private:
  friend class Subscription;

  struct SentCommand final : Command {
    void Run() override;
    Consumer* consumer = nullptr;
    bool ok = false;
  };

  bool HasCredit() const {
    return (options_.credit.max_messages == 0 ||
            outstanding_messages_ < options_.credit.max_messages) &&
           (options_.credit.max_bytes == 0 || outstanding_bytes_ < options_.credit.max_bytes);
  }
  bool CanTakeMore() const { return !sending_ && !broken_; }
  void GiveBack(uint64_t messages, uint64_t bytes) {
    outstanding_messages_ -= messages < outstanding_messages_ ? messages : outstanding_messages_;
    outstanding_bytes_ -= bytes < outstanding_bytes_ ? bytes : outstanding_bytes_;
    OnCreditReturned(messages, bytes);
  }

  // All of this belongs to the subscription's turns.
  ConsumerOptions options_;
  boost::intrusive_ptr<Subscription> subscription_;
  bool started_ = false;
  bool sending_ = false;
  bool broken_ = false;  // a send was not accepted; nothing more is sent
  bool removed_ = false;
  bool ending_ = false;  // removed in order; OnEnd waits for the verdicts to be sent
  uint64_t outstanding_messages_ = 0;
  uint64_t outstanding_bytes_ = 0;
  std::vector<Gap> gaps_;             // to be told, oldest first
  std::optional<Gap> gap_in_flight_;  // being told
  VerdictQueue verdicts_;             // to be sent
  // With automatic acks: what is being sent, for the case that it cannot be.
  Delivery in_flight_;
  uint64_t seeks_ = 0;  // of the subscription, when that was
  SentCommand sent_;
};

using ConsumerPtr = boost::intrusive_ptr<Consumer>;

}  // namespace estiba
