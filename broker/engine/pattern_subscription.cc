#include "broker/engine/pattern_subscription.h"

#include <algorithm>
#include <utility>

#include "broker/engine/pattern_directory.h"
#include "broker/engine/pattern_leg.h"

namespace estiba {
namespace {

// For another actor: one that shares nothing. (Abseil counts references to a status in its library,
// where ThreadSanitizer does not see it.)
absl::Status CopyOf(const absl::Status& status) {
  return absl::Status(status.code(), status.message());
}

}  // namespace

PatternSubscription::PatternSubscription(std::string name, std::string pattern,
                                         const SubscriptionConfig& config,
                                         const Topic::Surroundings& surroundings,
                                         uint32_t frame_bytes,
                                         std::shared_ptr<PatternDirectory> directory)
    : Actor(surroundings.executor),
      name_(std::move(name)),
      pattern_(std::move(pattern)),
      config_(config),
      around_(surroundings),
      frame_bytes_(frame_bytes),
      directory_(std::move(directory)),
      create_time_ms_(around_.clock.WallMillis()),
      incarnation_(name_.empty() ? around_.incarnations->broker() : around_.incarnations->Next()) {}

// --- From outside -------------------------------------------------------------------------------

void PatternSubscription::Add(PatternConsumerPtr consumer) {
  Post([self = PatternSubscriptionPtr(this), consumer = std::move(consumer)] {
    self->HandleAdd(consumer);
  });
}

void PatternSubscription::Remove(PatternConsumerPtr consumer) {
  Post([self = PatternSubscriptionPtr(this), consumer = std::move(consumer)] {
    consumer->ending_ = false;
    self->HandleRemove(consumer);
  });
}

void PatternSubscription::Remove(PatternConsumerPtr consumer, absl::Status status) {
  Post([self = PatternSubscriptionPtr(this), consumer = std::move(consumer),
        status = std::move(status)] {
    if (consumer->removed_ && !(consumer->ending_ && !status.ok())) return;
    // What has been said is answered first.
    const bool in_order = status.ok() && !consumer->broken_;
    consumer->ending_ = in_order && (consumer->unanswered_ > 0 || !consumer->verdicts_.empty());
    self->HandleRemove(consumer);
    if (!consumer->ending_) return consumer->OnEnd(status);
    self->SendNext(*consumer);
  });
}

void PatternSubscription::Sent(PatternConsumer* consumer, bool ok) {
  consumer->sent_.ok = ok;
  intrusive_ptr_add_ref(consumer);  // until HandleSent
  Send(&consumer->sent_);
}

void PatternSubscription::Update(PatternConsumerPtr consumer,
                                 std::vector<std::pair<uint32_t, ConsumerUpdate>> topics,
                                 ConsumerUpdate credit) {
  Post([self = PatternSubscriptionPtr(this), consumer = std::move(consumer),
        topics = std::move(topics),
        credit = std::move(credit)]() mutable { self->HandleUpdate(consumer, topics, credit); });
}

void PatternSubscription::End(absl::Status status) {
  Post([self = PatternSubscriptionPtr(this), status = std::move(status)] {
    self->HandleEnd(status);
  });
}

SubscriptionStats PatternSubscription::Stats() const {
  SubscriptionStats sum;
  absl::MutexLock lock(&members_mutex_);
  for (const Member& member : members_) {
    const SubscriptionStats one = member.subscription->Stats();
    sum.backlog_messages += one.backlog_messages;
#define ESTIBA_ADD(name) sum.figures.name += one.figures.name;
    ESTIBA_SUBSCRIPTION_COUNTERS(ESTIBA_ADD)
#undef ESTIBA_ADD
  }
  sum.figures.next_sequence = 0;
  sum.figures.floor_sequence = 0;
  sum.figures.consumers = consumer_count_.load(std::memory_order_relaxed);
  return sum;
}

void PatternSubscription::Join(const TopicPtr& topic, const StartPosition& start) {
  const Member member{++last_number_,
                      new Subscription(name_, topic, config_, around_, frame_bytes_)};
  // Before anything that is published to the topic from now on.
  topic->AttachSoon(member.subscription, start);
  PostDeferred([self = PatternSubscriptionPtr(this), member] { self->HandleJoin(member); });
}

void PatternSubscription::Leave(const TopicPtr& topic) {
  PostDeferred([self = PatternSubscriptionPtr(this), topic] { self->HandleLeave(topic); });
}

// --- Turns: topics ------------------------------------------------------------------------------

void PatternSubscription::HandleJoin(const Member& member) {
  if (ended_) return member.subscription->End(CopyOf(end_status_));
  {
    absl::MutexLock lock(&members_mutex_);
    members_.push_back(member);
  }
  for (const PatternConsumerPtr& consumer : consumers_) AddLeg(*consumer, member);
}

void PatternSubscription::HandleLeave(const TopicPtr& topic) {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& m) {
    return m.subscription->topic() == topic;
  });
  if (found == members_.end()) return;
  const Member member = *found;
  {
    absl::MutexLock lock(&members_mutex_);
    members_.erase(found);
  }
  for (const PatternConsumerPtr& consumer : consumers_) {
    const auto leg = consumer->legs_.find(member.number);
    if (leg == consumer->legs_.end()) continue;
    LetGo(PatternConsumer::LegPtr(leg->second));
    consumer->legs_.erase(member.number);
    consumer->left_.push_back({member.number, topic->name(), 0, /*left=*/true});
    SendNext(*consumer);
  }
}

