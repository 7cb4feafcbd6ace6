#include "broker/engine/request_table.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"

namespace estiba {

std::array<char, ReplyAddress::kBytes> ReplyAddress::Encode() const {
  std::array<char, kBytes> bytes;
  std::memcpy(bytes.data(), words.data(), kBytes);
  return bytes;
}

bool ReplyAddress::Decode(std::string_view bytes, ReplyAddress* address) {
  if (bytes.size() != kBytes) return false;
  std::memcpy(address->words.data(), bytes.data(), kBytes);
  return true;
}

RequestTable::RequestTable(Executor& executor, const Clock& clock, Timers& timers,
                           uint32_t max_pending, AddressSource source)
    : Actor(executor),
      clock_(clock),
      timers_(timers),
      max_pending_(max_pending),
      source_(std::move(source)) {}

RequestTable::~RequestTable() = default;

absl::StatusOr<ReplyAddress> RequestTable::Add(PendingRequestPtr request, int64_t deadline_ms) {
  if (pending_.fetch_add(1, std::memory_order_relaxed) >= max_pending_) {
    pending_.fetch_sub(1, std::memory_order_relaxed);
    refused_.Add(1);
    return absl::ResourceExhaustedError(
        absl::StrCat("the broker has ", max_pending_,
                     " requests waiting for a reply, as many as max-pending-requests allows"));
  }
  const ReplyAddress address = source_();
  Shard& shard = ShardOf(address);
  {
    absl::MutexLock lock(&shard.mutex);
    if (shard.ended || !shard.entries.try_emplace(address, Entry{request, deadline_ms}).second) {
      pending_.fetch_sub(1, std::memory_order_relaxed);
      // An address twice is a broken source.
      return shard.ended ? shard.end_status : absl::InternalError("reply address: is in use");
    }
    shard.deadlines.emplace(deadline_ms, address);
  }
  requests_.Add(1);
  Arm(deadline_ms);
  return address;
}

PendingRequestPtr RequestTable::Take(const ReplyAddress& address) {
  Shard& shard = ShardOf(address);
  absl::MutexLock lock(&shard.mutex);
  const auto it = shard.entries.find(address);
  if (it == shard.entries.end()) return nullptr;
  PendingRequestPtr request = std::move(it->second.request);
  shard.deadlines.erase({it->second.deadline_ms, address});
  shard.entries.erase(it);
  pending_.fetch_sub(1, std::memory_order_relaxed);
  return request;
}

bool RequestTable::Cancel(const ReplyAddress& address) { return Take(address) != nullptr; }

bool RequestTable::Reply(const ReplyAddress& address, std::string_view reply) {
  const PendingRequestPtr request = Take(address);
  (request != nullptr ? replies_ : late_replies_).Add(1);
  if (request == nullptr) return false;
  request->OnReply(reply);
  return true;
}

void RequestTable::EndAll(const absl::Status& status) {
  std::vector<PendingRequestPtr> ended;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    shard.ended = true;
    shard.end_status = status;
    for (auto& [address, entry] : shard.entries) ended.push_back(std::move(entry.request));
    shard.entries.clear();
    shard.deadlines.clear();
  }
  pending_.fetch_sub(static_cast<uint32_t>(ended.size()), std::memory_order_relaxed);
  for (const PendingRequestPtr& request : ended) request->OnNoReply(status);
}

RequestStats RequestTable::Stats() const {
  return {pending_.load(std::memory_order_relaxed),
          requests_.Get(),
          replies_.Get(),
          late_replies_.Get(),
          expired_.Get(),
          no_responders_.Get(),
          refused_.Get()};
}

// --- Deadlines ----------------------------------------------------------------------------------

void RequestTable::Arm(int64_t deadline_ms) {
  // Its entry is in the table by now. Whoever finds the timer under way has the next look see it:
  // HandleTimer clears the flag before it looks.
  if (armed_.exchange(true, std::memory_order_acq_rel)) return;
  const int64_t now = clock_.SteadyMillis();
  timers_.At(std::clamp(deadline_ms, now + 1, now + kLookMs), this, &timer_due_);
}

void RequestTable::HandleTimer() {
  armed_.exchange(false, std::memory_order_acq_rel);
  const int64_t now = clock_.SteadyMillis();
  int64_t next = std::numeric_limits<int64_t>::max();
  std::vector<PendingRequestPtr> expired;
  for (Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mutex);
    while (!shard.deadlines.empty() && shard.deadlines.begin()->first <= now) {
      const auto it = shard.entries.find(shard.deadlines.begin()->second);
      expired.push_back(std::move(it->second.request));
      shard.entries.erase(it);
      shard.deadlines.erase(shard.deadlines.begin());
    }
    if (!shard.deadlines.empty()) next = std::min(next, shard.deadlines.begin()->first);
  }
  pending_.fetch_sub(static_cast<uint32_t>(expired.size()), std::memory_order_relaxed);
  expired_.Add(expired.size());
  if (next != std::numeric_limits<int64_t>::max()) Arm(next);
  for (const PendingRequestPtr& request : expired) {
    request->OnNoReply(absl::DeadlineExceededError("nobody replied in time"));
  }
}

}  // namespace estiba
