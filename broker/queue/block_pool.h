#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/queue/budget.h"
#include "broker/queue/slab.h"

namespace estiba {

// Memory for a segment.
struct Block {
  char* data = nullptr;
  Slab* slab = nullptr;   // the pool's
  uint32_t resident = 0;  // so many bytes from its front hold memory
};

// Memory for segments. Blocks of the common size are mapped from the operating system; freed, they
// stay for the next that needs one, until Trim finds that nobody did. Smaller blocks are runs of
// pages of such a one, a slab. Larger blocks are mapped, and given back when freed. Blocks that are
// not whole pages, and all where the common size is below kMapBytes or the system's pages are not
// of 4 KiB, come from malloc up to kMapBytes.
//
// A new block of the common size holds no memory yet. Its owner, who fills it from its front, has
// it hold some more just before (Populate): what nobody gets to costs nothing, what is written to
// is in the cache, and one call costs less than a page fault for each page. Others hold memory from
// the beginning; a slab gets it in steps, as its runs are taken.
//
// Threads: any. Allocation and release are a few thousand a second where few topics are busy, and
// a few hundred thousand where many are; the mutex is held for 50 ns at a time, but while free
// pages are given back, which takes a system call for each run of them.
// Bound: what is kept, in whole blocks and in free pages of slabs, is memory that the budget allows
// and nobody uses: kept and charged bytes together are brought back within the budget's limit when
// memory is mapped or freed, and by Trim, and the kept ones within kMostKept or what is reserved.
// Lifetime: the budget outlives the pool, and the pool all blocks.
class BlockPool {
 public:
  static constexpr size_t kMapBytes = 64 << 10;
  static constexpr uint64_t kMostKept = uint64_t{1} << 30;

  // common_bytes: the size of a busy topic's segments, a multiple of the page size, at most that of
  // a slab.
  BlockPool(size_t common_bytes, const Budget& budget);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Null data when the operating system has no memory to give. The caller has charged the budget.
  [[nodiscard]] Block Allocate(size_t bytes);
  // Has the block hold memory up to `end`, a multiple of the page size. (Beyond, writing to it is a
  // page fault for each page.)
  static void Populate(Block* block, uint32_t end);
  // `bytes` as allocated; the caller releases them to the budget afterwards.
  void Free(const Block& block, size_t bytes);

  // Takes so much at once, less the rest of a block, and then never gives back what charged and
  // kept bytes together have less than that. Once, before anything else. False: the operating
  // system has less to give.
  [[nodiscard]] bool Reserve(uint64_t bytes);

  // Gives back the kept blocks and pages that were not needed since the last call, but for what is
  // reserved. To be called every second or so.
  void Trim();

 private:
  // Slabs by the logarithm of their longest run; full ones are in none.
  static constexpr uint32_t kLists = 9;

  bool IsRun(size_t bytes) const;
  Block AllocateRun(size_t bytes);
  // Has a run that was taken hold memory, and the pages after it, which were taken with it and are
  // given back.
  void PopulateRun(const Block& block, size_t bytes, const Slab::Pages& ahead);
  void FreeRun(const Block& block, size_t bytes);
  // Gives back what is kept and may not be, as so much has been charged for.
  void Shed();

  // How much may be kept, and how much is to be, beside what the budget is charged for, and will
  // not be released for in a moment.
  uint64_t MostKept() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t LeastKept(uint64_t released = 0) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t Kept() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  char* TakeKept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slab* MakeSlab(char* base, bool resident);
  // A slab with so long a run, or null.
  Slab* FindSlab(uint32_t pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enlist(Slab* slab) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Delist(Slab* slab) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Empties free pages of slabs, as many bytes or the rest of a page more.
  void EmptyPages(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t common_bytes_;
  const bool has_slabs_;
  const Budget& budget_;
  absl::Mutex mutex_;
  uint64_t reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<char*> kept_ ABSL_GUARDED_BY(mutex_);  // the warmest last
  // The fewest that were kept at a time since the last Trim.
  size_t unused_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<std::vector<Slab*>, kLists> slabs_ ABSL_GUARDED_BY(mutex_);
  // In free pages of slabs that hold memory; and the least since the last Trim.
  uint64_t idle_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t unused_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace estiba
