// For the tests with real threads: payloads that tell what happened to them, and an event.
#ifndef TESTS_QUEUE_STRESS_H_
#define TESTS_QUEUE_STRESS_H_

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/synchronization/mutex.h"

namespace estiba::testing {

// Who made a message, which of his it is, and a checksum over both and the filler: so that loss,
// duplication, reordering and tearing are told apart.
struct Stamp {
  uint64_t producer = 0;
  uint64_t number = 0;
  uint64_t checksum = 0;
};

inline uint64_t Checksum(const Stamp& stamp, std::string_view filler) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  const auto mix = [&hash](uint64_t value) { hash = (hash ^ value) * 1099511628211u; };
  mix(stamp.producer);
  mix(stamp.number);
  for (const char c : filler) mix(static_cast<uint8_t>(c));
  return hash;
}

inline std::string StampedBody(uint64_t producer, uint64_t number, size_t filler_bytes) {
  std::string body(sizeof(Stamp) + filler_bytes, static_cast<char>(number * 31 + producer));
  Stamp stamp{producer, number, 0};
  stamp.checksum = Checksum(stamp, std::string_view(body).substr(sizeof(Stamp)));
  std::memcpy(body.data(), &stamp, sizeof(stamp));
  return body;
}

// False: the body is not one that StampedBody made.
inline bool ReadStamp(std::string_view body, Stamp* stamp) {
  if (body.size() < sizeof(Stamp)) return false;
  std::memcpy(stamp, body.data(), sizeof(*stamp));
  return stamp->checksum == Checksum(*stamp, body.substr(sizeof(Stamp)));
}

// Set stays set until one Await has seen it.
class Event {
 public:
  void Set() {
    const absl::MutexLock lock(&mutex_);
    set_ = true;
  }
  void Await() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&set_));
    set_ = false;
  }

 private:
  absl::Mutex mutex_;
  bool set_ ABSL_GUARDED_BY(mutex_) = false;
};

// What helper threads found wrong; the main thread asserts that it is nothing.
class Findings {
 public:
  void Check(bool condition, const char* what) {
    const char* none = nullptr;
    if (!condition) first_.compare_exchange_strong(none, what);
  }
  std::string first() const {
    const char* what = first_.load();
    return what == nullptr ? "" : what;
  }

 private:
  std::atomic<const char*> first_{nullptr};
};

}  // namespace estiba::testing

#endif  // TESTS_QUEUE_STRESS_H_
