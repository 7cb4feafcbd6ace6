#include "broker/engine/subscription.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace estiba {
namespace {

// Longest time between two looks at the leases.
constexpr int64_t kLookMs = 1'000;
// Gaps that are remembered one by one; more of them are run together.
constexpr size_t kMaxGaps = 1'000;

void AppendGap(std::vector<Gap>& gaps, const Gap& gap) {
  if (!gaps.empty() && gaps.back().reason == gap.reason && gaps.back().last + 1 == gap.first) {
    gaps.back().last = gap.last;
  } else if (gaps.size() < kMaxGaps) {
    gaps.push_back(gap);
  } else {
    gaps.back().last = std::max(gaps.back().last, gap.last);
  }
}

}  // namespace

void Consumer::SentCommand::Run() { consumer->subscription_->HandleSent(consumer, ok); }

Subscription::Subscription(std::string name, TopicPtr topic, const SubscriptionConfig& config,
                           const Topic::Surroundings& surroundings, uint32_t frame_bytes)
    : Actor(surroundings.executor),
      name_(std::move(name)),
      topic_(std::move(topic)),
      config_(config),
      around_(surroundings),
      frame_bytes_(frame_bytes),
      create_time_ms_(around_.clock.WallMillis()) {
  messages_arrived_.subscription = poke_.subscription = timer_due_.subscription = this;
  messages_arrived_.function = &Subscription::HandleMessages;
  poke_.function = &Subscription::HandlePoke;
  timer_due_.function = &Subscription::HandleTimer;
}

// --- From outside -------------------------------------------------------------------------------

void Subscription::Add(ConsumerPtr consumer) {
  Post([self = boost::intrusive_ptr<Subscription>(this), consumer = std::move(consumer)] {
    if (self->ended_) return consumer->OnEnd(self->end_status_);
    consumer->subscription_ = self;
    consumer->sent_.consumer = consumer.get();
    consumer->gaps_ = std::exchange(self->gaps_, {});
    self->consumers_.push_back(consumer);
  });
}

void Subscription::Remove(ConsumerPtr consumer) {
  Post([self = boost::intrusive_ptr<Subscription>(this), consumer = std::move(consumer)] {
    self->HandleRemove(consumer);
  });
}

void Subscription::Sent(Consumer* consumer, bool ok) {
  consumer->sent_.ok = ok;
  Send(&consumer->sent_);
}

void Subscription::Update(ConsumerPtr consumer, ConsumerUpdate update) {
  Post([self = boost::intrusive_ptr<Subscription>(this), consumer = std::move(consumer),
        update = std::move(update)]() mutable { self->HandleUpdate(consumer, update); });
}

void Subscription::End(absl::Status status) {
  Post([self = boost::intrusive_ptr<Subscription>(this), status = std::move(status)] {
    self->HandleEnd(status);
  });
}

void Subscription::Attached(Cursor place, uint64_t pass_over, const Gap& gap) {
  position_.store(place.sequence(), std::memory_order_release);
  Post([self = boost::intrusive_ptr<Subscription>(this), place = std::move(place), pass_over,
        gap]() mutable { self->HandleAttached(std::move(place), pass_over, gap); });
}

void Subscription::Poke() {
  if (!poke_.pending.exchange(true, std::memory_order_acq_rel)) Send(&poke_);
}

SubscriptionStats Subscription::Stats() const {
  SubscriptionStats stats;
  stats.figures = counters_.Read();
  const uint64_t end = topic_->end_sequence();
  const uint64_t next = position();
  stats.backlog_messages = end > next ? end - next : 0;
  return stats;
}

// --- Turns --------------------------------------------------------------------------------------

void Subscription::HandleAttached(Cursor place, uint64_t pass_over, const Gap& gap) {
  cursor_ = std::move(place);
  pass_over_ = pass_over;
  attached_ = true;
  if (ended_) return Detach();
  if (gap.first != 0) AddGap(gap.first, gap.last, gap.reason);
  HandlePoke();
}

void Subscription::HandlePoke() {
  poke_.pending.store(false, std::memory_order_release);
  if (!attached_ || ended_) return;
  FollowTrim();
  cursor_.Peek(1, 1);  // steps out of a segment that has ended
}

