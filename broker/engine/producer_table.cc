#include "broker/engine/producer_table.h"

#include <algorithm>

namespace estiba {
namespace {

constexpr uint64_t kProducerBytes = 256;  // list node, hash slot, id

}  // namespace

ProducerTable::Answer ProducerTable::Look(absl::string_view producer, uint64_t batch) {
  const auto found = by_id_.find(producer);
  if (found == by_id_.end()) return {};
  const Producer& p = *found->second;
  if (batch == p.last_batch + 1) return {};
  if (batch > p.last_batch)
    return {.verdict = Verdict::kSkipped, .taken = {}, .expected = p.last_batch + 1};
  const uint64_t back = p.last_batch - batch;
  if (back >= p.taken.size()) return {.verdict = Verdict::kForgotten, .taken = {}};
  return {.verdict = Verdict::kDuplicate, .taken = p.Back(back)};
}

void ProducerTable::Record(absl::string_view producer, uint64_t batch, const Taken& taken) {
  auto found = by_id_.find(producer);
  if (found == by_id_.end()) {
    if (by_activity_.size() >= kProducers) ForgetLeastActive();
    by_activity_.emplace_front().id = std::string(producer);
    found = by_id_.emplace(by_activity_.front().id, by_activity_.begin()).first;
    bytes_ += kProducerBytes;
  } else if (found->second != by_activity_.begin()) {
    by_activity_.splice(by_activity_.begin(), by_activity_, found->second);
  }
  Producer& p = *found->second;
  p.last_batch = batch;
  const size_t before = p.taken.capacity();
  p.Remember(taken);
  bytes_ += (p.taken.capacity() - before) * sizeof(Taken);
  while (bytes_ > max_bytes_ && by_activity_.size() > 1) ForgetLeastActive();
}

void ProducerTable::ForgetLeastActive() {
  const Producer& p = by_activity_.back();
  bytes_ -= kProducerBytes + p.taken.capacity() * sizeof(Taken);
  by_id_.erase(p.id);
  by_activity_.pop_back();
}

}  // namespace estiba
