#include "broker/engine/verdict.h"

#include <algorithm>
#include <utility>

namespace estiba {

Verdicts Refuse(const ConsumerUpdate& update) {
  Verdicts verdicts;
  verdicts.entries = update.entries();
  const auto refuse = [&](Settlement of, const SequenceRange& range) {
    verdicts.Add(of, range.first, range.last, Outcome::kRefused);
  };
  for (const SequenceRange& range : MergedRanges(update.acks)) refuse(Settlement::kAck, range);
  for (const SequenceRange& range : MergedRanges(update.nacks)) refuse(Settlement::kNack, range);
  for (const DelayedNack& n : update.delayed_nacks) refuse(Settlement::kDelayedNack, n.range);
  for (const Termination& t : update.terminations) refuse(Settlement::kTermination, t.range);
  for (const Extension& e : update.extensions) refuse(Settlement::kExtension, e.range);
  return verdicts;
}

std::vector<SequenceRange> MergedRanges(std::vector<SequenceRange> ranges) {
  const auto by_first = [](const SequenceRange& a, const SequenceRange& b) {
    return a.first < b.first;
  };
  if (!std::is_sorted(ranges.begin(), ranges.end(), by_first)) {
    std::sort(ranges.begin(), ranges.end(), by_first);
  }
  size_t kept = 0;
  for (const SequenceRange& range : ranges) {
    if (kept > 0 && range.first - 1 <= ranges[kept - 1].last) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
  return ranges;
}

void VerdictQueue::Push(Verdicts verdicts) {
  if (empty()) Clear();
  waiting_.push_back(std::move(verdicts));
}

std::vector<Verdicts> VerdictQueue::TakeFrame() {
  std::vector<Verdicts> frame;
  size_t room = kMostInFrame;
  while (!empty() && room > 0) {
    Verdicts& next = waiting_[next_];
    if (next.list.size() <= room) {
      room -= next.list.size();
      frame.push_back(std::move(next));
      ++next_;
      continue;
    }
    const auto cut = next.list.begin() + static_cast<std::ptrdiff_t>(room);
    Verdicts part;
    part.topic = next.topic;
    part.list.assign(next.list.begin(), cut);
    part.more = true;
    frame.push_back(std::move(part));
    next.list.erase(next.list.begin(), cut);
    break;
  }
  return frame;
}

}  // namespace estiba
