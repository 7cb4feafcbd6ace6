#include "broker/queue/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace estiba {
namespace {

char* Map(size_t bytes) {
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return block == MAP_FAILED ? nullptr : static_cast<char*>(block);
}

}  // namespace

BlockPool::~BlockPool() {
  for (char* block : kept_) munmap(block, common_bytes_);
}

char* BlockPool::Allocate(size_t bytes) {
  // These bytes are charged already, so what is kept may be too much now.
  const size_t most = MostKept();
  std::vector<char*> crowded_out;
  {
    absl::MutexLock lock(&mutex_);
    if (bytes == common_bytes_ && !kept_.empty()) return TakeKept();
    while (kept_.size() > most) crowded_out.push_back(TakeKept());
  }
  for (char* block : crowded_out) munmap(block, common_bytes_);
  return bytes < kMapBytes ? static_cast<char*>(std::malloc(bytes)) : Map(bytes);
}

void BlockPool::Free(char* block, size_t bytes) {
  if (bytes < kMapBytes) return std::free(block);
  if (bytes == common_bytes_) {
    // This block is still charged, and so the one more that there is room for.
    const size_t most = MostKept();
    absl::MutexLock lock(&mutex_);
    if (kept_.size() <= most) return kept_.push_back(block);
  }
  munmap(block, bytes);
}

void BlockPool::Trim() {
  std::vector<char*> unused;
  {
    absl::MutexLock lock(&mutex_);
    const auto end = kept_.begin() + static_cast<ptrdiff_t>(unused_);
    unused.assign(kept_.begin(), end);
    kept_.erase(kept_.begin(), end);
    unused_ = kept_.size();
  }
  for (char* block : unused) munmap(block, common_bytes_);
}

size_t BlockPool::MostKept() const {
  uint64_t bytes = kMostKept;
  if (const uint64_t limit = budget_.limit(); limit != 0) {
    bytes = std::min(bytes, limit - std::min(limit, budget_.UsedApprox()));
  }
  return bytes / common_bytes_;
}

char* BlockPool::TakeKept() {
  char* const block = kept_.back();
  kept_.pop_back();
  unused_ = std::min(unused_, kept_.size());
  return block;
}

}  // namespace estiba
