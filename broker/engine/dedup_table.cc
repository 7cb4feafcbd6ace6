#include "broker/engine/dedup_table.h"

#include <utility>

namespace estiba {
namespace {

constexpr uint64_t kIdBytes = 160;  // list node and hash slot, beside the id

}  // namespace

// Lengths first, so that no two pairs have the same key.
std::string DedupTable::KeyOf(std::string_view producer, std::string_view id) {
  std::string key = std::to_string(producer.size());
  key += ':';
  return key.append(producer).append(id);
}

std::optional<ProducerTable::Taken> DedupTable::Look(std::string_view producer, std::string_view id,
                                                     int64_t now_ms) {
  Expire(now_ms);
  const auto found = by_key_.find(KeyOf(producer, id));
  if (found == by_key_.end()) return std::nullopt;
  return found->second->taken;
}

void DedupTable::Record(std::string_view producer, std::string_view id,
                        const ProducerTable::Taken& taken, int64_t now_ms) {
  by_age_.push_back({KeyOf(producer, id), taken, now_ms + window_ms_});
  const Entry& entry = by_age_.back();
  by_key_.emplace(entry.key, std::prev(by_age_.end()));
  bytes_ += kIdBytes + entry.key.capacity();
  while (by_age_.size() > 1 && (by_age_.size() > kMostIds || bytes_ > max_bytes_)) {
    ForgetOldest();
    ++forgotten_;
  }
}

void DedupTable::Expire(int64_t now_ms) {
  while (!by_age_.empty() && by_age_.front().until_ms <= now_ms) ForgetOldest();
}

void DedupTable::ForgetOldest() {
  const Entry& oldest = by_age_.front();
  bytes_ -= kIdBytes + oldest.key.capacity();
  by_key_.erase(oldest.key);
  by_age_.pop_front();
}

}  // namespace estiba