void Subscription::FollowTrim() {
  const uint64_t trim_to = topic_->trim_to();
  if (trim_to <= followed_to()) return;
  const GapReason reason = topic_->trim_reason();
  if (!redeliveries_.empty()) {
    redeliveries_.Carve(redeliveries_.first(), trim_to - 1,
                        [&](Redelivery&& r) { AddGap(r.run.first, r.run.end() - 1, reason); });
  }
  leases_.DropBytesBefore(trim_to);
  const uint64_t next = std::max(cursor_.sequence(), pass_over_);
  if (next < trim_to) AddGap(next, trim_to - 1, reason);
  cursor_.SkipTo(trim_to);
  cursor_.Peek(1, 1);
  UpdateFigures();
  followed_to_.store(trim_to, std::memory_order_release);
  topic_->SubscriptionMoved();
}

void Subscription::HandleTimer() {
  timer_armed_ = false;
  if (ended_) return;
  const int64_t now = around_.clock.SteadyMillis();
  leases_.TakeExpired(now, [&](Lease&& lease) {
    counters_.expired_leases.Add(lease.run.count);
    Redeliver(std::move(lease));
  });
  leases_.MoveStragglers(now, cursor_.sequence(), topic_->storage());
}

void Subscription::HandleRemove(const ConsumerPtr& consumer) {
  const auto found = std::find(consumers_.begin(), consumers_.end(), consumer);
  if (found == consumers_.end()) return;
  consumers_.erase(found);
  consumer->removed_ = true;
  // What it was being sent is settled by Sent, which is still to come.
  leases_.TakeOf(consumer.get(), [&](Lease&& lease) { Redeliver(std::move(lease)); });
  for (const Gap& gap : consumer->gaps_) AddGap(gap.first, gap.last, gap.reason);
  consumer->gaps_.clear();
  if (!consumer->sending_) consumer->subscription_ = nullptr;
  if (name_.empty() && consumers_.empty() && !consumer->sending_) {
    HandleEnd(absl::CancelledError("the stream ended"));
  }
}

void Subscription::HandleSent(Consumer* consumer, bool ok) {
  const ConsumerPtr keep(consumer);
  consumer->sending_ = false;
  if (!consumer->in_flight_.run.empty()) {
    Delivery sent = std::exchange(consumer->in_flight_, {});
    if (ok) {
      counters_.acked_messages.Add(sent.run.count);
    } else if (!ended_ && !(name_.empty() && consumer->removed_)) {
      // Never accepted, so never delivered: it goes out again as the same attempt.
      redeliveries_.Insert({std::move(sent.run), sent.attempt});
    } else if (!ended_) {
      // A private subscription's last frame: it stays in the log, for the next subscription.
      position_.store(sent.run.first, std::memory_order_release);
      cursor_ = std::move(consumer->in_flight_place_);
    }
    consumer->in_flight_place_.Reset();
    if (consumer->in_flight_place_.TakeLeft()) topic_->SubscriptionMoved();
  }
  if (!consumer->removed_) return;
  consumer->subscription_ = nullptr;
  if (name_.empty() && consumers_.empty() && !ended_) {
    HandleEnd(absl::CancelledError("the stream ended"));
  }
}

void Subscription::HandleUpdate(const ConsumerPtr& consumer, ConsumerUpdate& update) {
  if (ended_ || consumer->removed_) return;
  for (const SequenceRange& range : update.acks) {
    const auto acked = [&](uint64_t count) { counters_.acked_messages.Add(count); };
    leases_.Take(range.first, range.last, [&](Lease&& lease) {
      lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
      acked(lease.run.count);
    });
    // An ack after the deadline still counts if the message has not gone out again.
    redeliveries_.Carve(range.first, range.last, [&](Redelivery&& r) { acked(r.run.count); });
  }
  const auto nack = [&](const SequenceRange& range) {
    leases_.Take(range.first, range.last, [&](Lease&& lease) {
      counters_.nacked_messages.Add(lease.run.count);
      Redeliver(std::move(lease));
    });
  };
  for (const SequenceRange& range : update.nacks) nack(range);
  const int64_t now = around_.clock.SteadyMillis();
  for (const Extension& e : update.extensions) {
    if (e.deadline_ms == 0) {
      nack(e.range);
    } else {
      leases_.Extend(e.range.first, e.range.last, consumer.get(), now + e.deadline_ms);
    }
  }
  CreditLimits& credit = consumer->options_.credit;
  if (update.credit.max_messages != 0) credit.max_messages = update.credit.max_messages;
  if (update.credit.max_bytes != 0) credit.max_bytes = update.credit.max_bytes;
  consumer->GiveBack(update.return_messages, update.return_bytes);
}

