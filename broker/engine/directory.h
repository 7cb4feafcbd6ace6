#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace estiba {

// Names to objects, in shards. Used when a stream opens or turns to another topic, not per message.
// Threads: any.
template <typename Pointer>
class Directory {
 public:
  // Null if there is none.
  Pointer Find(absl::string_view name) const {
    const Shard& shard = ShardOf(name);
    absl::ReaderMutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(name);
    return it == shard.entries.end() ? Pointer() : it->second;
  }

  // The entry of that name, made by `make` if there is none. `make` may refuse by returning null.
  // Sets `made`.
  template <typename Make>
  Pointer FindOrMake(absl::string_view name, Make&& make, bool* made) {
    Shard& shard = ShardOf(name);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(name);
    *made = it == shard.entries.end();
    if (!*made) return it->second;
    Pointer pointer = make();
    if (pointer) shard.entries.emplace(name, pointer);
    return pointer;
  }

  // Takes `pointer` out. False: the name is gone, or another's by now.
  bool RemoveIf(absl::string_view name, const Pointer& pointer) {
    Shard& shard = ShardOf(name);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(name);
    if (it == shard.entries.end() || it->second != pointer) return false;
    shard.entries.erase(it);
    return true;
  }

  // Takes it out; null if there is none.
  Pointer Remove(absl::string_view name) {
    Shard& shard = ShardOf(name);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(name);
    if (it == shard.entries.end()) return Pointer();
    Pointer pointer = std::move(it->second);
    shard.entries.erase(it);
    return pointer;
  }

  // The first `limit` entries after a name, in the order of names, that match.
  template <typename Match>
  std::vector<Pointer> List(absl::string_view after, size_t limit, Match&& match) const {
    std::vector<std::pair<std::string, Pointer>> found;
    for (const Shard& shard : shards_) {
      absl::ReaderMutexLock lock(&shard.mutex);
      size_t taken = 0;
      for (auto it = after.empty() ? shard.entries.begin() : shard.entries.upper_bound(after);
           it != shard.entries.end() && taken < limit; ++it) {
        if (!match(it->second)) continue;
        found.emplace_back(it->first, it->second);
        ++taken;
      }
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    if (found.size() > limit) found.resize(limit);
    std::vector<Pointer> result;
    result.reserve(found.size());
    for (auto& [name, pointer] : found) result.push_back(std::move(pointer));
    return result;
  }

 private:
  struct Shard {
    mutable absl::Mutex mutex;
    absl::btree_map<std::string, Pointer> entries ABSL_GUARDED_BY(mutex);
  };

  const Shard& ShardOf(absl::string_view name) const {
    return shards_[absl::HashOf(name) % shards_.size()];
  }
  Shard& ShardOf(absl::string_view name) { return shards_[absl::HashOf(name) % shards_.size()]; }

  std::array<Shard, 16> shards_;
};

}  // namespace estiba
