#include "broker/engine/pattern_leg.h"

#include <utility>

#include "broker/engine/pattern_subscription.h"

namespace estiba {

PatternConsumer::PatternConsumer(const ConsumerOptions& options) : options_(options) {}

PatternConsumer::~PatternConsumer() = default;

void PatternConsumer::SentCommand::Run() { consumer->subscription_->HandleSent(consumer, ok); }

PatternLeg::PatternLeg(boost::intrusive_ptr<PatternSubscription> owner, PatternConsumerPtr c,
                       uint32_t n, SubscriptionPtr s, const ConsumerOptions& options)
    : Consumer(options),
      number(n),
      subscription(std::move(s)),
      consumer(std::move(c)),
      owner_(std::move(owner)) {
  arrived_.leg = this;
  returned_.leg = this;
}

PatternLeg::~PatternLeg() = default;

void PatternLeg::SendStarted(const Started& s) {
  started = s;
  Arrive(What::kStarted);
}

void PatternLeg::SendGap(const Gap& g) {
  gap = g;
  Arrive(What::kGap);
}

void PatternLeg::SendDelivery(const Delivery& d) {
  delivery = d;
  Arrive(What::kDelivery);
}

void PatternLeg::Arrive(What w) {
  what = w;
  intrusive_ptr_add_ref(this);  // until the command has run
  owner_->Send(&arrived_);
}

void PatternLeg::ArrivedCommand::Run() {
  const PatternConsumer::LegPtr self(leg, /*add_ref=*/false);
  self->owner_->HandleArrived(self);
}

void PatternLeg::OnVerdicts(Verdicts verdicts) {
  owner_->Post([self = PatternConsumer::LegPtr(this), verdicts = std::move(verdicts)]() mutable {
    self->owner_->HandleVerdicts(*self, std::move(verdicts));
  });
}

void PatternLeg::OnCreditReturned(uint64_t messages, uint64_t bytes) {
  // With automatic acks the stream's account is kept by what the client returns.
  if (options().ack_mode == AckMode::kAuto) return;
  returned_messages_.fetch_add(static_cast<int64_t>(messages), std::memory_order_relaxed);
  returned_bytes_.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  if (returning_.exchange(true, std::memory_order_acq_rel)) return;
  intrusive_ptr_add_ref(this);
  owner_->Send(&returned_);
}

void PatternLeg::ReturnedCommand::Run() {
  const PatternConsumer::LegPtr self(leg, /*add_ref=*/false);
  self->returning_.exchange(false, std::memory_order_acq_rel);
  self->owner_->HandleReturned(self);
}

}  // namespace estiba
