// Subscription: beginning at a place, and what it is told besides what its consumers say.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/snapshot.h"
#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// Of from..end-1, what is not in `again`.
std::vector<Gap> Without(const IntervalMap<Redelivery>& again, uint64_t from, uint64_t end,
                         GapReason reason) {
  std::vector<Gap> gaps;
  for (const auto& [first, entry] : again.entries()) {
    if (first >= end) break;
    if (from < first) gaps.push_back({from, first - 1, reason});
    from = std::max(from, entry.run.end());
  }
  if (from < end) gaps.push_back({from, end - 1, reason});
  return gaps;
}

}  // namespace

void Subscription::Begin(Attachment at) {
  cursor_ = std::move(at.place);
  pass_over_ = at.pass_over;
  redeliveries_ = std::move(at.again);
  trimmed_to_ = 1;  // what the topic has given up meanwhile is still to be told
  if (ended_) return;
  for (const Gap& gap : at.gaps) AddGap(gap.first, gap.last, gap.reason);
  if (at.tell_not_kept) {
    for (const Gap& gap :
         Without(redeliveries_, at.from, cursor_.sequence(), GapReason::kNotKept)) {
      AddGap(gap.first, gap.last, gap.reason);
    }
  }
  // Others with other filters may have held it.
  DropUnwanted(&redeliveries_);
  BeginOrder();
  if (at.look_until != 0) BeginLook(at.look_until, at.look_for_keys);
}

void Subscription::Seek(const StartPosition& to, SeekDone done) {
  topic_->Seek(this, to, std::move(done));
}

void Subscription::SeekTo(SnapshotPtr snapshot, SeekDone done) {
  topic_->SeekTo(this, std::move(snapshot), std::move(done));
}

void Subscription::Sought(Attachment to, SeekDone done) {
  Post([self = boost::intrusive_ptr<Subscription>(this), to = std::move(to),
        done = std::move(done)]() mutable { self->HandleSought(std::move(to), done); });
}

void Subscription::HandleSought(Attachment to, const SeekDone& done) {
  if (ended_ || !attached_ || look_ != nullptr || !to.place) {
    to = {};
    topic_->SeekFollowed();
    topic_->SubscriptionMoved();
    return done(ended_ ? end_status_
                       : absl::AbortedError(absl::StrCat("subscription \"", name_,
                                                         "\" is being made or deleted")));
  }
  NoteUse();
  const uint64_t end = topic_->end_sequence();
  const uint64_t before = std::max(cursor_.sequence(), pass_over_);
  std::vector<Gap> gone;
  IntervalMap<Redelivery> held = TakeHeld(&gone);
  to.TakeWanted(held);
  SeekResult result;
  result.from = to.from;
  result.next_sequence = std::max(to.place.sequence(), to.pass_over);
  uint64_t skipped = std::max(before, std::min(result.next_sequence, end)) - before;
  for (const auto& [first, entry] : to.again.entries()) {
    held.Carve(first, entry.run.end() - 1, [](Redelivery&&) {});
    if (entry.run.end() > before) skipped -= entry.run.end() - std::max(first, before);
  }
  result.skipped_messages = skipped + held.messages();
  counters_.skipped_messages.Add(result.skipped_messages);
  counters_.seeks.Add(1);
  // Gaps not told yet are of what was wanted before. What is wanted now is told by Begin; EARLIEST,
  // which asks for nothing that is gone, takes them along.
  const auto concerned = [&](const Gap& gap) { return !to.tell_not_kept && gap.first >= to.from; };
  const auto forget = [&](std::vector<Gap>& gaps) {
    for (const Gap& gap : std::exchange(gaps, {})) {
      if (!concerned(gap)) continue;
      // Another may have kept some of it: a snapshot.
      const uint64_t until = std::min(gap.last + 1, to.place.sequence());
      for (const Gap& part : Without(to.again, gap.first, until, gap.reason)) AppendGap(gaps, part);
    }
  };
  forget(gaps_);
  for (const ConsumerPtr& consumer : consumers_) {
    // What is being told now would be told again to another, if it never arrived.
    if (consumer->gap_in_flight_) {
      consumer->gaps_.insert(consumer->gaps_.begin(), *consumer->gap_in_flight_);
      consumer->gap_in_flight_.reset();
    }
    forget(consumer->gaps_);
  }
  for (const Gap& gap : gone) {
    if (concerned(gap)) AddGap(gap.first, gap.last, gap.reason);
  }
  Begin(std::move(to));
  HandlePoke();
  // Only now, and to be told: the topic waits for those that hold what it has given up.
  topic_->SeekFollowed();
  topic_->SubscriptionMoved();
  done(result);
}

IntervalMap<Redelivery> Subscription::TakeHeld(std::vector<Gap>* gone) {
  constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();
  IntervalMap<Redelivery> held;
  CarveWaiting(1, kEnd, [&](Redelivery&& r) { held.Insert(std::move(r)); });
  TakeSentLetters(&held);
  leases_.Take(1, kEnd, [&](Lease&& lease) {
    if (!lease.acked) lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
    if (lease.run.segment == nullptr) {
      AppendGap(*gone, {lease.run.first, lease.run.end() - 1, topic_->trim_reason()});
    } else {
      held.Insert({std::move(lease.run), 1});
    }
  });
  const auto take = [&](Consumer& consumer) {
    Delivery sent = std::exchange(consumer.in_flight_, {});
    if (consumer.seeks_ != seeks_) return;
    for (const Run& run : sent.runs()) held.Insert({run, 1});
  };
  for (const ConsumerPtr& consumer : consumers_) take(*consumer);
  for (Consumer* consumer : leaving_) take(*consumer);
  ++seeks_;
  return held;
}

void Subscription::Capture(SnapshotPtr snapshot, ControlDone done) {
  Post([self = boost::intrusive_ptr<Subscription>(this), snapshot = std::move(snapshot),
        done = std::move(done)]() mutable {
    if (self->ended_) return done(self->end_status_);
    if (!self->attached_ || self->look_ != nullptr) {
      return done(
          absl::AbortedError(absl::StrCat("subscription \"", self->name_, "\" is being made")));
    }
    self->NoteUse();
    self->topic_->ContentsUnderWay();
    SnapshotContents contents = self->Unconsumed();
    self->topic_->Keep(std::move(snapshot), std::move(contents), std::move(done));
  });
}

SnapshotContents Subscription::Unconsumed() const {
  SnapshotContents contents;
  contents.place = cursor_.Clone();
  contents.pass_over = pass_over_;
  // Not told yet, or not to all: seeking to the snapshot tells it.
  contents.lost = gaps_;
  if (!consumers_.empty()) contents.lost = consumers_.front()->gaps_;
  for (Gap& gap : contents.lost) gap.reason = GapReason::kNotKept;
  const auto add = [&](const Run& run) {
    if (run.segment == nullptr) {
      AppendGap(contents.lost, {run.first, run.end() - 1, GapReason::kNotKept});
    } else {
      contents.unacked.Insert({run, 1});
    }
  };
  for (const auto& [first, redelivery] : redeliveries_.entries()) add(redelivery.run);
  if (retries_ != nullptr) retries_->ForEach([&](const Redelivery& r) { add(r.run); });
  if (dead_ != nullptr) {
    for (const auto& [first, letter] : dead_->waiting.entries()) add(letter.run);
    for (const DeadLetter& letter : dead_->batch.letters()) add(letter.run);
  }
  if (ordering_ != nullptr) {
    for (const auto& [first, blocked] : ordering_->blocked().entries()) add(blocked.run);
  }
  leases_.ForEach([&](const Lease& lease) { add(lease.run); });
  const auto add_sent = [&](const Consumer& consumer) {
    if (consumer.seeks_ != seeks_) return;
    for (const Run& run : consumer.in_flight_.runs()) add(run);
  };
  for (const ConsumerPtr& consumer : consumers_) add_sent(*consumer);
  for (const Consumer* consumer : leaving_) add_sent(*consumer);
  return contents;
}

void Subscription::DetachForGood() {
  NoteUse();  // the housekeeper may come before the turn
  Post([self = boost::intrusive_ptr<Subscription>(this)] {
    if (self->ended_) return;
    self->HandleEnd(absl::FailedPreconditionError(
        absl::StrCat("subscription \"", self->name_, "\" was detached from its topic")));
    self->redeliveries_ = {};
    self->UpdateFigures();
    self->counters_.detached.Set(1);
  });
}

void Subscription::SetPaused(bool paused, ControlDone done) {
  Post([self = boost::intrusive_ptr<Subscription>(this), paused, done = std::move(done)] {
    if (self->ended_) return done(self->end_status_);
    self->NoteUse();
    self->paused_ = paused;
    self->counters_.paused.Set(paused);
    done(absl::OkStatus());
  });
}

}  // namespace estiba