void PatternSubscription::AddLeg(PatternConsumer& consumer, const Member& member) {
  ConsumerOptions options = consumer.options_;
  // The least that can be asked for; Grant says how much it may be.
  if (options.credit.max_messages != 0) options.credit.max_messages = 1;
  if (options.credit.max_bytes != 0) options.credit.max_bytes = 1;
  const PatternConsumer::LegPtr leg(
      new PatternLeg(this, &consumer, member.number, member.subscription, options));
  consumer.legs_.emplace(member.number, leg);
  member.subscription->Add(leg);
}

void PatternSubscription::LetGo(const PatternConsumer::LegPtr& leg) {
  PatternConsumer& consumer = *leg->consumer;
  const bool queued =
      std::erase(consumer.notices_, leg) + std::erase(consumer.deliveries_, leg) > 0;
  const bool parked = std::erase(consumer.parked_, leg) > 0;
  if (consumer.options_.ack_mode == AckMode::kExplicit) {
    consumer.outstanding_messages_ -= leg->state.messages;
    consumer.outstanding_bytes_ -= leg->state.bytes;
  }
  leg->state = {/*gone=*/true};
  leg->subscription->Remove(leg);
  if (queued || parked) leg->Sent(/*ok=*/parked);
}

// --- Turns: streams -----------------------------------------------------------------------------

void PatternSubscription::HandleAdd(const PatternConsumerPtr& consumer) {
  if (consumer->removed_) return EndIfPrivate();
  if (ended_) return consumer->OnEnd(end_status_);
  if (absl::Status status = CheckConsumer(config_, consumer->options_); !status.ok()) {
    consumer->removed_ = true;
    consumer->OnEnd(status);
    return EndIfPrivate();
  }
  consumer->subscription_ = this;
  consumer->sent_.consumer = consumer.get();
  consumers_.push_back(consumer);
  consumer_count_.store(static_cast<uint32_t>(consumers_.size()), std::memory_order_relaxed);
  if (consumer->options_.ack_deadline_ms == 0) {
    consumer->options_.ack_deadline_ms = config_.ack_deadline_ms;
  }
  const bool explicit_acks = consumer->options_.ack_mode == AckMode::kExplicit;
  consumer->sending_ = true;
  consumer->SendStarted({pattern_, name_, 0, explicit_acks ? consumer->options_.ack_deadline_ms : 0,
                         config_.exactly_once, incarnation_});
  for (const Member& member : members_) AddLeg(*consumer, member);
}

