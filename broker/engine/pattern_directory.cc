#include "broker/engine/pattern_directory.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace estiba {

bool PatternDirectory::Join(const TopicPtr& topic) {
  mutex_.AssertHeld();
  std::vector<Entry*> matches;
  index_.Match(topic->name(), [&](Entry* entry) { matches.push_back(entry); });
  if (joins_ + matches.size() > max_joins_) return false;
  for (Entry* entry : matches) JoinOne(*entry, topic, {});
  joins_ += matches.size();
  return true;
}

void PatternDirectory::JoinOne(Entry& entry, const TopicPtr& topic, const StartPosition& start) {
  entry.joined.insert(topic.get());
  entry.pattern->Join(topic, start);
}

void PatternDirectory::Leave(const TopicPtr& topic) {
  absl::MutexLock lock(&mutex_);
  index_.Match(topic->name(), [&](Entry* entry) {
    mutex_.AssertHeld();
    // Another topic of that name may be there by now, or this one have gone before it was seen.
    if (entry->joined.erase(topic.get()) == 0) return;
    --joins_;
    entry->pattern->Leave(topic);
  });
}

absl::Status PatternDirectory::Add(const PatternSubscriptionPtr& pattern,
                                   const StartPosition& start,
                                   const std::function<std::vector<TopicPtr>()>& topics,
                                   const std::function<bool()>& taken) {
  absl::MutexLock lock(&mutex_);
  const std::string& name = pattern->name();
  // Entered before it looks: an ordinary one looks here before it is entered there.
  if (!name.empty() && !names_.emplace(name, pattern.get()).second) {
    return absl::AlreadyExistsError(absl::StrCat("subscription \"", name, "\" exists"));
  }
  std::vector<TopicPtr> matches;
  for (TopicPtr& topic : topics()) {
    if (MatchesPattern(pattern->pattern(), topic->name())) matches.push_back(std::move(topic));
  }
  absl::Status status;
  if (!name.empty() && taken()) {
    status = absl::AlreadyExistsError(absl::StrCat("subscription \"", name, "\" exists"));
  } else if (joins_ + matches.size() > max_joins_) {
    status = absl::ResourceExhaustedError(
        absl::StrCat("the patterns of the broker would match ", joins_ + matches.size(),
                     " topics, counted for each pattern: at most ", max_joins_));
  }
  if (!status.ok()) {
    names_.erase(name);
    return status;
  }
  std::unique_ptr<Entry>& entry = entries_[pattern.get()];
  entry = std::make_unique<Entry>();
  entry->pattern = pattern;
  index_.Insert(pattern->pattern(), entry.get());
  for (const TopicPtr& topic : matches) JoinOne(*entry, topic, start);
  joins_ += matches.size();
  return absl::OkStatus();
}

bool PatternDirectory::Forget(PatternSubscription* pattern) {
  PatternSubscriptionPtr last;  // let go of without the lock
  absl::MutexLock lock(&mutex_);
  const auto it = entries_.find(pattern);
  if (it == entries_.end()) return false;
  index_.Remove(pattern->pattern(), it->second.get());
  joins_ -= it->second->joined.size();
  if (!pattern->name().empty()) names_.erase(pattern->name());
  last = std::move(it->second->pattern);
  entries_.erase(it);
  return true;
}

PatternSubscriptionPtr PatternDirectory::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto it = names_.find(name);
  return it == names_.end() ? nullptr : it->second;
}

std::vector<PatternSubscriptionPtr> PatternDirectory::List(absl::string_view pattern,
                                                           absl::string_view after,
                                                           size_t limit) const {
  std::vector<PatternSubscriptionPtr> list;
  absl::MutexLock lock(&mutex_);
  for (auto it = names_.upper_bound(after); it != names_.end() && list.size() < limit; ++it) {
    if (pattern.empty() || it->second->pattern() == pattern) list.emplace_back(it->second);
  }
  return list;
}

std::vector<PatternSubscriptionPtr> PatternDirectory::All() const {
  std::vector<PatternSubscriptionPtr> all;
  absl::MutexLock lock(&mutex_);
  for (const auto& [pattern, entry] : entries_) all.push_back(entry->pattern);
  return all;
}

}  // namespace estiba
