#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "broker/engine/producer_table.h"

namespace estiba {

// What a topic remembers of batches that came with an id, for a window of time, so that one sent
// again is answered and not stored. The rules stand at PublishRequest.dedup_id in
// proto/estiba/v1/broker.proto.
//
// Bound: kMostIds, or fewer where these would take more than max_bytes. Full: the oldest is
// forgotten before its time, and counted.
// Cost: constant. Threads: one at a time (the topic's turn). Times are of any one clock.
class DedupTable {
 public:
  static constexpr size_t kMostIds = 100'000;

  explicit DedupTable(int64_t window_ms, uint64_t max_bytes = std::numeric_limits<uint64_t>::max())
      : window_ms_(window_ms), max_bytes_(max_bytes) {}

  // What the batch with this id got; an id belongs to its producer (or to nobody: empty).
  std::optional<ProducerTable::Taken> Look(std::string_view producer, std::string_view id,
                                           int64_t now_ms);
  // Of an id that Look has not found.
  void Record(std::string_view producer, std::string_view id, const ProducerTable::Taken& taken,
              int64_t now_ms);
  // Forgets what is over.
  void Expire(int64_t now_ms);

  size_t size() const { return by_age_.size(); }
  // Memory held, approximately.
  uint64_t bytes() const { return bytes_; }
  // How many were forgotten too early.
  uint64_t forgotten() const { return forgotten_; }

 private:
  struct Entry {
    std::string key;
    ProducerTable::Taken taken;
    int64_t until_ms;
  };

  static std::string KeyOf(std::string_view producer, std::string_view id);
  void ForgetOldest();

  const int64_t window_ms_;
  const uint64_t max_bytes_;
  std::list<Entry> by_age_;  // the oldest first
  absl::flat_hash_map<absl::string_view, std::list<Entry>::iterator> by_key_;
  uint64_t bytes_ = 0;
  uint64_t forgotten_ = 0;
};

}  // namespace estiba
