// Topic: where in the log a subscription begins, or is sought to.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/attachment.h"
#include "broker/engine/subscription.h"
#include "broker/engine/topic.h"

namespace estiba {

uint64_t Topic::Kept() const { return std::max(log_.begin_sequence(), trim_to()); }

Attachment Topic::Find(const StartPosition& start, absl::FunctionRef<uint64_t()> earliest) const {
  if (start.incarnation != 0 && start.incarnation != incarnation_) {
    return Find({StartPosition::Kind::kSequence, 1}, earliest);
  }
  const uint64_t kept = Kept();
  Attachment to;
  switch (start.kind) {
    case StartPosition::Kind::kEarliest:
      to.place = log_.At(earliest());
      break;
    case StartPosition::Kind::kLatest:
      to.place = log_.At(log_.end_sequence());
      to.from = to.place.sequence();
      break;
    case StartPosition::Kind::kLast:
    case StartPosition::Kind::kLastOfEachKey:
      to.place = log_.At(kept);
      to.from = to.look_until = log_.end_sequence();
      to.look_for_keys = start.kind == StartPosition::Kind::kLastOfEachKey;
      break;
    case StartPosition::Kind::kSequence:
      to.place = log_.At(std::max(start.sequence, kept));
      to.from = to.pass_over = start.sequence;
      to.tell_not_kept = true;
      break;
    case StartPosition::Kind::kTime:
      to.place = log_.AtTime(start.time_ms);
      to.from = to.place.sequence();
      if (log_.FreedSince(start.time_ms) < log_.begin_sequence()) {
        to.from = log_.FreedSince(start.time_ms);
      }
      to.place.SkipTo(kept);
      to.since_ms = start.time_ms;
      to.tell_not_kept = true;
      break;
  }
  return to;
}

void Topic::Seek(SubscriptionPtr subscription, const StartPosition& to, SeekDone done) {
  Post([self = TopicPtr(this), subscription = std::move(subscription), to, done = std::move(done)] {
    self->HandleSeek(subscription, self->Find(to, [&] { return self->Kept(); }), done);
  });
}

void Topic::HandleSeek(const SubscriptionPtr& subscription, Attachment to, const SeekDone& done) {
  seeks_under_way_.fetch_add(1, std::memory_order_relaxed);
  const auto found = std::find(subscriptions_.begin(), subscriptions_.end(), subscription);
  if (found == subscriptions_.end() || deleted()) to.place.Reset();
  subscription->Sought(std::move(to), done);
}

// --- What is kept for seeks ----------------------------------------------------------------------

void Topic::YieldHistory() {
  Post([self = TopicPtr(this)] {
    if (self->history_) self->history_.SkipTo(self->EarliestUnsent());
    self->HandleMoved();
  });
}

bool Topic::TryYieldHistory() {
  if (!history_) return false;
  const uint64_t before = history_.sequence();
  history_.SkipTo(std::min(log_.SecondSegment(), EarliestUnsent()));
  return history_.sequence() != before;
}

}  // namespace estiba
