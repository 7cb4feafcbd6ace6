#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "broker/base/prefetch.h"
#include "broker/base/striped_mutex.h"

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
      : name_(ViewOf(name)), hash_(absl::HashOf(name_)) {}

  absl::string_view name() const { return name_; }
  size_t hash() const { return hash_; }

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
};

// Objects by their names (`pointer->name()`, which does not change). Looked up when a stream opens,
// and for each batch of a stream that goes from topic to topic; changed seldom. Found in a hash
// table, listed from a tree. Threads: any.
template <typename Pointer>
class Directory {
 public:
  // Null if there is none.
  Pointer Find(const DirectoryKey& key) const {
    StripedReaderLock lock(&mutex_);
    return FindHere(key);
  }

  // Something that is looked for, and what is found.
  struct Wanted {
    DirectoryKey key;
    Pointer found;
  };
  // Several at once, each as by Find. Where objects are many, neither the table's entry nor the
  // object is in the cache, and the one leads to the other: here memory brings all of the first at
  // the same time, then all of the second.
  void FindAll(absl::Span<Wanted* const> all) const {
    StripedReaderLock lock(&mutex_);
    for (const Wanted* wanted : all) entries_.prefetch(wanted->key);
    for (const Wanted* wanted : all) PrefetchHere(wanted->key);
    for (Wanted* wanted : all) wanted->found = FindHere(wanted->key);
  }

  // For what is looked for soon: has what Find will look at brought into the cache, and calls
  // `pointer->Prefetch()`. Goes by the few bits that the table has of a name, so now and then it is
  // another's.
  void Prefetch(const DirectoryKey& key) const {
    StripedReaderLock lock(&mutex_);
    PrefetchHere(key);
  }

  // The entry of that name, made by `make` if there is none. `make` may refuse by returning null.
  // Sets `made`. Others find what there is meanwhile.
  template <typename Make>
  Pointer FindOrMake(const DirectoryKey& key, Make&& make, bool* made) {
    absl::MutexLock changing(&changing_);
    Pointer pointer = Find(key);
    *made = pointer == nullptr;
    if (!*made) return pointer;
    pointer = make();
    if (pointer) {
      StripedMutexLock lock(&mutex_);
      entries_.emplace(pointer->name(), pointer);
      ordered_.emplace(pointer->name(), pointer);
    }
    return pointer;
  }

  // Takes `pointer` out. False: the name is gone, or another's by now.
  bool RemoveIf(const DirectoryKey& key, const Pointer& pointer) {
    return RemoveWhere(key, [&](const Pointer& found) { return found == pointer; }) != nullptr;
  }

  // Takes it out; null if there is none.
  Pointer Remove(const DirectoryKey& key) {
    return RemoveWhere(key, [](const Pointer&) { return true; });
  }

  // The first `limit` entries after a name, in the order of names, that match. Of what comes and
  // goes meanwhile some may be missing.
  template <typename Match>
  std::vector<Pointer> List(absl::string_view after, size_t limit, Match&& match) const {
    std::vector<Pointer> found;
    std::string last(after);
    for (bool more = true; more;) {
      StripedReaderLock lock(&mutex_);
      auto it = last.empty() ? ordered_.begin() : ordered_.upper_bound(last);
      for (int i = 0; i < kListedAtOnce && it != ordered_.end() && found.size() < limit; ++i) {
        if (match(it->second)) found.push_back(it->second);
        if (i == kListedAtOnce - 1) last.assign(it->first.data(), it->first.size());
        ++it;
      }
      more = it != ordered_.end() && found.size() < limit;
    }
    return found;
  }

  // All that match.
  template <typename Match>
  std::vector<Pointer> All(Match&& match) const {
    return List("", std::numeric_limits<size_t>::max(), std::forward<Match>(match));
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

  Pointer FindHere(const DirectoryKey& key) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto it = entries_.find(key);
    return it == entries_.end() ? Pointer() : it->second;
  }

  void PrefetchHere(const DirectoryKey& key) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto it = entries_.find(Glance{key.hash()});
    if (it == entries_.end()) return;
    PrefetchLines(it->first.data(), 1);
    it->second->Prefetch();
  }

  template <typename Match>
  Pointer RemoveWhere(const DirectoryKey& key, Match&& match) {
    absl::MutexLock changing(&changing_);
    Pointer pointer = Find(key);
    if (pointer == nullptr || !match(pointer)) return Pointer();
    StripedMutexLock lock(&mutex_);
    ordered_.erase(key.name());
    entries_.erase(key);
    return pointer;
  }

  // How many a list looks at before it lets others change something.
  static constexpr int kListedAtOnce = 128;

  absl::Mutex changing_;  // held by who may change something, before mutex_
  mutable StripedMutex mutex_;
  // Both by the object's own copy of its name.
  absl::flat_hash_map<absl::string_view, Pointer, Hash, Equal> entries_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<absl::string_view, Pointer> ordered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba
