#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "broker/base/prefetch.h"

namespace estiba {

// A name, and what it is found by: for who looks for it several times. The name's bytes are the
// caller's.
class DirectoryKey {
 public:
  DirectoryKey() = default;
  // Both kinds of views, and what becomes one.
  template <typename Name>
  requires std::convertible_to<Name, std::string_view> ||
      std::convertible_to<Name, absl::string_view>
      DirectoryKey(const Name& name)  // NOLINT(google-explicit-constructor)
      : name_(ViewOf(name)),
        hash_(absl::HashOf(name_)),
        shard_(std::hash<std::string_view>()({name_.data(), name_.size()})) {}

  absl::string_view name() const { return name_; }
  size_t hash() const { return hash_; }
  // Not by the tables' hash, which is another one in each process.
  uint32_t shard(int bits) const {
    return static_cast<uint32_t>(shard_ >> (std::numeric_limits<size_t>::digits - bits));
  }

 private:
  template <typename Name>
  static absl::string_view ViewOf(const Name& name) {
    if constexpr (std::convertible_to<Name, absl::string_view>) {
      return name;
    } else {
      return {name.data(), name.size()};
    }
  }

  absl::string_view name_;
  size_t hash_ = 0;
  size_t shard_ = 0;
};

// Objects by their names (`pointer->name()`, which does not change), in shards. Used when a stream
// opens, and for each batch of a stream that goes from topic to topic: found in a hash table,
// listed from a tree. Threads: any.
template <typename Pointer>
class Directory {
 public:
  // Null if there is none.
  Pointer Find(const DirectoryKey& key) const {
    const Shard& shard = ShardOf(key);
    absl::ReaderMutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(key);
    return it == shard.entries.end() ? Pointer() : it->second;
  }

  // For what is looked for soon. Where objects are many, neither the table's entry nor the object
  // is in the cache, and the one leads to the other: Prefetch first has the entry brought there
  // and, called once more a little later, what Find will look at and `pointer->Prefetch()`. Goes by
  // the few bits that the table has of a name, so now and then it is another's.
  enum class Ahead { kEntry, kObject };
  void Prefetch(const DirectoryKey& key, Ahead what) const {
    const Shard& shard = ShardOf(key);
    absl::ReaderMutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(Glance{key.hash()});
    if (it == shard.entries.end()) return;
    if (what == Ahead::kEntry) return PrefetchLines(&*it, sizeof(*it));
    PrefetchLines(it->first.data(), 1);
    it->second->Prefetch();
  }

  // The entry of that name, made by `make` if there is none. `make` may refuse by returning null.
  // Sets `made`.
  template <typename Make>
  Pointer FindOrMake(const DirectoryKey& key, Make&& make, bool* made) {
    Shard& shard = ShardOf(key);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(key);
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
  bool RemoveIf(const DirectoryKey& key, const Pointer& pointer) {
    Shard& shard = ShardOf(key);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(key);
    if (it == shard.entries.end() || it->second != pointer) return false;
    shard.ordered.erase(key.name());
    shard.entries.erase(it);
    return true;
  }

  // Takes it out; null if there is none.
  Pointer Remove(const DirectoryKey& key) {
    Shard& shard = ShardOf(key);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.entries.find(key);
    if (it == shard.entries.end()) return Pointer();
    Pointer pointer = it->second;
    shard.ordered.erase(key.name());
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
  // Stands for any name of that hash. Comparing it reads nothing of the entry.
  struct Glance {
    size_t hash;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(absl::string_view name) const { return absl::HashOf(name); }
    size_t operator()(const DirectoryKey& key) const { return key.hash(); }
    size_t operator()(Glance glance) const { return glance.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(absl::string_view a, absl::string_view b) const { return a == b; }
    bool operator()(absl::string_view a, const DirectoryKey& b) const { return a == b.name(); }
    bool operator()([[maybe_unused]] const absl::string_view& a, [[maybe_unused]] Glance b) const {
#ifdef NDEBUG
      return true;
#else
      return absl::HashOf(a) == b.hash;  // the table checks that equal ones have equal hashes
#endif
    }
  };
  struct Shard {
    mutable absl::Mutex mutex;
    // Both by the object's own copy of its name.
    absl::flat_hash_map<absl::string_view, Pointer, Hash, Equal> entries ABSL_GUARDED_BY(mutex);
    absl::btree_map<absl::string_view, Pointer> ordered ABSL_GUARDED_BY(mutex);
  };

  const Shard& ShardOf(const DirectoryKey& key) const { return shards_[key.shard(kShardBits)]; }
  Shard& ShardOf(const DirectoryKey& key) { return shards_[key.shard(kShardBits)]; }

  static constexpr int kShardBits = 4;
  std::array<Shard, size_t{1} << kShardBits> shards_;
};

}  // namespace estiba