void PatternSubscription::HandleRemove(const PatternConsumerPtr& consumer) {
  consumer->removed_ = true;  // before it was added, even
  const auto found = std::find(consumers_.begin(), consumers_.end(), consumer);
  if (found != consumers_.end()) {
    consumers_.erase(found);
    consumer_count_.store(static_cast<uint32_t>(consumers_.size()), std::memory_order_relaxed);
    for (auto& [number, leg] : std::exchange(consumer->legs_, {})) LetGo(leg);
  }
  if (consumer->sending_ || consumer->ending_ || consumer->subscription_ == nullptr) return;
  consumer->subscription_ = nullptr;
  EndIfPrivate();
}

void PatternSubscription::EndIfPrivate() {
  if (name_.empty() && consumers_.empty()) HandleEnd(absl::CancelledError("the stream ended"));
}

void PatternSubscription::HandleEnd(const absl::Status& status) {
  if (ended_) return;
  ended_ = true;
  end_status_ = status;
  for (const PatternConsumerPtr& consumer : std::exchange(consumers_, {})) {
    consumer->removed_ = true;
    for (auto& [number, leg] : std::exchange(consumer->legs_, {})) LetGo(leg);
    if (!consumer->sending_) consumer->subscription_ = nullptr;
    consumer->OnEnd(status);
  }
  consumer_count_.store(0, std::memory_order_relaxed);
  std::vector<Member> members;
  {
    absl::MutexLock lock(&members_mutex_);
    members = std::exchange(members_, {});
  }
  for (const Member& member : members) member.subscription->End(CopyOf(status));
  directory_->Forget(this);
}

void PatternSubscription::HandleSent(PatternConsumer* consumer, bool ok) {
  const PatternConsumerPtr keep(consumer, /*add_ref=*/false);
  consumer->sending_ = false;
  consumer->broken_ |= !ok;
  for (const PatternConsumer::LegPtr& leg : std::exchange(consumer->on_their_way_, {})) {
    if (leg->state.gone || !ok || !consumer->limited()) {
      leg->Sent(ok);
    } else {
      consumer->parked_.push_back(leg);
    }
  }
  if (consumer->removed_) {
    if (consumer->ending_) return SendNext(*consumer);
    const PatternSubscriptionPtr self = std::move(consumer->subscription_);
    return EndIfPrivate();
  }
  Unpark(*consumer);
  SendNext(*consumer);
}

void PatternSubscription::HandleUpdate(const PatternConsumerPtr& consumer,
                                       std::vector<std::pair<uint32_t, ConsumerUpdate>>& topics,
                                       const ConsumerUpdate& credit) {
  if (ended_ || consumer->removed_) return;
  for (auto& [number, update] : topics) {
    const auto leg = consumer->legs_.find(number);
    const bool answered = config_.exactly_once && update.entries() > 0;
    if (leg == consumer->legs_.end()) {
      if (!answered) continue;
      Verdicts verdicts = Refuse(update);
      verdicts.topic = number;
      consumer->verdicts_.Push(std::move(verdicts));
      continue;
    }
    if (answered) ++consumer->unanswered_;
    leg->second->subscription->Update(leg->second, std::move(update));
  }
  CreditLimits& limits = consumer->options_.credit;
  const bool was_limited = consumer->limited();
  if (credit.credit.max_messages != 0) limits.max_messages = credit.credit.max_messages;
  if (credit.credit.max_bytes != 0) limits.max_bytes = credit.credit.max_bytes;
  if (consumer->options_.ack_mode == AckMode::kAuto) {
    const auto give_back = [](int64_t& outstanding, uint64_t n) {
      outstanding -= static_cast<int64_t>(std::min<uint64_t>(n, std::max<int64_t>(outstanding, 0)));
    };
    give_back(consumer->outstanding_messages_, credit.return_messages);
    give_back(consumer->outstanding_bytes_, credit.return_bytes);
  }
  if (!was_limited && consumer->limited()) {
    // Legs that wait for messages now were told that there is no limit.
    for (const auto& [number, leg] : consumer->legs_) {
      ConsumerUpdate least;
      if (limits.max_messages != 0) least.credit.max_messages = 1;
      if (limits.max_bytes != 0) least.credit.max_bytes = 1;
      leg->subscription->Update(leg, std::move(least));
    }
  }
  Unpark(*consumer);
  SendNext(*consumer);
}

}  // namespace estiba
