#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "broker/engine/consumer_update.h"

namespace estiba {

// What a consumer may say of messages, in the order in which an update has its effect.
enum class Settlement { kAck, kNack, kDelayedNack, kTermination, kExtension };

// kRefused: the consumer does not hold the message now. kUnordered: it holds it, and goes on
// holding it, but has not acked an earlier message of its ordering key; acks only.
enum class Outcome { kDone, kRefused, kUnordered };

struct Verdict {
  Settlement of = Settlement::kAck;
  Outcome outcome = Outcome::kDone;
  SequenceRange range;
};

// What one ConsumerUpdate has come to, in an exactly-once subscription. The ranges cover what the
// update named, in the order of Settlement; within acks and nacks in the order of sequences, each
// sequence once; within the others in the order of their entries.
struct Verdicts {
  // Neighbours with the same outcome become one; an empty range is passed over.
  void Add(Settlement of, uint64_t first, uint64_t last, Outcome outcome) {
    if (last < first) return;
    if (!list.empty()) {
      Verdict& before = list.back();
      if (before.of == of && before.outcome == outcome && before.range.last + 1 == first) {
        before.range.last = last;
        return;
      }
    }
    list.push_back({of, outcome, {first, last}});
  }

  uint32_t topic = 0;  // its number, where the stream is of a pattern
  std::vector<Verdict> list;
  // The entries of the update, in the last part of its verdicts; 0 in those before.
  size_t entries = 0;
  bool more = false;  // a part; the next one follows
};

// In the order of sequences, and each sequence once.
std::vector<SequenceRange> MergedRanges(std::vector<SequenceRange> ranges);

// Of an update that nobody can do anything about.
Verdicts Refuse(const ConsumerUpdate& update);

// Verdicts that wait for their stream, oldest first.
//
// Bound: what the stream reads ahead of them (see SubscribeStream), and the leases that they name.
// Threads: one at a time.
class VerdictQueue {
 public:
  // Ranges in a frame, so that it stays well below what clients receive.
  static constexpr size_t kMostInFrame = 10'000;

  void Push(Verdicts verdicts);
  bool empty() const { return next_ == waiting_.size(); }
  // The next frame's worth; what does not fit is cut, and marked so.
  std::vector<Verdicts> TakeFrame();
  void Clear() {
    waiting_.clear();
    next_ = 0;
  }

 private:
  std::vector<Verdicts> waiting_;
  size_t next_ = 0;  // those before have been taken
};

}  // namespace estiba
