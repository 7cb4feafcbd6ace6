// SubscriptionModel: the answers of an exactly-once subscription, message by message.
#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "tests/engine/simulation/model.h"

namespace estiba::testing {

// One message of an update.
struct SubscriptionModel::Entry {
  Settlement of;
  uint64_t sequence;
  int64_t time_ms;  // of nacks: how long it waits at least; of extensions: the new deadline, or 0
  bool last;        // what comes after it sees what it has changed
};

std::vector<SubscriptionModel::Entry> SubscriptionModel::Expand(const ConsumerUpdate& update,
                                                                int64_t retry_ms) {
  std::vector<Entry> all;
  const auto add = [&](Settlement of, const SequenceRange& range, int64_t time_ms) {
    for (uint64_t s = range.first; s <= range.last; ++s) all.push_back({of, s, time_ms, false});
  };
  const auto once_each = [&](Settlement of, const std::vector<SequenceRange>& ranges) {
    std::set<uint64_t> sequences;
    for (const SequenceRange& range : ranges) {
      for (uint64_t s = range.first; s <= range.last; ++s) sequences.insert(s);
    }
    for (const uint64_t s : sequences) all.push_back({of, s, retry_ms, false});
  };
  const auto end_list = [&] {
    if (!all.empty()) all.back().last = true;
  };
  once_each(Settlement::kAck, update.acks);
  end_list();
  once_each(Settlement::kNack, update.nacks);
  end_list();
  for (const DelayedNack& n : update.delayed_nacks) {
    add(Settlement::kDelayedNack, n.range, n.delay_ms);
  }
  end_list();
  for (const Termination& t : update.terminations) add(Settlement::kTermination, t.range, 0);
  end_list();
  for (const Extension& e : update.extensions) {
    add(Settlement::kExtension, e.range, e.deadline_ms);
    end_list();
  }
  return all;
}

void SubscriptionModel::Answered(const void* consumer, const ConsumerUpdate& update,
                                 const Verdicts& verdicts, int64_t now_ms, int64_t retry_ms) {
  const std::vector<Entry> entries = Expand(update, retry_ms);
  std::vector<Entry> brings_back;
  size_t at = 0;
  for (const Verdict& verdict : verdicts.list) {
    for (uint64_t s = verdict.range.first; s <= verdict.range.last; ++s, ++at) {
      if (at == entries.size()) return Fail(s, "has a verdict, and was not named");
      const Entry& entry = entries[at];
      if (entry.of != verdict.of || entry.sequence != s) {
        return Fail(s, absl::StrCat("has a verdict where that of ", entry.sequence, " is due"));
      }
      CheckVerdict(consumer, entry, verdict.outcome, now_ms);
      if (verdict.outcome == Outcome::kDone) {
        Apply(consumer, entry, now_ms);
        brings_back.push_back(entry);
      } else if (verdict.outcome == Outcome::kRefused && messages_.count(s) != 0 &&
                 messages_[s].consumer == consumer) {
        // What it had taken along, if it was noticed, may be away, too.
        messages_[s].lease_until_ms = std::min(messages_[s].lease_until_ms, now_ms);
      }
      if (!entry.last) continue;
      for (const Entry& e : brings_back) {
        const bool nack = e.of == Settlement::kNack || e.of == Settlement::kDelayedNack ||
                          (e.of == Settlement::kExtension && e.time_ms == 0);
        if (nack) BringBack(consumer, e.sequence);
      }
      brings_back.clear();
    }
  }
  if (at != entries.size()) Fail(entries[at].sequence, "was named, and has no verdict");
}

void SubscriptionModel::CheckVerdict(const void* consumer, const Entry& entry, Outcome outcome,
                                     int64_t now_ms) {
  const auto known = messages_.find(entry.sequence);
  const bool held = known != messages_.end() && known->second.consumer == consumer &&
                    now_ms < known->second.lease_until_ms;
  const auto fail = [&](const char* what) { Fail(entry.sequence, what); };
  if (!held) {
    if (outcome != Outcome::kRefused) fail("counts, and its consumer does not hold it");
    return;
  }
  // Of its key: earlier ones that the consumer still holds, and those whose lease has ended, which
  // may have been noticed or not. If it has, it may have taken this one along, or left for good.
  bool behind = false;
  bool uncertain = false;
  ForKey(KeyOf(entry.sequence), begin_, entry.sequence, [&](uint64_t, Message& m) {
    if (m.consumer != consumer) return;
    (now_ms < m.lease_until_ms ? behind : uncertain) = true;
  });
  if (outcome == Outcome::kUnordered) {
    if (entry.of != Settlement::kAck) fail("is not in order, where there is none");
    if (!behind && !uncertain) fail("is not in order, and the first of its key");
    return;
  }
  if (uncertain) return;
  if (outcome == Outcome::kRefused) fail("is refused, and its consumer holds it");
  if (entry.of == Settlement::kAck && behind) fail("is acked before an earlier one of its key");
}

void SubscriptionModel::Apply(const void* consumer, const Entry& entry, int64_t now_ms) {
  Message& m = messages_[entry.sequence];
  switch (entry.of) {
    case Settlement::kAck:
      m.consumed = true;
      m.consumer = nullptr;
      return;
    case Settlement::kTermination:
      return Terminated(consumer, entry.sequence);
    case Settlement::kExtension:
      if (entry.time_ms != 0) {
        m.lease_until_ms = now_ms + entry.time_ms;
        return;
      }
      [[fallthrough]];
    case Settlement::kNack:
    case Settlement::kDelayedNack:
      m.consumer = nullptr;
      m.nack_handed_over = true;
      if (FirstOfKey(entry.sequence)) m.not_before_ms = now_ms + entry.time_ms;
      return;
  }
}

}  // namespace estiba::testing