void Subscription::HandleEnd(const absl::Status& status) {
  if (ended_) return;
  ended_ = true;
  end_status_ = status;
  followed_to_.store(std::numeric_limits<uint64_t>::max(), std::memory_order_release);
  for (const ConsumerPtr& consumer : consumers_) {
    consumer->removed_ = true;
    if (!consumer->sending_) consumer->subscription_ = nullptr;
    consumer->OnEnd(status);
  }
  consumers_.clear();
  if (attached_) Detach();
}

void Subscription::Detach() {
  UpdateFigures();
  const uint64_t unconsumed =
      name_.empty() ? cursor_.sequence() : std::numeric_limits<uint64_t>::max();
  leases_ = {};
  redeliveries_ = {};
  std::vector<Cursor> places;
  places.push_back(std::move(cursor_));
  topic_->Detach(this, unconsumed, std::move(places));
}

void Subscription::EndTurn() {
  if (!attached_ || ended_) return;
  Dispatch();
  if (cursor_.TakeLeft()) topic_->SubscriptionMoved();
  ArmTimer();
  UpdateFigures();
}

// --- Delivery -----------------------------------------------------------------------------------

void Subscription::Dispatch() {
  for (;;) {
    uint32_t ready = 0;
    for (const ConsumerPtr& c : consumers_) ready += !c->sending_ && c->HasCredit();
    bool wants_messages = false;
    for (size_t i = 0; i < consumers_.size(); ++i) {
      Consumer& consumer = *consumers_[(next_consumer_ + i) % consumers_.size()];
      if (consumer.sending_) continue;
      const bool sent = SendNext(consumer, std::max(ready, 1u));
      wants_messages |= !sent && consumer.HasCredit();
      ready -= sent && ready > 0;
    }
    if (!consumers_.empty()) next_consumer_ = (next_consumer_ + 1) % consumers_.size();
    if (!wants_messages || awaiting_) return;
    awaiting_ = true;
    topic_->AwaitMessages(this);
    // Messages may have come just before: look again, once.
    if (cursor_.Peek(1, 1).empty()) return;
  }
}

bool Subscription::SendNext(Consumer& consumer, uint32_t ready) {
  if (!consumer.started_) {
    consumer.started_ = consumer.sending_ = true;
    const bool explicit_acks = consumer.options_.ack_mode == AckMode::kExplicit;
    if (consumer.options_.ack_deadline_ms == 0) {
      consumer.options_.ack_deadline_ms = config_.ack_deadline_ms;
    }
    consumer.SendStarted({topic_->name(), name_, std::max(cursor_.sequence(), pass_over_),
                          explicit_acks ? consumer.options_.ack_deadline_ms : 0});
    return true;
  }
  if (!consumer.gaps_.empty()) {
    const Gap gap = consumer.gaps_.front();
    consumer.gaps_.erase(consumer.gaps_.begin());
    consumer.sending_ = true;
    consumer.SendGap(gap);
    return true;
  }
  if (!consumer.HasCredit()) return false;
  Cursor place;
  if (consumer.options_.ack_mode == AckMode::kAuto) place = cursor_.Clone();
  Delivery delivery = NextDelivery(consumer, ready);
  if (delivery.run.empty()) return false;
  const Run& run = delivery.run;
  counters_.delivered_messages.Add(run.count);
  counters_.delivered_bytes.Add(run.bytes);
  topic_->counters().delivered_messages.Add(run.count);
  topic_->counters().delivered_bytes.Add(run.bytes);
  consumer.outstanding_messages_ += run.count;
  consumer.outstanding_bytes_ += run.bytes;
  consumer.sending_ = true;
  if (consumer.options_.ack_mode == AckMode::kAuto) {
    consumer.in_flight_ = delivery;
    consumer.in_flight_place_ = std::move(place);
  } else {
    const int64_t now = around_.clock.SteadyMillis();
    leases_.Grant({run, delivery.attempt, &consumer, now + consumer.options_.ack_deadline_ms, now});
  }
  consumer.SendDelivery(delivery);
  return true;
}

