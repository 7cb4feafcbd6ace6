#include "client/src/confirmations.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace estiba::internal {

bool Confirmation::Refused(const SequenceRange& range, bool unordered) {
  if (status_.ok()) {
    status_ = absl::FailedPreconditionError(
        unordered ? absl::StrCat("message ", range.first,
                                 " was acked before an earlier one of its ordering key; it is held "
                                 "on, and may be acked after that one")
                  : absl::StrCat("message ", range.first,
                                 " is not held by this consumer any more (its ack deadline has "
                                 "passed, or a seek or an earlier message of its key took it "
                                 "away), or was settled before; its ack did not count"));
  }
  return Confirmed(range.last - range.first + 1);
}

void Confirmations::Expect(std::vector<Asked> asked) {
  for (Asked& one : asked) asked_[one.topic].asked.push_back(std::move(one));
}

uint64_t Confirmations::Take(const Answer& answer, Decided& decided) {
  uint64_t refused = 0;
  for (const VerdictRange& v : answer.verdicts) {
    if (v.ack && !v.done) refused += v.range.last - v.range.first + 1;
  }
  const auto found = asked_.find(answer.topic);
  if (found == asked_.end()) return refused;
  Topic& topic = found->second;
  if (!topic.asked.front().acks.empty()) {
    std::copy_if(answer.verdicts.begin(), answer.verdicts.end(), std::back_inserter(topic.acks),
                 [](const VerdictRange& v) { return v.ack; });
  }
  if (answer.more) return refused;
  Decide(topic.asked.front(), topic.acks, decided);
  topic.acks.clear();
  topic.asked.pop_front();
  if (topic.asked.empty()) asked_.erase(found);
  return refused;
}

void Confirmations::Decide(const Asked& asked, const std::vector<VerdictRange>& acks,
                           Decided& decided) {
  for (const ConfirmedAck& ack : asked.acks) {
    // Verdicts lie in the order of sequences, without overlap.
    auto v = std::upper_bound(acks.begin(), acks.end(), ack.range.first,
                              [](uint64_t sequence, const VerdictRange& verdict) {
                                return sequence <= verdict.range.last;
                              });
    for (; v != acks.end() && v->range.first <= ack.range.last; ++v) {
      const SequenceRange part{std::max(v->range.first, ack.range.first),
                               std::min(v->range.last, ack.range.last)};
      const bool complete = v->done ? ack.confirmation->Confirmed(part.last - part.first + 1)
                                    : ack.confirmation->Refused(part, v->unordered);
      if (complete) decided.emplace_back(ack.confirmation, ack.confirmation->status());
    }
  }
}

void Confirmations::Fail(const absl::Status& status, Decided& decided) {
  for (const auto& [number, topic] : std::exchange(asked_, {})) {
    for (const Asked& asked : topic.asked) {
      for (const ConfirmedAck& ack : asked.acks) {
        if (!ack.confirmation->Abandon()) continue;
        decided.emplace_back(ack.confirmation, status);
      }
    }
  }
}

}  // namespace estiba::internal
