#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "broker/engine/delivery.h"
#include "broker/engine/interval_map.h"
#include "broker/engine/timer_wheel.h"
#include "broker/queue/segment.h"

namespace estiba {

class Consumer;

// One message that has been read from the log and cannot go out yet. attempt: the one to come.
struct Blocked {
  Run run;
  uint32_t attempt = 1;
  uint64_t key = 0;
  uint64_t previous = 0;  // blocked messages of the key, by sequence; 0: none
  uint64_t next = 0;
};

// The order of messages that have an ordering key, in one subscription.
//
// A key belongs to one consumer at a time: while it has messages in flight, that one gets what
// follows, so that its stream's order is the key's. A key with nothing in flight goes to the
// consumer its hash leads to; consumers that come and go move only the keys that they take over or
// leave. When a message fails, it and all later ones of its key come back (Fail, Return), so what
// is in flight of a key always comes before what is blocked. An ack counts once all earlier
// messages of the key are acked, too.
//
// Keys are known by a hash of 64 bits: two with the same are one, which costs nothing but time.
// Memory: a key costs something while it has messages in flight or blocked; so does each of those.
// Bound: messages in flight are bounded by credit, blocked ones by kMaxBlocked (see HasRoom).
// Threads: one at a time (the subscription's turn). Consumers are known by their address alone.
class Ordering {
 public:
  // A subscription reads no further ahead of keys that have to wait.
  static constexpr uint64_t kMaxBlocked = 100'000;

  explicit Ordering(uint64_t seed) : seed_(seed) {}
  ~Ordering();
  Ordering(const Ordering&) = delete;
  Ordering& operator=(const Ordering&) = delete;

  // Of an encoded message; 0: it has no ordering key.
  static uint64_t KeyOf(std::string_view message);

  void Join(const Consumer* consumer);
  // What it has in flight has failed, or will. Harmless for a stranger.
  void Leave(const Consumer* consumer);
  // A consumer gives those of its keys that have nothing in flight to the `others`.
  void Yield(const Consumer* consumer, absl::Span<const Consumer* const> others);
  // Whether the consumer was given anything since this was last asked, or there was nothing for it.
  bool TookSome(const Consumer* consumer);

  // The next message of the log, which has a key, and which a consumer asks for. True: it goes out
  // to it, and is in flight. False: it is blocked.
  bool Admit(const Consumer* consumer, uint64_t key, const Run& message);
  bool HasRoom() const { return blocked_.size() < kMaxBlocked; }
  // What was blocked and may go out to the consumer now; in flight from here on.
  Delivery Take(const Consumer* consumer, uint32_t max_messages, uint64_t max_bytes);

  bool InFlight(uint64_t sequence) const { return in_flight_.contains(sequence); }
  // Whether a message in flight is the first of its key.
  bool IsFirst(uint64_t sequence) const { return in_flight_.find(sequence)->second.previous == 0; }
  // A message in flight is acked. Calls done(sequence) for it and for those behind it that were
  // acked before, unless there is an earlier one of its key in flight: then its time will come.
  template <typename F>
  void Acked(uint64_t sequence, F&& done) {
    InFlightMessage& message = in_flight_.find(sequence)->second;
    message.acked = true;
    Settle(*message.key, done);
  }
  // A message in flight is gone for good, wherever it stands; done as in Acked, but not for it.
  template <typename F>
  void Gone(uint64_t sequence, F&& done) {
    Key& key = *in_flight_.find(sequence)->second.key;
    Unlink(sequence);
    Settle(key, done);
  }
  // A message in flight has failed. It and the later ones of its key, which are returned, are in
  // flight no more: Return has to follow.
  std::vector<uint64_t> Fail(uint64_t sequence, uint64_t* key);
  // What Fail returned, ascending, or what is left of it. The key waits until due_ms, or as long as
  // it does already; 0: no longer than that.
  void Return(uint64_t key, std::vector<Blocked> messages, int64_t now_ms, int64_t due_ms);
  // A message from before all that is still to be read; ascending.
  void Restore(const Run& message, uint32_t attempt, uint64_t key);

  // Takes out blocked messages in first..last (both included), of those only what has been
  // delivered before if asked to, and calls f(Blocked&&).
  template <typename F>
  void Carve(uint64_t first, uint64_t last, bool only_delivered, F&& f) {
    std::vector<uint64_t> found;
    const auto& entries = blocked_.entries();
    for (auto it = entries.lower_bound(first); it != entries.end() && it->first <= last; ++it) {
      if (!only_delivered || it->second.attempt > 1) found.push_back(it->first);
    }
    for (const uint64_t sequence : found) f(TakeOut(sequence));
  }

  // Keys whose time has come go on.
  void Advance(int64_t now_ms);
  // See TimerWheel::NextDue.
  int64_t NextDue() const { return wheel_ == nullptr ? TimerWheel::kNever : wheel_->NextDue(); }

  const IntervalMap<Blocked>& blocked() const { return blocked_; }
  // For what does not change sequences.
  IntervalMap<Blocked>& blocked() { return blocked_; }
  size_t keys() const { return keys_.size(); }
  // What it takes for messages and keys.
  uint64_t bytes() const;

 private:
  struct Lane;
  struct Key : TimerWheel::Entry, boost::intrusive::list_base_hook<> {
    uint64_t hash = 0;
    Lane* lane = nullptr;
    uint64_t first_in_flight = 0;  // sequences; 0: none
    uint64_t last_in_flight = 0;
    uint64_t first_blocked = 0;
    uint64_t last_blocked = 0;

    bool waits() const { return TimerWheel::Entry::linked(); }
    bool ready() const { return is_linked(); }
  };
  struct InFlightMessage {
    Key* key = nullptr;
    uint64_t previous = 0;
    uint64_t next = 0;
    bool acked = false;
  };
  // The keys of a consumer, or of nobody.
  struct Lane {
    uint64_t id = 0;
    const Consumer* consumer = nullptr;
    // Those with something blocked that does not wait.
    boost::intrusive::list<Key, boost::intrusive::constant_time_size<false>> ready;
    uint64_t keys = 0;
    bool took = false;
  };
  // Keys are spread over slots, and slots over consumers: to the one that scores highest (Thaler
  // and Ravishankar, "A name-based mapping scheme for rendezvous", 1996).
  static constexpr size_t kSlots = 1'024;

  uint64_t Score(const Lane& lane, size_t slot) const;
  void Offer(size_t slot, Lane* lane);
  Lane* SlotOf(uint64_t hash);
  Lane* LaneOf(const Consumer* consumer);
  Key& Find(uint64_t hash);
  void Assign(Key& key, Lane* lane);
  void Block(Key& key, Blocked message);
  void MakeReady(Key& key);
  void MakeUnready(Key& key);
  void Launch(Key& key, uint64_t sequence);
  void Unlink(uint64_t sequence);
  Blocked TakeOut(uint64_t sequence);
  // What a key with nothing in flight does next: it finds a consumer, or is forgotten.
  void Rest(Key& key);
  // The lane's keys that have nothing in flight go where their hash leads.
  void MoveIdle(Lane* lane);
  void DropLaneIfLeft(const Lane* lane);

  template <typename F>
  void Settle(Key& key, F&& done) {
    while (key.first_in_flight != 0 && in_flight_[key.first_in_flight].acked) {
      const uint64_t sequence = key.first_in_flight;
      Unlink(sequence);
      done(sequence);
    }
    if (key.first_in_flight == 0) Rest(key);
  }

  const uint64_t seed_;
  std::unique_ptr<TimerWheel> wheel_;  // null until a key waits
  absl::flat_hash_map<uint64_t, std::unique_ptr<Key>> keys_;
  absl::flat_hash_map<uint64_t, InFlightMessage> in_flight_;
  IntervalMap<Blocked> blocked_;
  absl::flat_hash_map<const Consumer*, std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Lane>> left_;  // their consumers are gone, what is in flight is not
  Lane nobodys_;
  uint64_t next_lane_ = 1;
  std::vector<Lane*> slots_;  // empty until there is a consumer; null: nobody
};

}  // namespace estiba
