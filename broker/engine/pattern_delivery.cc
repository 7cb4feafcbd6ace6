// PatternSubscription: what goes out to its streams, and whose turn it is.
#include <algorithm>
#include <utility>

#include "broker/engine/pattern_leg.h"
#include "broker/engine/pattern_subscription.h"

namespace estiba {

void PatternSubscription::HandleArrived(const PatternConsumer::LegPtr& leg) {
  PatternConsumer& consumer = *leg->consumer;
  if (leg->state.gone) return leg->Sent(false);
  const bool delivery = leg->what == PatternLeg::What::kDelivery;
  (delivery ? consumer.deliveries_ : consumer.notices_).push_back(leg);
  SendNext(consumer);
}

void PatternSubscription::SendNext(PatternConsumer& consumer) {
  if (consumer.ending_) EndIfAnswered(consumer);
  if (consumer.sending_ || consumer.broken_ || (consumer.removed_ && !consumer.ending_)) return;
  if (!consumer.verdicts_.empty()) {
    consumer.sending_ = true;
    return consumer.SendVerdicts(consumer.verdicts_.TakeFrame());
  }
  if (consumer.removed_) return;
  constexpr size_t kMostChanges = 1'000;
  std::vector<TopicChange> changes;
  while (!consumer.left_.empty() && changes.size() < kMostChanges) {
    changes.push_back(std::move(consumer.left_.front()));
    consumer.left_.pop_front();
  }
  while (!consumer.notices_.empty() && changes.size() < kMostChanges &&
         consumer.notices_.front()->what == PatternLeg::What::kStarted) {
    PatternConsumer::LegPtr leg = std::move(consumer.notices_.front());
    consumer.notices_.pop_front();
    changes.push_back(
        {leg->number, leg->started.topic, leg->started.next_sequence, /*left=*/false});
    consumer.on_their_way_.push_back(std::move(leg));
  }
  if (!changes.empty()) {
    consumer.sending_ = true;
    return consumer.SendTopicChanges(changes);
  }
  const bool notice = !consumer.notices_.empty();
  if (!notice && (consumer.deliveries_.empty() || !consumer.HasCredit())) return;
  std::deque<PatternConsumer::LegPtr>& queue = notice ? consumer.notices_ : consumer.deliveries_;
  const PatternConsumer::LegPtr leg = std::move(queue.front());
  queue.pop_front();
  consumer.on_their_way_.push_back(leg);
  consumer.sending_ = true;
  if (notice) return consumer.SendGap(leg->number, leg->gap);
  const int64_t messages = leg->delivery.messages();
  const int64_t bytes = static_cast<int64_t>(leg->delivery.bytes());
  leg->state.messages += messages;
  leg->state.bytes += bytes;
  consumer.outstanding_messages_ += messages;
  consumer.outstanding_bytes_ += bytes;
  consumer.SendDelivery(leg->number, leg->delivery);
}

void PatternSubscription::HandleVerdicts(const PatternLeg& leg, Verdicts verdicts) {
  PatternConsumer& consumer = *leg.consumer;
  --consumer.unanswered_;
  if (consumer.removed_ && !consumer.ending_) return;
  verdicts.topic = leg.number;
  consumer.verdicts_.Push(std::move(verdicts));
  SendNext(consumer);
}

void PatternSubscription::EndIfAnswered(PatternConsumer& consumer) {
  const bool done = consumer.unanswered_ == 0 && consumer.verdicts_.empty();
  if (consumer.sending_ || !(done || consumer.broken_)) return;
  consumer.ending_ = false;
  const PatternSubscriptionPtr self = std::move(consumer.subscription_);
  consumer.OnEnd(absl::OkStatus());
  EndIfPrivate();
}

void PatternSubscription::HandleReturned(const PatternConsumer::LegPtr& leg) {
  const int64_t messages = leg->returned_messages_.exchange(0, std::memory_order_relaxed);
  const int64_t bytes = leg->returned_bytes_.exchange(0, std::memory_order_relaxed);
  if (leg->state.gone) return;  // LetGo has returned all of it
  PatternConsumer& consumer = *leg->consumer;
  // What expires before the stream was sent it is returned first and counted later.
  leg->state.messages -= messages;
  leg->state.bytes -= bytes;
  consumer.outstanding_messages_ -= messages;
  consumer.outstanding_bytes_ -= bytes;
  if (consumer.removed_) return;
  Unpark(consumer);
  SendNext(consumer);
}

void PatternSubscription::Unpark(PatternConsumer& consumer) {
  if (consumer.parked_.empty() || !consumer.HasCredit()) return;
  const uint64_t share = consumer.parked_.size();
  for (const PatternConsumer::LegPtr& leg : std::exchange(consumer.parked_, {})) {
    Grant(*leg, share);
  }
}

void PatternSubscription::Grant(PatternLeg& leg, uint64_t share) {
  PatternConsumer& consumer = *leg.consumer;
  const CreditLimits& limits = consumer.options_.credit;
  const SubscriptionStats stats = leg.subscription->Stats();
  const bool ready = stats.backlog_messages + stats.figures.redeliver_messages > 0;
  // The stream's credit is shared by those who go on at the same time.
  const auto part = [&](uint64_t most, int64_t used) -> uint64_t {
    const uint64_t taken = static_cast<uint64_t>(std::max<int64_t>(used, 0));
    if (!ready || taken >= most) return 1;
    return std::max<uint64_t>((most - taken) / share, 1);
  };
  const auto held = [](int64_t n) { return static_cast<uint64_t>(std::max<int64_t>(n, 0)); };
  ConsumerUpdate update;
  if (consumer.options_.ack_mode == AckMode::kAuto) {
    // The stream's account is kept here; the leg's begins anew with each frame.
    update.return_messages = held(leg.state.messages);
    update.return_bytes = held(leg.state.bytes);
    leg.state.messages = leg.state.bytes = 0;
  }
  if (limits.max_messages != 0) {
    update.credit.max_messages =
        held(leg.state.messages) + part(limits.max_messages, consumer.outstanding_messages_);
  }
  if (limits.max_bytes != 0) {
    update.credit.max_bytes =
        held(leg.state.bytes) + part(limits.max_bytes, consumer.outstanding_bytes_);
  }
  leg.subscription->Update(&leg, std::move(update));
  leg.Sent(true);
}

}  // namespace estiba
