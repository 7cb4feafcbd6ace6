#include "broker/ops/health.h"

#include <utility>

namespace estiba {

const char* ToString(ServingStatus status) {
  switch (status) {
    case ServingStatus::kServing:
      return "SERVING";
    case ServingStatus::kNotServing:
      return "NOT_SERVING";
    case ServingStatus::kServiceUnknown:
      break;
  }
  return "SERVICE_UNKNOWN";
}

Health::Watch::Watch(Watch&& other) noexcept
    : health_(std::exchange(other.health_, nullptr)), id_(other.id_) {}

Health::Watch& Health::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    End();
    health_ = std::exchange(other.health_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

Health::Watch::~Watch() { End(); }

void Health::Watch::End() {
  if (Health* health = std::exchange(health_, nullptr)) health->Remove(id_);
}

void Health::SetServing(std::string_view service, bool serving) {
  if (service.size() > kLongestName) return;
  absl::MutexLock lock(&mutex_);
  if (shut_down_ && service != kLiveness) return;
  const auto [entry, is_new] = serving_.try_emplace(std::string(service), serving);
  if (!is_new && std::exchange(entry->second, serving) == serving) return;
  Tell(service);
}

void Health::StopServing() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
  for (auto& [service, serving] : serving_) {
    if (service != kLiveness && std::exchange(serving, false)) Tell(service);
  }
}

std::optional<bool> Health::Check(std::string_view service) const {
  absl::MutexLock lock(&mutex_);
  const auto entry = serving_.find(service);
  if (entry == serving_.end()) return std::nullopt;
  return entry->second;
}

Health::Watch Health::AddWatch(std::string_view service, Callback callback) {
  absl::MutexLock lock(&mutex_);
  callback(StatusOf(service));
  if (service.size() > kLongestName) return Watch();
  const uint64_t id = next_id_++;
  watchers_.emplace(id, Watcher{std::string(service), std::move(callback)});
  return Watch(this, id);
}

ServingStatus Health::StatusOf(std::string_view service) const {
  const auto entry = serving_.find(service);
  if (entry == serving_.end()) return ServingStatus::kServiceUnknown;
  return entry->second ? ServingStatus::kServing : ServingStatus::kNotServing;
}

void Health::Tell(std::string_view service) {
  // There are few changes in a process's life; looking at every watcher is fine.
  const ServingStatus status = StatusOf(service);
  for (const auto& [id, watcher] : watchers_) {
    if (watcher.service == service) watcher.callback(status);
  }
}

void Health::Remove(uint64_t id) {
  // The callback is destroyed after the lock is given back: its captures may have destructors.
  std::map<uint64_t, Watcher>::node_type removed;
  absl::MutexLock lock(&mutex_);
  removed = watchers_.extract(id);
}

}  // namespace estiba
