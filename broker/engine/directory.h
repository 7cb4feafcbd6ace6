#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace estiba {

// Objects by their names (`pointer->name()`, which does not change), in shards. Used when a stream
// opens, and for each batch of a stream that goes from topic to topic: found in a hash table,
// listed from a tree. Threads: any.
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

  // Has what Find will look at, and `pointer->Prefetch()`, brought into the cache, if there is an
  // entry that looks like it. Neither it nor its name is read, so nothing is waited for.
  void Prefetch(absl::string_view name) const {
    const Shard& shard = ShardOf(name);
    absl::ReaderMutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(Glance{name});
    if (it == shard.entries.end()) return;
    __builtin_prefetch(it->first.data());
    it->second->Prefetch();
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
    if (pointer) {
      shard.entries.emplace(pointer->name(), pointer);
      shard.ordered.emplace(pointer->name(), pointer);
    }
    return pointer;
  }

  // Takes `pointer` out. False: the name is gone, or another's by now.
  bool RemoveIf(absl::string_view name, const Pointer& pointer) {
    Shard& shard = ShardOf(name);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(name);
    if (it == shard.entries.end() || it->second != pointer) return false;
    shard.ordered.erase(name);
    shard.entries.erase(it);
    return true;
  }

  // Takes it out; null if there is none.
  Pointer Remove(absl::string_view name) {
    Shard& shard = ShardOf(name);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(name);
    if (it == shard.entries.end()) return Pointer();
    Pointer pointer = it->second;
    shard.ordered.erase(name);
    shard.entries.erase(it);
    return pointer;
  }

  // The first `limit` entries after a name, in the order of names, that match.
  template <typename Match>
  std::vector<Pointer> List(absl::string_view after, size_t limit, Match&& match) const {
    std::vector<Pointer> found;
    for (const Shard& shard : shards_) {
      absl::ReaderMutexLock lock(&shard.mutex);
      size_t taken = 0;
      for (auto it = after.empty() ? shard.ordered.begin() : shard.ordered.upper_bound(after);
           it != shard.ordered.end() && taken < limit; ++it) {
        if (!match(it->second)) continue;
        found.push_back(it->second);
        ++taken;
      }
    }
    std::sort(found.begin(), found.end(),
              [](const Pointer& a, const Pointer& b) { return a->name() < b->name(); });
    if (found.size() > limit) found.resize(limit);
    return found;
  }

  // All that match, in an order that is the same in each process.
  template <typename Match>
  std::vector<Pointer> All(Match&& match) const {
    std::vector<Pointer> found;
    for (const Shard& shard : shards_) {
      absl::ReaderMutexLock lock(&shard.mutex);
      for (const auto& [name, pointer] : shard.ordered) {
        if (match(pointer)) found.push_back(pointer);
      }
    }
    return found;
  }

 private:
  // A name that is compared by what the table itself has of its keys.
  struct Glance {
    absl::string_view name;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(absl::string_view name) const { return absl::HashOf(name); }
    size_t operator()(Glance glance) const { return absl::HashOf(glance.name); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(absl::string_view a, absl::string_view b) const { return a == b; }
    bool operator()(absl::string_view a, Glance b) const { return a.size() == b.name.size(); }
  };
  struct Shard {
    mutable absl::Mutex mutex;
    // Both by the object's own copy of its name.
    absl::flat_hash_map<absl::string_view, Pointer, Hash, Equal> entries ABSL_GUARDED_BY(mutex);
    absl::btree_map<absl::string_view, Pointer> ordered ABSL_GUARDED_BY(mutex);
  };

  const Shard& ShardOf(absl::string_view name) const { return shards_[IndexOf(name)]; }
  Shard& ShardOf(absl::string_view name) { return shards_[IndexOf(name)]; }
  // Not by the tables' hash, which is another one in each process.
  static size_t IndexOf(absl::string_view name) {
    return std::hash<std::string_view>()({name.data(), name.size()}) >>
           (std::numeric_limits<size_t>::digits - kShardBits);
  }

  static constexpr int kShardBits = 4;
  std::array<Shard, size_t{1} << kShardBits> shards_;
};

}  // namespace estiba
