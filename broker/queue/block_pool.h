#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace estiba {

// Memory for segments. Blocks of kMapBytes and more are mapped from the operating system and given
// back to it when freed, except for a few of the common size that are kept warm, because mapping
// costs a page fault for every 4 KiB. Smaller blocks come from malloc.
//
// Threads: any. Allocation and release are a few thousand a second at full speed, so a mutex does.
// Bound: keeps at most kKeptBytes of free blocks; the caller charges the budget for the others.
class BlockPool {
 public:
  static constexpr size_t kMapBytes = 64 << 10;
  static constexpr size_t kKeptBytes = 4 << 20;

  // common_bytes: the block size worth keeping, a multiple of the page size.
  explicit BlockPool(size_t common_bytes) : common_bytes_(common_bytes) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Null when the operating system has no memory to give.
  [[nodiscard]] char* Allocate(size_t bytes);
  // `bytes` as allocated.
  void Free(char* block, size_t bytes);

  // Gives the kept blocks back.
  void Trim();

 private:
  const size_t common_bytes_;
  absl::Mutex mutex_;
  std::vector<char*> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba
