#pragma once

#include <array>
#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "broker/base/clock.h"
#include "broker/engine/actor.h"
#include "broker/engine/notice.h"
#include "broker/engine/stats.h"
#include "broker/engine/timers.h"

namespace estiba {

// Where a reply goes: 128 bits that nobody can guess, so that only who was sent the request can
// answer it.
struct ReplyAddress {
  static constexpr size_t kBytes = 16;
  std::array<uint64_t, 2> words = {};

  bool operator==(const ReplyAddress& other) const { return words == other.words; }
  bool operator<(const ReplyAddress& other) const { return words < other.words; }
  template <typename H>
  friend H AbslHashValue(H h, const ReplyAddress& address) {
    return H::combine(std::move(h), address.words[0]);  // random already
  }

  // As it travels.
  std::array<char, kBytes> Encode() const;
  // False: no address has this many bytes.
  static bool Decode(std::string_view bytes, ReplyAddress* address);
};

// A caller that waits for a reply. rpc derives from it.
//
// Threads: one of the two functions is called, once, on any thread, unless Cancel came first. They
// must be quick and may call the table. Lifetime: the table holds a reference until then.
class PendingRequest : public boost::intrusive_ref_counter<PendingRequest> {
 public:
  virtual ~PendingRequest() = default;
  // `reply` is whatever the responder's side gave to RequestTable::Reply, valid during the call.
  virtual void OnReply(std::string_view reply) = 0;
  // DEADLINE_EXCEEDED, or what EndAll said.
  virtual void OnNoReply(const absl::Status& status) = 0;
};
using PendingRequestPtr = boost::intrusive_ptr<PendingRequest>;

struct RequestStats {
  uint64_t pending = 0;
  // Counters: requests entered, replies that reached their caller, replies for nobody (late, sent
  // twice, or to an address that never was), requests that nobody answered in time; requests that
  // found nobody who could reply, or the table full.
  uint64_t requests = 0;
  uint64_t replies = 0;
  uint64_t late_replies = 0;
  uint64_t expired = 0;
  uint64_t no_responders = 0;
  uint64_t refused = 0;
};

// The requests whose callers wait: a reply finds its caller by its address, without a topic.
//
// Threads: any. Sharded by address, each shard under a lock that is held for a lookup; nothing of a
// caller runs under it. Bound: max_pending, beyond which Add says RESOURCE_EXHAUSTED.
// Deadlines: noticed at most 20 ms late, never early, by one timer for all, which runs only while
// somebody waits. Lifetime: reference-counted, as timers may hold it; everything it was made with
// outlives it.
class RequestTable final : public Actor {
 public:
  // Makes addresses; must be a cryptographic source where clients are not friends. Any thread.
  using AddressSource = std::function<ReplyAddress()>;

  RequestTable(Executor& executor, const Clock& clock, Timers& timers, uint32_t max_pending,
               AddressSource source);
  ~RequestTable() override;

  // Enters a request that waits until `deadline_ms` (Clock::SteadyMillis). RESOURCE_EXHAUSTED: as
  // many wait as may; otherwise the status of EndAll, after it.
  absl::StatusOr<ReplyAddress> Add(PendingRequestPtr request, int64_t deadline_ms);
  // The caller waits no longer. False: it has been answered, or is being answered now.
  bool Cancel(const ReplyAddress& address);
  // Hands the reply to its caller. False: nobody waits there.
  bool Reply(const ReplyAddress& address, std::string_view reply);
  // Ends every wait with this status, and those to come.
  void EndAll(const absl::Status& status);

  // A request found nobody who could reply; it was not entered.
  void CountNoResponders() { no_responders_.Add(1); }
  RequestStats Stats() const;

 private:
  static constexpr size_t kShards = 16;
  // Longest time between two looks at the deadlines.
  static constexpr int64_t kLookMs = 20;

  struct Entry {
    PendingRequestPtr request;
    int64_t deadline_ms = 0;
  };
  struct Shard {
    absl::Mutex mutex;
    absl::flat_hash_map<ReplyAddress, Entry> entries ABSL_GUARDED_BY(mutex);
    absl::btree_set<std::pair<int64_t, ReplyAddress>> deadlines ABSL_GUARDED_BY(mutex);
    bool ended ABSL_GUARDED_BY(mutex) = false;
    absl::Status end_status ABSL_GUARDED_BY(mutex);
  };

  Shard& ShardOf(const ReplyAddress& address) { return shards_[address.words[1] % kShards]; }
  // Takes the entry out; null if there is none.
  PendingRequestPtr Take(const ReplyAddress& address);
  // Sees to it that somebody looks at the deadlines.
  void Arm(int64_t deadline_ms);
  void HandleTimer();

  const Clock& clock_;
  Timers& timers_;
  const uint32_t max_pending_;
  const AddressSource source_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint32_t> pending_{0};
  std::atomic<bool> armed_{false};  // the timer is under way
  Notice<RequestTable> timer_due_{this, &RequestTable::HandleTimer};

  SharedCounter requests_;
  SharedCounter replies_;
  SharedCounter late_replies_;
  SharedCounter expired_;
  SharedCounter no_responders_;
  SharedCounter refused_;
};

}  // namespace estiba
