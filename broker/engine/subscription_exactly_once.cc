// Subscription: exactly once. What a consumer says counts for what it holds at this moment, and it
// is told what has come of each message it named. Once a lease has ended or moved on the message
// comes again, so what its former holder says must not change anything.
#include <algorithm>
#include <memory>
#include <utility>

#include "broker/engine/subscription.h"

namespace estiba {

// Gives one update its effect.
class Subscription::HeldSettler {
 public:
  HeldSettler(Subscription& subscription, const Consumer& consumer)
      : s_(subscription), consumer_(consumer), now_ms_(s_.around_.clock.SteadyMillis()) {}

  void Ack(const SequenceRange& range) {
    Take(Settlement::kAck, range, [&](Lease&& lease) {
      if (s_.ordering_ == nullptr) return Acked(lease);
      for (bool in_order = true; !lease.run.empty(); in_order = !in_order) {
        // (Asked twice about a message, it says the same.)
        uint32_t count = 0;
        while (count < lease.run.count && s_.AckInOrder(lease.run.first + count) == in_order) {
          ++count;
        }
        if (count == 0) continue;
        Lease part = lease;
        part.run = lease.run.TakeFront(count);
        if (in_order) {
          Acked(part);
        } else {
          Add(Settlement::kAck, part, Outcome::kUnordered);
          kept_.push_back(std::move(part));
        }
      }
    });
    Keep();
  }

  void Nack(Settlement of, const SequenceRange& range, int64_t delay_ms) {
    Take(of, range, [&](Lease&& lease) {
      Add(of, lease, Outcome::kDone);
      s_.counters_.nacked_messages.Add(lease.run.count);
      const int64_t wait_ms = delay_ms == kByPolicy ? s_.backoff_.After(lease.attempt) : delay_ms;
      s_.Failed(std::move(lease), wait_ms);
    });
  }

  void Terminate(const Termination& termination) {
    constexpr Settlement kOf = Settlement::kTermination;
    const auto reason = std::make_shared<const std::string>(termination.reason);
    Take(kOf, termination.range, [&](Lease&& lease) {
      Add(kOf, lease, Outcome::kDone);
      s_.Terminate(std::move(lease), reason);
    });
  }

  void Extend(const SequenceRange& range, int64_t deadline_ms) {
    Take(Settlement::kExtension, range, [&](Lease&& lease) {
      Add(Settlement::kExtension, lease, Outcome::kDone);
      lease.deadline_ms = now_ms_ + deadline_ms;
      kept_.push_back(std::move(lease));
    });
    Keep();
  }

  Verdicts verdicts;

 private:
  // Takes out what the consumer holds of the range, and calls f(Lease&&), which adds the verdict.
  template <typename F>
  void Take(Settlement of, const SequenceRange& range, F&& f) {
    uint64_t next = range.first;
    s_.leases_.TakeHeld(&consumer_, range.first, range.last, now_ms_, [&](Lease&& lease) {
      if (next < lease.run.first) verdicts.Add(of, next, lease.run.first - 1, Outcome::kRefused);
      next = lease.run.end();
      f(std::move(lease));
    });
    if (next <= range.last) verdicts.Add(of, next, range.last, Outcome::kRefused);
  }
  void Acked(const Lease& lease) {
    Add(Settlement::kAck, lease, Outcome::kDone);
    lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
    s_.counters_.acked_messages.Add(lease.run.count);
  }
  void Add(Settlement of, const Lease& lease, Outcome outcome) {
    verdicts.Add(of, lease.run.first, lease.run.end() - 1, outcome);
  }
  void Keep() {
    for (Lease& lease : std::exchange(kept_, {})) s_.leases_.Grant(std::move(lease));
  }

  Subscription& s_;
  const Consumer& consumer_;
  const int64_t now_ms_;
  std::vector<Lease> kept_;  // to be held on; added when no more are taken out
};

Verdicts Subscription::SettleHeld(const Consumer& consumer, const ConsumerUpdate& update) {
  HeldSettler settler(*this, consumer);
  for (const SequenceRange& range : MergedRanges(update.acks)) settler.Ack(range);
  for (const SequenceRange& range : MergedRanges(update.nacks)) {
    settler.Nack(Settlement::kNack, range, kByPolicy);
  }
  // Each list sees what the one before it has changed: a message brings back those behind it.
  SettleFailures();
  for (const DelayedNack& n : update.delayed_nacks) {
    settler.Nack(Settlement::kDelayedNack, n.range, n.delay_ms);
  }
  SettleFailures();
  for (const Termination& t : update.terminations) settler.Terminate(t);
  SettleFailures();
  for (const Extension& e : update.extensions) {
    if (e.deadline_ms != 0) {
      settler.Extend(e.range, e.deadline_ms);
      continue;
    }
    settler.Nack(Settlement::kExtension, e.range, kByPolicy);
    SettleFailures();
  }
  settler.verdicts.entries = update.entries();
  CountRefusedAcks(settler.verdicts);
  return std::move(settler.verdicts);
}

void Subscription::CountRefusedAcks(const Verdicts& verdicts) {
  // Of what there is: a range may reach beyond.
  const uint64_t end = topic_->end_sequence();
  for (const Verdict& v : verdicts.list) {
    if (v.of != Settlement::kAck) return;
    if (v.outcome == Outcome::kDone || v.range.first >= end) continue;
    counters_.refused_acks.Add(std::min(v.range.last, end - 1) - v.range.first + 1);
  }
}

bool Subscription::AckInOrder(uint64_t sequence) {
  if (!ordering_->InFlight(sequence)) return true;  // it has no key
  if (!ordering_->IsFirst(sequence)) return false;
  ordering_->Acked(sequence, [](uint64_t) {});
  return true;
}

bool Subscription::EndsWithVerdicts(Consumer& consumer) {
  if (consumer.broken_ || consumer.verdicts_.empty()) return false;
  consumer.ending_ = true;
  if (!consumer.sending_) SendNext(consumer, 1);
  return true;
}

}  // namespace estiba
