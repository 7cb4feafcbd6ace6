#include "broker/queue/block_pool.h"

#include <sys/mman.h>

#include <cstdlib>

namespace estiba {

BlockPool::~BlockPool() { Trim(); }

char* BlockPool::Allocate(size_t bytes) {
  if (bytes < kMapBytes) return static_cast<char*>(std::malloc(bytes));
  if (bytes == common_bytes_) {
    absl::MutexLock lock(&mutex_);
    if (!kept_.empty()) {
      char* block = kept_.back();
      kept_.pop_back();
      return block;
    }
  }
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block == MAP_FAILED ? nullptr : static_cast<char*>(block);
}

void BlockPool::Free(char* block, size_t bytes) {
  if (bytes < kMapBytes) return std::free(block);
  if (bytes == common_bytes_) {
    absl::MutexLock lock(&mutex_);
    if ((kept_.size() + 1) * common_bytes_ <= kKeptBytes) return kept_.push_back(block);
  }
  munmap(block, bytes);
}

void BlockPool::Trim() {
  std::vector<char*> kept;
  {
    absl::MutexLock lock(&mutex_);
    kept.swap(kept_);
  }
  for (char* block : kept) munmap(block, common_bytes_);
}

}  // namespace estiba
