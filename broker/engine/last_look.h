#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "broker/engine/config.h"
#include "broker/queue/segment.h"

namespace estiba {

// A look through a log for its last message, or the last one of each ordering key, of those that a
// filter lets through. It is shown the runs of the log one after the other, and keeps the memory of
// what it has found so far, nothing else.
//
// Bound: kMostKeys. Threads: one at a time. Cost: a walk over the messages, with a lookup for each
// that has a key.
class LastLook {
 public:
  static constexpr size_t kMostKeys = 1'000'000;
  // What an entry costs, about.
  static constexpr uint64_t kKeyBytes = 96;

  // until: where the look ends. filter null: every message counts.
  LastLook(uint64_t until, bool of_each_key, std::shared_ptr<const Filter> filter)
      : until_(until), of_each_key_(of_each_key), filter_(std::move(filter)) {}

  uint64_t until() const { return until_; }
  // Where it may begin: whether nothing but the very last message counts.
  bool OnlyNewest() const { return !of_each_key_ && filter_ == nullptr; }

  // Looks at messages that come after those it has seen. False: there are more keys than kMostKeys.
  bool Look(const Run& run);
  // Forgets what comes before.
  void Trim(uint64_t sequence);
  uint64_t bytes() const { return found_.size() * kKeyBytes; }

  // What was found, in no order: f(const Run&), with one message each.
  template <typename F>
  void ForEach(F&& f) const {
    for (const auto& [key, run] : found_) f(run);
  }

 private:
  const uint64_t until_;
  const bool of_each_key_;
  const std::shared_ptr<const Filter> filter_;
  // By key, which lies in the message itself. Without keys, all have the same.
  absl::flat_hash_map<absl::string_view, Run> found_;
};

}  // namespace estiba
