// Subscription: what goes to which consumer, and what is to go out again.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// Longest time between two looks at the leases.
constexpr int64_t kLookMs = 1'000;
// Longest time between two looks at what waits for its time: a timer cannot be taken back, and one
// that is to come sooner may be added.
constexpr int64_t kRetryLookMs = 100;

}  // namespace

void Subscription::Dispatch() {
  for (;;) {
    uint32_t ready = 0;
    for (const ConsumerPtr& c : consumers_) ready += c->CanTakeMore() && c->HasCredit();
    bool wants_messages = false;
    for (size_t i = 0; i < consumers_.size(); ++i) {
      Consumer& consumer = *consumers_[(next_consumer_ + i) % consumers_.size()];
      if (!consumer.CanTakeMore()) continue;
      const bool sent = SendNext(consumer, std::max(ready, 1u));
      wants_messages |= !sent && !paused_ && consumer.HasCredit();
      ready -= sent && ready > 0;
    }
    if (!consumers_.empty()) next_consumer_ = (next_consumer_ + 1) % consumers_.size();
    if (std::exchange(blocked_some_, false)) continue;
    if (!wants_messages || awaiting_ || scan_left_ == 0) return;
    AwaitMessages();
    // Messages may have come just before: look again, once.
    if (cursor_.Peek(1, 1).empty()) return;
  }
}

void Subscription::AwaitMessages() {
  awaiting_ = true;
  intrusive_ptr_add_ref(this);  // until HandleMessages
  topic_->AwaitMessages(this);
}