uint32_t Subscription::MostMessages(const Consumer& consumer, uint32_t ready) const {
  uint64_t most = std::numeric_limits<uint32_t>::max();
  if (consumer.options_.credit.max_messages != 0) {
    most = consumer.options_.credit.max_messages - consumer.outstanding_messages_;
  }
  if (ready > 1) {
    // What there is is shared among those who can take it.
    const uint64_t end = topic_->end_sequence();
    const uint64_t available = end > cursor_.sequence() ? end - cursor_.sequence() : 1;
    most = std::min(most, (available + ready - 1) / ready);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(most, std::numeric_limits<uint32_t>::max()));
}

Delivery Subscription::NextDelivery(const Consumer& consumer, uint32_t ready) {
  uint64_t max_bytes = frame_bytes_;
  if (consumer.options_.credit.max_bytes != 0) {
    max_bytes =
        std::min(max_bytes, consumer.options_.credit.max_bytes - consumer.outstanding_bytes_);
  }
  if (!redeliveries_.empty()) {
    Redelivery r = redeliveries_.PopFront();
    const uint32_t offset = r.run.offset;
    const uint32_t index = static_cast<uint32_t>(r.run.first - r.run.segment->base_sequence());
    uint32_t count = std::min(r.run.count, MostMessages(consumer, 1));
    if (r.run.bytes > max_bytes) {
      count = r.run.segment->RunAt(offset, index, static_cast<uint32_t>(max_bytes), count).count;
    }
    Delivery delivery{r.run.TakeFront(count), r.attempt};
    if (!r.run.empty()) redeliveries_.Insert(std::move(r));
    return delivery;
  }
  if (cursor_.sequence() < pass_over_) cursor_.SkipTo(pass_over_);
  const Run run = cursor_.Peek(static_cast<uint32_t>(max_bytes), MostMessages(consumer, ready));
  if (run.empty() || run.first < pass_over_) return {};
  cursor_.Advance(run);
  return {run, 1};
}

void Subscription::Redeliver(Lease lease) {
  lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
  if (lease.run.segment == nullptr) {
    return AddGap(lease.run.first, lease.run.end() - 1, topic_->trim_reason());
  }
  redeliveries_.Insert({std::move(lease.run), lease.attempt + 1});
}

void Subscription::AddGap(uint64_t first, uint64_t last, GapReason reason) {
  counters_.gap_messages.Add(last - first + 1);
  const Gap gap{first, last, reason};
  if (consumers_.empty()) AppendGap(gaps_, gap);
  for (const ConsumerPtr& consumer : consumers_) AppendGap(consumer->gaps_, gap);
}

void Subscription::ArmTimer() {
  if (timer_armed_ || leases_.empty()) return;
  timer_armed_ = true;
  const int64_t now = around_.clock.SteadyMillis();
  const int64_t look = now + std::min(kLookMs, config_.ack_deadline_ms);
  around_.timers.At(std::clamp(leases_.NextDeadline(), now + 1, look), this, &timer_due_);
}

uint64_t Subscription::Floor() {
  uint64_t floor = cursor_ ? std::max(cursor_.sequence(), pass_over_) : position();
  if (!leases_.empty()) floor = std::min(floor, leases_.first());
  if (!redeliveries_.empty()) floor = std::min(floor, redeliveries_.first());
  for (const ConsumerPtr& c : consumers_) {
    if (!c->in_flight_.run.empty()) floor = std::min(floor, c->in_flight_.run.first);
  }
  return floor;
}

void Subscription::UpdateFigures() {
  if (cursor_) position_.store(cursor_.sequence(), std::memory_order_release);
  uint64_t in_flight = 0;
  for (const ConsumerPtr& c : consumers_) in_flight += c->in_flight_.run.count;
  counters_.next_sequence.Set(std::max(position(), pass_over_));
  counters_.floor_sequence.Set(Floor());
  counters_.outstanding_messages.Set(leases_.messages() + in_flight);
  counters_.redeliver_messages.Set(redeliveries_.messages());
  counters_.consumers.Set(consumers_.size());
}

}  // namespace estiba
