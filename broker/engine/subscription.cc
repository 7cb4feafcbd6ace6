#include "broker/engine/subscription.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

namespace estiba {
Subscription::Subscription(std::string name, TopicPtr topic, const SubscriptionConfig& config,
                           const Topic::Surroundings& surroundings, uint32_t frame_bytes)
    : Actor(surroundings.executor),
      name_(std::move(name)),
      topic_(std::move(topic)),
      config_(config),
      around_(surroundings),
      frame_bytes_(frame_bytes),
      create_time_ms_(around_.clock.WallMillis()),
      backoff_(config_.retry,
               around_.seed ^ std::hash<std::string>()(name_ + ' ' + topic_->name())),
      bookkeeping_(topic_->storage()),
      used_ms_(around_.clock.SteadyMillis()) {}

// --- From outside -------------------------------------------------------------------------------

void Subscription::Add(ConsumerPtr consumer) {
  Post([self = boost::intrusive_ptr<Subscription>(this), consumer = std::move(consumer)] {
    self->HandleAdd(consumer);
  });
}

void Subscription::Remove(ConsumerPtr consumer) {
  Post([self = boost::intrusive_ptr<Subscription>(this), consumer = std::move(consumer)] {
    self->HandleRemove(consumer, /*in_order=*/false);
  });
}

void Subscription::Remove(ConsumerPtr consumer, absl::Status status) {
  Post([self = boost::intrusive_ptr<Subscription>(this), consumer = std::move(consumer),
        status = std::move(status)] {
    if (consumer->ending_) {
      if (status.ok()) return;
      consumer->ending_ = false;
    } else {
      if (consumer->removed_) return;
      const bool verdicts_first = status.ok() && self->EndsWithVerdicts(*consumer);
      self->HandleRemove(consumer, status.ok());
      if (verdicts_first) return;
    }
    consumer->OnEnd(status);
  });
}

void Subscription::Sent(Consumer* consumer, bool ok) {
  consumer->sent_.ok = ok;
  intrusive_ptr_add_ref(consumer);  // until HandleSent
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

void Subscription::Attached(Attachment attachment) {
  position_.store(attachment.place.sequence(), std::memory_order_release);
  counters_.next_sequence.Set(std::max(attachment.place.sequence(), attachment.look_until));
  counters_.floor_sequence.Set(attachment.again.empty() ? attachment.place.sequence()
                                                        : attachment.again.first());
  Post([self = boost::intrusive_ptr<Subscription>(this),
        attachment = std::move(attachment)]() mutable {
    self->HandleAttached(std::move(attachment));
  });
}

bool Subscription::IdleExpired(int64_t steady_ms) const {
  return config_.idle_expiry_ms != 0 && counters_.consumers.Get() == 0 &&
         steady_ms - used_ms_.load(std::memory_order_relaxed) >= config_.idle_expiry_ms;
}

SubscriptionStats Subscription::Stats() const {
  SubscriptionStats stats;
  stats.figures = counters_.Read();
  if (stats.figures.detached != 0) return stats;
  const uint64_t end = topic_->end_sequence();
  const uint64_t next = std::max(position(), stats.figures.next_sequence);
  stats.backlog_messages = end > next ? end - next : 0;
  return stats;
}

// --- Turns --------------------------------------------------------------------------------------

void Subscription::HandleAttached(Attachment attachment) {
  attached_ = true;
  Begin(std::move(attachment));
  if (ended_) return Detach();
  HandlePoke();
}

void Subscription::HandleMessages() {
  awaiting_ = false;
  intrusive_ptr_release(this);  // taken with Topic::AwaitMessages; the turn holds another
}

void Subscription::HandlePoke() {
  if (!attached_ || ended_) return;
  const uint64_t pokes = topic_->pokes();
  FollowTrim();
  StepOn();
  UpdateFigures();
  followed_.store(pokes, std::memory_order_release);
  topic_->SubscriptionMoved();
}

void Subscription::FollowTrim() {
  const uint64_t trim_to = topic_->trim_to();
  if (trim_to <= trimmed_to_) return;
  trimmed_to_ = trim_to;
  const GapReason reason = topic_->trim_reason();
  CarveWaiting(1, trim_to - 1,
               [&](Redelivery&& r) { AddGap(r.run.first, r.run.end() - 1, reason); });
  leases_.DropMemoryBefore(trim_to);
  uint64_t next = std::max(cursor_.sequence(), pass_over_);
  if (look_ != nullptr) {
    look_->Trim(trim_to);
    next = look_->until();
  }
  if (next < trim_to) AddGap(next, trim_to - 1, reason);
  cursor_.SkipTo(trim_to);
}

void Subscription::StepOn() {
  if (cursor_.sequence() < pass_over_) cursor_.SkipTo(pass_over_);
  cursor_.Peek(1, 1);
}

void Subscription::HandleTimer() {
  timer_armed_ = false;
  if (ended_) return;
  const int64_t now = around_.clock.SteadyMillis();
  leases_.TakeExpired(now, [&](Lease&& lease) {
    counters_.expired_leases.Add(lease.run.count);
    const int64_t delay_ms = backoff_.After(lease.attempt);
    Failed(std::move(lease), delay_ms);
  });
  SettleFailures();
  DropExpired();
  MoveIdleKeys();
  Stragglers stragglers(topic_->storage(), cursor_.sequence());
  leases_.CountIn(stragglers);
  stragglers.Count(redeliveries_);
  if (retries_ != nullptr) retries_->CountIn(stragglers);
  if (dead_ != nullptr) stragglers.Count(dead_->waiting);
  if (ordering_ != nullptr) stragglers.Count(ordering_->blocked());
  leases_.MoveWith(stragglers, now);
  // Redeliveries are on their way out, unless there is nobody to take them.
  if (consumers_.empty()) stragglers.Move(redeliveries_, [](const Redelivery&) { return true; });
  if (retries_ != nullptr) retries_->MoveWith(stragglers);
  if (dead_ != nullptr) stragglers.Move(dead_->waiting, [](const DeadLetter&) { return true; });
  if (ordering_ != nullptr) {
    stragglers.Move(ordering_->blocked(), [](const Blocked&) { return true; });
  }
}

void Subscription::HandleRetry() {
  retry_timer_armed_ = false;
  if (ended_) return;
  const int64_t now = around_.clock.SteadyMillis();
  if (ordering_ != nullptr) ordering_->Advance(now);
  if (retries_ == nullptr) return;
  retries_->TakeDue(now, [&](Redelivery&& r) { redeliveries_.Insert(std::move(r)); });
}

void Subscription::HandleAdd(const ConsumerPtr& consumer) {
  if (consumer->removed_) return EndIfPrivate();
  if (ended_) return consumer->OnEnd(end_status_);
  if (absl::Status status = CheckConsumer(config_, consumer->options_); !status.ok()) {
    consumer->removed_ = true;
    consumer->OnEnd(status);
    return EndIfPrivate();
  }
  consumer->subscription_ = this;
  consumer->sent_.consumer = consumer.get();
  if (consumers_.empty()) {
    consumer->gaps_ = std::exchange(gaps_, {});
  } else {
    // What another has not been told yet may never be, should that one go.
    const Consumer& other = *consumers_.front();
    if (other.gap_in_flight_) consumer->gaps_.push_back(*other.gap_in_flight_);
    consumer->gaps_.insert(consumer->gaps_.end(), other.gaps_.begin(), other.gaps_.end());
  }
  consumers_.push_back(consumer);
  if (ordering_ != nullptr) ordering_->Join(consumer.get());
}

void Subscription::HandleRemove(const ConsumerPtr& consumer, bool in_order) {
  consumer->removed_ = true;  // before it was added, even
  const auto found = std::find(consumers_.begin(), consumers_.end(), consumer);
  if (found == consumers_.end()) {
    consumer->ending_ = false;
    return;
  }
  consumers_.erase(found);
  // What it was being sent is settled by Sent, which is still to come.
  leases_.TakeOf(consumer.get(), [&](Lease&& lease) {
    if (in_order) return Release(std::move(lease));
    const int64_t delay_ms = backoff_.After(lease.attempt);
    Failed(std::move(lease), delay_ms);
  });
  SettleFailures();
  if (ordering_ != nullptr) ordering_->Leave(consumer.get());
  if (consumers_.empty()) {
    NoteUse();
    // What nobody was told before the leases just now, then those.
    std::vector<Gap> gaps;
    if (consumer->gap_in_flight_) gaps.push_back(*consumer->gap_in_flight_);
    for (const Gap& gap : consumer->gaps_) AppendGap(gaps, gap);
    for (const Gap& gap : gaps_) AppendGap(gaps, gap);
    gaps_ = std::move(gaps);
  }
  consumer->gaps_.clear();
  consumer->gap_in_flight_.reset();
  if (consumer->sending_) return leaving_.push_back(consumer.get());
  consumer->subscription_ = nullptr;
  EndIfPrivate();
}

void Subscription::EndIfPrivate() {
  if (name_.empty() && consumers_.empty()) HandleEnd(absl::CancelledError("the stream ended"));
}

void Subscription::HandleSent(Consumer* consumer, bool ok) {
  const ConsumerPtr keep(consumer, /*add_ref=*/false);
  consumer->sending_ = false;
  consumer->broken_ |= !ok;
  if (ok) consumer->gap_in_flight_.reset();
  Delivery sent = std::exchange(consumer->in_flight_, {});
  if (consumer->seeks_ != seeks_) sent = {};  // has been settled by a seek
  if (ok) counters_.acked_messages.Add(sent.messages());
  if (ordering_ != nullptr) {
    if (!ended_) SentOrdered(sent, ok);
  } else if (!ok && !ended_) {
    // Never accepted, so never delivered: it goes out again as the same attempt.
    for (const Run& run : sent.runs()) Redeliver(run, sent.attempt, 0);
  }
  if (!consumer->removed_) return;
  if (ok && consumer->ending_ && EndsWithVerdicts(*consumer)) return;
  leaving_.erase(std::remove(leaving_.begin(), leaving_.end(), consumer), leaving_.end());
  const boost::intrusive_ptr<Subscription> self = std::move(consumer->subscription_);
  if (std::exchange(consumer->ending_, false)) consumer->OnEnd(absl::OkStatus());
  EndIfPrivate();
}

void Subscription::HandleUpdate(const ConsumerPtr& consumer, ConsumerUpdate& update) {
  // (What is said too late is answered, too.)
  if (config_.exactly_once && update.entries() > 0) {
    consumer->OnVerdicts(SettleHeld(*consumer, update));
  }
  if (ended_ || consumer->removed_) return;
  if (!config_.exactly_once) Settle(*consumer, update);
  CreditLimits& credit = consumer->options_.credit;
  if (update.credit.max_messages != 0) credit.max_messages = update.credit.max_messages;
  if (update.credit.max_bytes != 0) credit.max_bytes = update.credit.max_bytes;
  if (consumer->options_.ack_mode == AckMode::kAuto) {
    consumer->GiveBack(update.return_messages, update.return_bytes);
  }
}

void Subscription::Settle(const Consumer& consumer, const ConsumerUpdate& update) {
  for (const SequenceRange& range : update.acks) {
    if (ordering_ != nullptr) {
      AckOrdered(range);
      continue;
    }
    const auto acked = [&](uint64_t count) { counters_.acked_messages.Add(count); };
    leases_.Take(range.first, range.last, [&](Lease&& lease) {
      lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
      acked(lease.run.count);
    });
    // An ack after the deadline still counts if the message has not gone out again.
    CarveWaiting(range.first, range.last, [&](Redelivery&& r) { acked(r.run.count); });
  }
  const auto nack = [&](const SequenceRange& range, int64_t delay_ms) {
    // Only what this consumer holds: it may be late, and another's lease still good.
    leases_.TakeOf(&consumer, range.first, range.last, [&](Lease&& lease) {
      counters_.nacked_messages.Add(lease.run.count);
      const int64_t wait_ms = delay_ms == kByPolicy ? backoff_.After(lease.attempt) : delay_ms;
      Failed(std::move(lease), wait_ms);
    });
  };
  for (const SequenceRange& range : update.nacks) nack(range, kByPolicy);
  for (const DelayedNack& n : update.delayed_nacks) nack(n.range, n.delay_ms);
  for (const Termination& t : update.terminations) {
    if (config_.dead_letter.max_attempts == 0) break;
    const auto reason = std::make_shared<const std::string>(t.reason);
    leases_.TakeOf(&consumer, t.range.first, t.range.last,
                   [&](Lease&& lease) { Terminate(std::move(lease), reason); });
  }
  const int64_t now = around_.clock.SteadyMillis();
  for (const Extension& e : update.extensions) {
    if (e.deadline_ms == 0) {
      nack(e.range, kByPolicy);
    } else {
      leases_.Extend(e.range.first, e.range.last, &consumer, now + e.deadline_ms);
    }
  }
  SettleFailures();
}

void Subscription::HandleEnd(const absl::Status& status) {
  if (ended_) return;
  ended_ = true;
  end_status_ = status;
  for (const ConsumerPtr& consumer : consumers_) {
    consumer->removed_ = true;
    if (!consumer->sending_) consumer->subscription_ = nullptr;
    consumer->OnEnd(status);
  }
  consumers_.clear();
  if (attached_) Detach();
}

void Subscription::Detach() {
  AbandonLook();
  UpdateFigures();
  leases_ = {};
  if (retries_ != nullptr) {
    retries_->Carve(1, std::numeric_limits<uint64_t>::max(),
                    [&](Redelivery&& r) { redeliveries_.Insert(std::move(r)); });
  }
  LeaveDeadLetters();
  if (ordering_ != nullptr) {
    ordering_->Carve(1, std::numeric_limits<uint64_t>::max(), /*only_delivered=*/false,
                     [&](Blocked&& b) {
                       redeliveries_.Insert({std::move(b.run), b.attempt});
                     });
    ordering_.reset();
  }
  bookkeeping_.Set(0);
  topic_->Detach(this, std::move(cursor_), std::exchange(redeliveries_, {}));
}

void Subscription::EndTurn() {
  if (!attached_ || ended_) return;
  if (look_ != nullptr) LookOn();
  if (ended_) return;
  if (look_ == nullptr) {
    BeginScan();
    SendDeadLetters();
    Dispatch();
  }
  StepOn();
  if (look_ == nullptr) EndScan();
  if (cursor_.TakeLeft()) topic_->SubscriptionMoved();
  ArmTimer();
  ArmRetryTimer();
  bookkeeping_.Set(BookkeepingBytes());
  UpdateFigures();
}

}  // namespace estiba