bool Subscription::SendNext(Consumer& consumer, uint32_t ready) {
  if (!consumer.started_) {
    consumer.started_ = consumer.sending_ = true;
    const bool explicit_acks = consumer.options_.ack_mode == AckMode::kExplicit;
    if (consumer.options_.ack_deadline_ms == 0) {
      consumer.options_.ack_deadline_ms = config_.ack_deadline_ms;
    }
    consumer.SendStarted({topic_->name(), name_, std::max(cursor_.sequence(), pass_over_),
                          explicit_acks ? consumer.options_.ack_deadline_ms : 0,
                          config_.exactly_once, topic_->incarnation()});
    return true;
  }
  if (!consumer.verdicts_.empty()) {
    consumer.sending_ = true;
    consumer.SendVerdicts(consumer.verdicts_.TakeFrame());
    return true;
  }
  if (!consumer.gaps_.empty()) {
    consumer.gap_in_flight_ = consumer.gaps_.front();
    consumer.gaps_.erase(consumer.gaps_.begin());
    consumer.sending_ = true;
    consumer.SendGap(*consumer.gap_in_flight_);
    return true;
  }
  if (paused_ || !consumer.HasCredit()) return false;
  Delivery delivery = NextDelivery(consumer, ready);
  if (delivery.empty()) return false;
  counters_.delivered_messages.Add(delivery.messages());
  counters_.delivered_bytes.Add(delivery.bytes());
  topic_->counters().delivered_messages.Add(delivery.messages());
  topic_->counters().delivered_bytes.Add(delivery.bytes());
  consumer.outstanding_messages_ += delivery.messages();
  consumer.outstanding_bytes_ += delivery.bytes();
  consumer.sending_ = true;
  if (consumer.options_.ack_mode == AckMode::kAuto) {
    consumer.in_flight_ = delivery;
    consumer.seeks_ = seeks_;
  } else {
    const int64_t now = around_.clock.SteadyMillis();
    const int64_t deadline = now + consumer.options_.ack_deadline_ms;
    for (const Run& run : delivery.runs()) {
      leases_.Grant({run, delivery.attempt, &consumer, deadline, now});
    }
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
  while (!redeliveries_.empty()) {
    Delivery again = WithoutExpired(TakeRedeliveries(MostMessages(consumer, 1), ready, max_bytes));
    if (!again.empty()) return again;
  }
  StepOn();
  if (ordering_ != nullptr) {
    return TakeOrdered(consumer, MostMessages(consumer, ready), max_bytes);
  }
  if (config_.filter != nullptr) return TakeMatching(MostMessages(consumer, ready), max_bytes);
  return TakeNext(MostMessages(consumer, ready), max_bytes);
}

Delivery Subscription::TakeNext(uint32_t max_messages, uint64_t max_bytes) {
  Delivery delivery;
  while (delivery.messages() < max_messages && delivery.bytes() < max_bytes && !delivery.full()) {
    const uint64_t room = max_bytes - delivery.bytes();
    const Run run = cursor_.Peek(static_cast<uint32_t>(room), max_messages - delivery.messages());
    if (run.empty() || run.first < pass_over_) break;
    // The first message alone may be larger.
    if (run.bytes > room && !delivery.empty()) break;
    if (MayHaveExpired(*run.segment)) {
      return delivery.empty() ? TakeMatching(max_messages, max_bytes) : delivery;
    }
    cursor_.Advance(run);
    delivery.Add(run);
  }
  return delivery;
}

Delivery Subscription::TakeRedeliveries(uint32_t max_messages, uint32_t ready, uint64_t max_bytes) {
  Delivery delivery;
  delivery.attempt = redeliveries_.entries().begin()->second.attempt;
  // The first run goes to one consumer; further ones as far as there is enough for all.
  const uint64_t share = (redeliveries_.messages() + ready - 1) / ready;
  const uint64_t most = std::min<uint64_t>(max_messages, share);
  do {
    Redelivery r = redeliveries_.PopFront();
    const uint32_t index = static_cast<uint32_t>(r.run.first - r.run.segment->base_sequence());
    const uint64_t room = max_bytes - delivery.bytes();
    uint32_t count = std::min(r.run.count, max_messages - delivery.messages());
    if (r.run.bytes > room) {
      const Run fits =
          r.run.segment->RunAt(r.run.offset, index, static_cast<uint32_t>(room), count);
      count = fits.bytes > room && !delivery.empty() ? 0 : fits.count;
    }
    if (count > 0) delivery.Add(r.run.TakeFront(count));
    if (!r.run.empty()) {
      redeliveries_.Insert(std::move(r));
      break;
    }
  } while (!redeliveries_.empty() && !delivery.full() && delivery.messages() < most &&
           delivery.bytes() < max_bytes &&
           redeliveries_.entries().begin()->second.attempt == delivery.attempt);
  return delivery;
}

void Subscription::Redeliver(Lease lease, int64_t delay_ms) {
  lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
  Redeliver(std::move(lease.run), lease.attempt + 1, delay_ms);
}

void Subscription::Failed(Lease lease, int64_t delay_ms) {
  if (ordering_ != nullptr) {
    failures_.push_back({std::move(lease), delay_ms, true, nullptr});
  } else if (IsDead(lease)) {
    Bury(std::move(lease), nullptr);
  } else {
    Redeliver(std::move(lease), delay_ms);
  }
}

void Subscription::Release(Lease lease) {
  if (ordering_ == nullptr) return Redeliver(std::move(lease), 0);
  failures_.push_back({std::move(lease), 0, false, nullptr});
}

void Subscription::Terminate(Lease lease, std::shared_ptr<const std::string> reason) {
  if (ordering_ == nullptr) return Bury(std::move(lease), reason);
  failures_.push_back({std::move(lease), 0, true, std::move(reason)});
}

void Subscription::CutGivenUp(Run* run) {
  if (run->empty() || run->first >= trimmed_to_) return;
  const uint64_t given_up = std::min<uint64_t>(run->count, trimmed_to_ - run->first);
  const Run front = run->TakeFront(static_cast<uint32_t>(given_up));
  AddGap(front.first, front.end() - 1, topic_->trim_reason());
}

void Subscription::Redeliver(Run run, uint32_t attempt, int64_t delay_ms) {
  CutGivenUp(&run);
  if (run.empty()) return;
  if (delay_ms <= 0) return redeliveries_.Insert({std::move(run), attempt});
  const int64_t now = around_.clock.SteadyMillis();
  if (retries_ == nullptr) retries_ = std::make_unique<RetryQueue>(now);
  // Part of the clock's present millisecond is over.
  retries_->Add({std::move(run), attempt}, now + delay_ms + 1);
}

void Subscription::ArmRetryTimer() {
  // The queue costs more than it is worth to keep.
  if (retries_ != nullptr && retries_->empty()) retries_.reset();
  int64_t next = TimerWheel::kNever;
  if (retries_ != nullptr) next = retries_->NextDue();
  if (ordering_ != nullptr) next = std::min(next, ordering_->NextDue());
  if (retry_timer_armed_ || next == TimerWheel::kNever) return;
  retry_timer_armed_ = true;
  const int64_t now = around_.clock.SteadyMillis();
  around_.timers.At(std::clamp(next, now + 1, now + kRetryLookMs), this, &retry_due_);
}

uint64_t Subscription::BookkeepingBytes() const {
  const uint64_t entries = leases_.size() + redeliveries_.size();
  uint64_t bytes = entries * kEntryBytes;
  if (look_ != nullptr) bytes += look_->bytes();
  if (retries_ != nullptr) bytes += retries_->bytes();
  if (ordering_ != nullptr) bytes += ordering_->bytes();
  if (dead_ != nullptr) {
    bytes += sizeof(DeadLetters) + dead_->batch.encoded_bytes() +
             (dead_->waiting.size() + dead_->batch.letters().size()) * kEntryBytes;
  }
  return bytes;
}

void Subscription::AddGap(uint64_t first, uint64_t last, GapReason reason) {
  counters_.gap_messages.Add(last - first + 1);
  const Gap gap{first, last, reason};
  if (consumers_.empty()) AppendGap(gaps_, gap);
  for (const ConsumerPtr& consumer : consumers_) AppendGap(consumer->gaps_, gap);
}

void Subscription::ArmTimer() {
  const bool blocked = ordering_ != nullptr && !ordering_->blocked().empty();
  if (timer_armed_ || (leases_.empty() && redeliveries_.empty() && retries_ == nullptr &&
                       !blocked && (dead_ == nullptr || dead_->waiting.empty()))) {
    return;
  }
  timer_armed_ = true;
  int64_t look = std::min(kLookMs, config_.ack_deadline_ms);
  for (const ConsumerPtr& c : consumers_) {
    if (c->started_) look = std::min(look, c->options_.ack_deadline_ms);
  }
  const int64_t now = around_.clock.SteadyMillis();
  const int64_t next = leases_.empty() ? now + look : leases_.NextDeadline();
  around_.timers.At(std::clamp(next, now + 1, now + look), this, &timer_due_);
}

uint64_t Subscription::Floor() const {
  uint64_t floor = cursor_ ? std::max(cursor_.sequence(), pass_over_) : position();
  if (!leases_.empty()) floor = std::min(floor, leases_.first());
  if (!redeliveries_.empty()) floor = std::min(floor, redeliveries_.first());
  if (retries_ != nullptr && !retries_->empty()) floor = std::min(floor, retries_->first());
  if (ordering_ != nullptr && !ordering_->blocked().empty()) {
    floor = std::min(floor, ordering_->blocked().first());
  }
  if (dead_ != nullptr) {
    if (!dead_->waiting.empty()) floor = std::min(floor, dead_->waiting.first());
    for (const DeadLetter& d : dead_->batch.letters()) floor = std::min(floor, d.run.first);
  }
  for (const ConsumerPtr& c : consumers_) {
    if (!c->in_flight_.empty()) floor = std::min(floor, c->in_flight_.first());
  }
  return floor;
}

void Subscription::UpdateFigures() {
  if (cursor_) position_.store(cursor_.sequence(), std::memory_order_release);
  uint64_t in_flight = 0;
  for (const ConsumerPtr& c : consumers_) in_flight += c->in_flight_.messages();
  counters_.next_sequence.Set(look_ != nullptr ? look_->until() : std::max(position(), pass_over_));
  counters_.floor_sequence.Set(Floor());
  counters_.outstanding_messages.Set(leases_.messages() + in_flight);
  counters_.redeliver_messages.Set(redeliveries_.messages());
  counters_.dead_letter_waiting.Set(
      dead_ == nullptr ? 0 : dead_->waiting.messages() + dead_->batch.messages());
  counters_.blocked_messages.Set(ordering_ == nullptr ? 0 : ordering_->blocked().messages());
  counters_.delayed_messages.Set(retries_ == nullptr ? 0 : retries_->messages());
  counters_.consumers.Set(consumers_.size());
}

}  // namespace estiba
