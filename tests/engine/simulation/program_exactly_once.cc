// Program: what consumers of exactly-once subscriptions say, and that it is answered at once.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/engine/simulation/program.h"

namespace estiba::testing {

void Program::UpdateOnce(SimConsumer& c) {
  Settle();
  if (c.stream == nullptr || c.removed) return;
  const std::vector<uint64_t> leased = c.subscription->model->LeasedTo(&c);
  // Mostly what it holds, or held; and what it never had, or had acked.
  const auto range = [&]() -> SequenceRange {
    uint64_t first = 1 + Below(c.subscription->topic->next_sequence + 3);
    if (!leased.empty() && !OneIn(5)) first = leased[OneIn(3) ? 0 : Below(leased.size())];
    return {first, first + (OneIn(3) ? Below(20) : 0)};
  };
  const auto time_ms = [&] { return static_cast<int64_t>(OneIn(4) ? 0 : 1 + Below(5'000)); };
  ConsumerUpdate update;
  for (uint64_t n = 1 + Below(4); n > 0; --n) {
    const uint64_t kind = Below(12);
    if (kind < 6) {
      update.acks.push_back(range());
    } else if (kind < 8) {
      update.nacks.push_back(range());
    } else if (kind == 8) {
      update.delayed_nacks.push_back({range(), time_ms()});
    } else if (kind == 9 && c.subscription->model->max_attempts != 0) {
      update.terminations.push_back({range(), "terminated"});
    } else {
      update.extensions.push_back({range(), time_ms()});
    }
  }
  Say(c, update);
}

void Program::Say(SimConsumer& c, const ConsumerUpdate& update) {
  Settle();
  if (c.stream == nullptr || c.removed) return;
  std::string text;
  const auto add = [&](const char* what, const SequenceRange& range, int64_t ms = 0) {
    absl::StrAppend(&text, " ", what, " ", range.first, "-", range.last);
    if (ms != 0) absl::StrAppend(&text, " for ", ms, " ms");
  };
  for (const SequenceRange& range : update.acks) add("ack", range);
  for (const SequenceRange& range : update.nacks) add("nack", range);
  for (const DelayedNack& n : update.delayed_nacks) add("nack later", n.range, n.delay_ms);
  for (const Termination& t : update.terminations) add("terminate", t.range);
  for (const Extension& e : update.extensions) add("extend", e.range, e.deadline_ms);
  Trace(absl::StrCat(Name(c.stream.get()), " says", text));
  c.said = update;
  c.subscription->subscription->Update(c.stream, update);
  Settle();
  if (c.said) Fail("an update was not answered");
}

}  // namespace estiba::testing
