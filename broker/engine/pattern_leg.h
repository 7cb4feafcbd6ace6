#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "broker/engine/actor.h"
#include "broker/engine/consumer.h"
#include "broker/engine/pattern_consumer.h"
#include "broker/engine/subscription.h"

namespace estiba {

// A stream's share in one topic of its pattern: an ordinary consumer of that topic's subscription,
// which hands what it is sent to the pattern subscription and waits there until the stream has
// taken it. While it waits it gets nothing more: this is how a stream with credit for one frame
// lets one topic go on at a time, and what makes frames of busy topics take turns.
//
// Threads: Send... and OnEnd come in turns of the topic's subscription; `state` belongs to those of
// the pattern subscription. Lifetime: reference-counted; holds everything it refers to until the
// pattern subscription lets go of it.
class PatternLeg final : public Consumer {
 public:
  enum class What { kNothing, kStarted, kGap, kDelivery };

  PatternLeg(boost::intrusive_ptr<PatternSubscription> owner, PatternConsumerPtr consumer,
             uint32_t number, SubscriptionPtr subscription, const ConsumerOptions& options);
  ~PatternLeg() override;

  struct State {
    bool gone = false;  // it hands on nothing more
    // What the stream was sent and the topic's subscription still counts as outstanding.
    int64_t messages = 0;
    int64_t bytes = 0;
  };
  State state;

  const uint32_t number;
  const SubscriptionPtr subscription;
  const PatternConsumerPtr consumer;

  // What it was sent last; stays until Sent.
  What what = What::kNothing;
  Started started;
  Gap gap;
  Delivery delivery;

  void Sent(bool ok) {
    what = What::kNothing;
    delivery = {};
    subscription->Sent(this, ok);
  }

 protected:
  void SendStarted(const Started& s) override;
  void SendGap(const Gap& g) override;
  void SendDelivery(const Delivery& d) override;
  void SendVerdicts(const std::vector<Verdicts>&) override {}  // they do not wait here
  // Past what waits for credit, to the stream.
  void OnVerdicts(Verdicts verdicts) override;
  void OnEnd(const absl::Status&) override {}  // the pattern subscription ends legs itself
  void OnCreditReturned(uint64_t messages, uint64_t bytes) override;

 private:
  friend class PatternSubscription;

  struct ArrivedCommand final : Command {
    void Run() override;
    PatternLeg* leg = nullptr;
  };
  struct ReturnedCommand final : Command {
    void Run() override;
    PatternLeg* leg = nullptr;
  };
  void Arrive(What w);

  const boost::intrusive_ptr<PatternSubscription> owner_;
  ArrivedCommand arrived_;
  ReturnedCommand returned_;
  std::atomic<bool> returning_{false};
  std::atomic<int64_t> returned_messages_{0};
  std::atomic<int64_t> returned_bytes_{0};
};

}  // namespace estiba
