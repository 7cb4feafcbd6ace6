#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "broker/queue/segment.h"

namespace estiba {

// Memory spent on bookkeeping, charged to a topic's budget as its size changes. It cannot be
// refused, so it may exceed the limit; publishes are then refused until it shrinks.
// Threads: one at a time. Lifetime: gives back everything at the end.
class Bookkeeping {
 public:
  explicit Bookkeeping(std::shared_ptr<Storage> storage) : storage_(std::move(storage)) {}
  ~Bookkeeping() { Set(0); }
  Bookkeeping(const Bookkeeping&) = delete;
  Bookkeeping& operator=(const Bookkeeping&) = delete;

  void Set(uint64_t bytes) {
    const uint64_t before = std::exchange(bytes_, bytes);
    if (bytes > before) storage_->budget.ForceCharge(bytes - before);
    if (bytes < before) storage_->budget.Release(before - bytes);
  }
  uint64_t bytes() const { return bytes_; }

 private:
  const std::shared_ptr<Storage> storage_;
  uint64_t bytes_ = 0;
};

}  // namespace estiba
