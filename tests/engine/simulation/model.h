// What the outside may expect of a subscription, message by message, kept beside the real one.
#ifndef TESTS_ENGINE_SIMULATION_MODEL_H_
#define TESTS_ENGINE_SIMULATION_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/engine/simulation/outside.h"

namespace estiba::testing {

// The messages of a topic as they were published, by sequence.
struct TopicModel {
  std::map<uint64_t, std::string> bodies;
  // Whether messages may be given up: retention, or DROP_OLDEST.
  bool may_give_up = false;
};

// One subscription; or, with `ends` carried over, several private ones after each other, of which
// each takes over what the last one left.
//
// Knows only what the outside can know. An ack counts as soon as the engine has nothing left to do
// (Settled); before that both outcomes are fine.
class SubscriptionModel {
 public:
  SubscriptionModel(TopicModel& topic, std::function<void(std::string)> fail)
      : topic_(topic), fail_(std::move(fail)) {}

  // `from`: the first sequence that it may get; `owed`: the first of those that it gets all of. In
  // between lies what another has left behind, with holes.
  void Begin(uint64_t from, uint64_t owed) {
    begin_ = from;
    owed_ = owed;
  }
  bool begun() const { return begin_ != 0; }

  // The next of several private ones begins, after the last has ended.
  void Continue();

  void Delivered(const void* consumer, AckMode mode, const Stream::Frame& frame,
                 int64_t deadline_ms, int64_t now_ms);
  void Told(const Gap& gap);
  // An automatic send was accepted.
  void Accepted(const void* consumer);
  // It never was, and goes out again as the same attempt.
  void Refused(const void* consumer);
  // Acks, nacks and extensions that have been handed over.
  void Acked(uint64_t first, uint64_t last);
  void Nacked(const void* consumer, uint64_t first, uint64_t last, int64_t now_ms);
  // A nack that has taken effect: what it held comes again, but not before that time.
  void NackedAndSettled(const void* consumer, uint64_t sequence, int64_t now_ms,
                        int64_t not_before_ms);
  // It has come out of the dead-letter topic.
  void Terminated(const void* consumer, uint64_t sequence);
  void DeadLettered(uint64_t sequence, uint32_t attempts);
  void ExtendedAndSettled(const void* consumer, uint64_t first, uint64_t last, int64_t now_ms,
                          int64_t until_ms);
  void Gone(const void* consumer);
  // Exactly once: an update has had its effect, all of it, and this was the answer. retry_ms: what
  // a nack waits at least.
  void Answered(const void* consumer, const ConsumerUpdate& update, const Verdicts& verdicts,
                int64_t now_ms, int64_t retry_ms);
  // Sought, at this moment: what comes before `from` is consumed, and from there on nothing is; it
  // owes all from `owed` on.
  void Sought(uint64_t from, uint64_t owed, uint64_t end);
  // What is consumed of it at this moment, and sought to that.
  struct Snapshot {
    uint64_t begin = 0;
    uint64_t owed = 0;
    std::set<uint64_t> consumed;
    std::set<uint64_t> lost;
    // What its filter does not want: passed, or not yet.
    std::set<uint64_t> unwanted;
  };
  // `end`: of the topic.
  Snapshot Take(uint64_t end) const;
  void Sought(const Snapshot& to);
  // Everything handed over has taken effect.
  void Settled();

  // What a consumer holds, by leases that cannot have ended.
  uint64_t HeldBy(const void* consumer, int64_t now_ms);
  // At least what it holds; with a time: only what it may hold still.
  std::vector<uint64_t> LeasedTo(const void* consumer, int64_t now_ms = INT64_MIN) const;

  // At the end: everything owed was consumed or declared lost.
  // `letters_waiting`: so many dead letters may still be on their way. `expired`: so many have
  // outlived their time to live.
  void CheckComplete(uint64_t end, uint64_t letters_waiting, uint64_t expired) const;

  // Several ack modes in one subscription: what an automatic consumer is being sent while it is
  // acked by another may come again.
  bool mixed = false;
  bool allow_gaps_not_kept = false;
  uint32_t max_attempts = 0;  // of the dead-letter policy; 0: none
  bool ordered = false;
  bool exactly_once = false;
  // The filter; by default everything is wanted.
  std::function<bool(const std::string& body)> wants = [](const std::string&) { return true; };

 private:
  struct Message {
    uint32_t attempt = 0;
    const void* consumer = nullptr;  // has a lease, or is being sent it
    bool automatic = false;
    int64_t lease_until_ms = 0;
    int64_t not_before_ms = 0;
    bool same_attempt = false;  // the next attempt has the number of the last
    bool ack_handed_over = false;
    bool nack_handed_over = false;
    bool early = false;  // acked before an earlier one of its key: may come again
    bool consumed = false;
    bool lost = false;
    bool maybe = false;  // it may be that it is consumed already
    bool dead = false;
    bool terminated = false;
  };

  void Fail(uint64_t sequence, const std::string& what) const;
  // Of an ordered subscription's message; empty: none, and nothing special.
  std::string KeyOf(uint64_t sequence) const;
  // Whether it has a time to live: then it may be gone at any time, but for what is delivered.
  bool MayExpire(uint64_t sequence) const;
  bool Done(const Message& m) const;
  // Calls f(sequence, Message&) with all messages of the key from a sequence on, or before it.
  template <typename F>
  void ForKey(const std::string& key, uint64_t first, uint64_t end, F&& f) {
    if (key.empty()) return;
    for (auto it = topic_.bodies.lower_bound(first); it != topic_.bodies.end(); ++it) {
      if (it->first >= end) return;
      if (wants(it->second) && KeyOf(it->first) == key) f(it->first, messages_[it->first]);
    }
  }
  bool AllDoneBefore(uint64_t sequence);
  bool FirstOfKey(uint64_t sequence);
  void CheckKeyOrder(const void* consumer, uint64_t sequence, int64_t now_ms);
  // Exactly once (model_exactly_once.cc).
  struct Entry;
  static std::vector<Entry> Expand(const ConsumerUpdate& update, int64_t retry_ms);
  void CheckVerdict(const void* consumer, const Entry& entry, Outcome outcome, int64_t now_ms);
  void Apply(const void* consumer, const Entry& entry, int64_t now_ms);
  // A message was nacked: so are the later ones of its key.
  void BringBack(const void* consumer, uint64_t sequence);

  TopicModel& topic_;
  std::function<void(std::string)> fail_;
  std::map<uint64_t, Message> messages_;
  uint64_t begin_ = 0;
  uint64_t owed_ = 0;
  uint64_t highest_new_ = 0;
};

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_SIMULATION_MODEL_H_
