#pragma once

#include <atomic>
#include <cstdint>

namespace estiba {

// Numbers that no two topics ever share, of whatever broker and run; see estiba.v1.Started. They
// count up from a number that each run draws at random, and are never 0.
//
// Threads: any.
class Incarnations {
 public:
  // `seed`: 64 bits at random. (Less two: as much room to count up in.)
  explicit Incarnations(uint64_t seed) : broker_((seed >> 2) | 1) {}

  // The broker's own.
  uint64_t broker() const { return broker_; }
  uint64_t Next() { return last_.fetch_add(1, std::memory_order_relaxed) + 1; }
  // Whether this broker made it.
  bool Made(uint64_t incarnation) const {
    return incarnation >= broker_ && incarnation <= last_.load(std::memory_order_relaxed);
  }

 private:
  const uint64_t broker_;
  std::atomic<uint64_t> last_{broker_};
};

}  // namespace estiba
