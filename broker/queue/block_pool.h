#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/queue/budget.h"

namespace estiba {

// Memory for segments. Blocks of kMapBytes and more are mapped from the operating system, page
// faults included (one by one these cost a third more), and given back when freed, but for those of
// the common size: they stay for the next topic that needs one, until Trim finds that nobody did.
// Smaller blocks come from malloc.
//
// Threads: any. Allocation and release are a few thousand a second at full speed, so a mutex does.
// Bound: what is kept is memory that the budget allows and nobody uses: kept and charged bytes
// together stay within the budget's limit, and the kept ones within kMostKept.
// Lifetime: the budget outlives the pool.
class BlockPool {
 public:
  static constexpr size_t kMapBytes = 64 << 10;
  static constexpr uint64_t kMostKept = uint64_t{1} << 30;

  // common_bytes: the block size worth keeping, a multiple of the page size.
  BlockPool(size_t common_bytes, const Budget& budget)
      : common_bytes_(common_bytes), budget_(budget) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Null when the operating system has no memory to give. The caller has charged the budget.
  [[nodiscard]] char* Allocate(size_t bytes);
  // `bytes` as allocated; the caller releases them to the budget afterwards.
  void Free(char* block, size_t bytes);

  // Gives back the kept blocks that were not needed since the last call. To be called every second
  // or so.
  void Trim();

 private:
  // How many blocks may be kept beside what the budget is charged for.
  size_t MostKept() const;
  char* TakeKept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t common_bytes_;
  const Budget& budget_;
  absl::Mutex mutex_;
  std::vector<char*> kept_ ABSL_GUARDED_BY(mutex_);  // the warmest last
  // The fewest that were kept at a time since the last Trim.
  size_t unused_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace estiba
