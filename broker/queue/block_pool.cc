#include "broker/queue/block_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "absl/base/config.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace estiba {
namespace {

char* Map(size_t bytes, bool populate) {
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | (populate ? MAP_POPULATE : 0), -1, 0);
  return block == MAP_FAILED ? nullptr : static_cast<char*>(block);
}

// All page faults of some pages at once. A kernel that does not know how (before 5.14) has them
// come one by one.
void PopulatePages([[maybe_unused]] char* data, [[maybe_unused]] size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  madvise(data, bytes, MADV_POPULATE_WRITE);
#endif
}

// AddressSanitizer knows of free pages what it knows of freed memory.
void Allow([[maybe_unused]] char* data, [[maybe_unused]] size_t bytes, [[maybe_unused]] bool use) {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  use ? __asan_unpoison_memory_region(data, bytes) : __asan_poison_memory_region(data, bytes);
#endif
}

// How far a slab's memory is populated beyond what is taken.
constexpr uint32_t kAheadPages = 16;

uint32_t Logarithm(uint32_t pages) { return static_cast<uint32_t>(std::bit_width(pages)) - 1; }

}  // namespace

BlockPool::BlockPool(size_t common_bytes, const Budget& budget)
    : common_bytes_(common_bytes),
      // Part of a page cannot be given back.
      has_slabs_(common_bytes >= kMapBytes && sysconf(_SC_PAGESIZE) == Slab::kPageBytes),
      budget_(budget) {}

BlockPool::~BlockPool() {
  for (char* block : kept_) munmap(block, common_bytes_);
}

Block BlockPool::Allocate(size_t bytes) {
  if (IsRun(bytes)) return AllocateRun(bytes);
  const uint32_t all = static_cast<uint32_t>(bytes);
  if (bytes < kMapBytes) return {static_cast<char*>(std::malloc(bytes)), nullptr, all};
  const bool common = bytes == common_bytes_;
  if (common) {
    absl::MutexLock lock(&mutex_);
    if (!kept_.empty()) return {TakeKept(), nullptr, all};
  }
  Shed();
  return {Map(bytes, /*populate=*/!common), nullptr, common ? 0 : all};
}

void BlockPool::Populate(Block* block, uint32_t end) {
  PopulatePages(block->data + block->resident, end - block->resident);
  block->resident = end;
}

void BlockPool::Free(const Block& block, size_t bytes) {
  if (block.slab != nullptr) return FreeRun(block, bytes);
  if (bytes < kMapBytes) return std::free(block.data);
  char* data = block.data;
  {
    absl::MutexLock lock(&mutex_);
    // This block is still charged, and so there is room for it. A larger one is cut up as far as
    // what is reserved would be lost with it.
    // One that was hardly filled is not worth keeping.
    const bool keep = bytes == common_bytes_ && block.resident >= bytes / 4 * 3;
    const uint64_t enough = keep ? MostKept() + 1 : LeastKept(bytes);
    while (bytes >= common_bytes_ && Kept() < enough) {
      kept_.push_back(data);
      data += common_bytes_;
      bytes -= common_bytes_;
    }
  }
  if (bytes > 0) munmap(data, bytes);
}

// --- Runs of pages ------------------------------------------------------------------------------

bool BlockPool::IsRun(size_t bytes) const {
  return bytes < common_bytes_ && bytes % Slab::kPageBytes == 0 && has_slabs_;
}

Block BlockPool::AllocateRun(size_t bytes) {
  const uint32_t pages = static_cast<uint32_t>(bytes / Slab::kPageBytes);
  Block block;
  bool held = false;
  Slab::Pages ahead{0, 0};
  const auto take = [&](Slab* slab) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Slab::Pages taken = slab->Take(pages, &held);
    block = {slab->At(taken), slab, static_cast<uint32_t>(bytes)};
    const uint64_t kept = Kept() + (slab->idle_pages() + kAheadPages) * size_t{Slab::kPageBytes};
    if (!held && kept <= MostKept()) ahead = slab->TakeEmpty(taken, kAheadPages);
    Enlist(slab);
    unused_bytes_ = std::min(unused_bytes_, idle_bytes_);
  };
  {
    absl::MutexLock lock(&mutex_);
    Slab* slab = FindSlab(pages);
    if (slab != nullptr) {
      Delist(slab);
    } else if (!kept_.empty()) {
      slab = MakeSlab(TakeKept(), /*resident=*/true);
    }
    if (slab != nullptr) take(slab);
  }
  if (block.data == nullptr) {
    char* const base = Map(common_bytes_, /*populate=*/false);
    if (base == nullptr) return {};
    absl::MutexLock lock(&mutex_);
    take(MakeSlab(base, /*resident=*/false));
  }
  Allow(block.data, bytes, true);
  if (!held) PopulateRun(block, bytes, ahead);
  return block;
}

void BlockPool::PopulateRun(const Block& block, size_t bytes, const Slab::Pages& ahead) {
  // Meanwhile the pages ahead are nobody else's.
  PopulatePages(block.data, bytes + size_t{ahead.count} * Slab::kPageBytes);
  if (ahead.count > 0) {
    absl::MutexLock lock(&mutex_);
    Delist(block.slab);
    block.slab->Give(ahead);
    Enlist(block.slab);
  }
  Shed();
}

void BlockPool::FreeRun(const Block& block, size_t bytes) {
  Allow(block.data, bytes, false);
  Slab* const slab = block.slab;
  bool keep = false;
  bool full = false;
  {
    absl::MutexLock lock(&mutex_);
    Delist(slab);
    slab->Give(slab->PagesAt(block.data, bytes));
    Enlist(slab);
    if (slab->free_pages() * size_t{Slab::kPageBytes} < common_bytes_) {
      // The run is still charged.
      const uint64_t most = MostKept() + bytes;
      if (Kept() > most) EmptyPages(Kept() - most);
      return;
    }
    Delist(slab);
    full = slab->idle_pages() == slab->free_pages();
    keep = slab->idle_pages() >= slab->free_pages() / 2 || Kept() < LeastKept(bytes);
  }
  // Nobody else's any more.
  char* const base = slab->base();
  delete slab;
  Allow(base, common_bytes_, true);
  if (keep) {
    if (!full) PopulatePages(base, common_bytes_);
    absl::MutexLock lock(&mutex_);
    if (Kept() + common_bytes_ <= MostKept() + bytes) return kept_.push_back(base);
  }
  munmap(base, common_bytes_);
}

Slab* BlockPool::MakeSlab(char* base, bool resident) {
  Allow(base, common_bytes_, false);
  return new Slab(base, common_bytes_, resident);
}

Slab* BlockPool::FindSlab(uint32_t pages) {
  // In the list of its own logarithm, slabs may have too short a run.
  const uint32_t at_least = Logarithm(pages);
  for (uint32_t list = at_least; list < kLists; ++list) {
    if (slabs_[list].empty()) continue;
    Slab* const slab = slabs_[list].back();
    if (slab->longest_run() >= pages) return slab;
  }
  return nullptr;
}

void BlockPool::Enlist(Slab* slab) {
  idle_bytes_ += size_t{slab->idle_pages()} * Slab::kPageBytes;
  if (slab->longest_run() == 0) return;
  slab->list = Logarithm(slab->longest_run());
  slab->place = static_cast<uint32_t>(slabs_[slab->list].size());
  slabs_[slab->list].push_back(slab);
}

void BlockPool::Delist(Slab* slab) {
  idle_bytes_ -= size_t{slab->idle_pages()} * Slab::kPageBytes;
  if (slab->longest_run() == 0) return;
  std::vector<Slab*>& list = slabs_[slab->list];
  list.back()->place = slab->place;
  list[slab->place] = list.back();
  list.pop_back();
}

void BlockPool::EmptyPages(uint64_t bytes) {
  const uint64_t enough = idle_bytes_ - std::min(idle_bytes_, bytes);
  // The longest runs first: the fewest system calls.
  for (uint32_t list = kLists; list-- > 0 && idle_bytes_ > enough;) {
    for (Slab* slab : slabs_[list]) {
      for (uint32_t from = 0; idle_bytes_ > enough;) {
        const uint64_t left = idle_bytes_ - enough;
        const uint32_t most = static_cast<uint32_t>(
            std::min<uint64_t>((left - 1) / Slab::kPageBytes + 1, Slab::kMostPages));
        const Slab::Pages pages = slab->TakeIdle(from, most);
        if (pages.count == 0) break;
        const size_t emptied = size_t{pages.count} * Slab::kPageBytes;
        madvise(slab->At(pages), emptied, MADV_DONTNEED);
        idle_bytes_ -= emptied;
        from = pages.first + pages.count;
      }
    }
  }
  unused_bytes_ = std::min(unused_bytes_, idle_bytes_);
}

// --- What is kept -------------------------------------------------------------------------------

bool BlockPool::Reserve(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  reserved_ = bytes;
  while (Kept() + common_bytes_ <= bytes) {
    char* const block = Map(common_bytes_, /*populate=*/true);
    if (block == nullptr) return false;
    kept_.push_back(block);
  }
  return true;
}

void BlockPool::Trim() {
  Shed();
  std::vector<char*> unused;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t spare = Kept() - std::min(Kept(), LeastKept());
    const size_t blocks = std::min<size_t>(unused_, spare / common_bytes_);
    const auto end = kept_.begin() + static_cast<ptrdiff_t>(blocks);
    unused.assign(kept_.begin(), end);
    kept_.erase(kept_.begin(), end);
    unused_ = kept_.size();
    EmptyPages(std::min(unused_bytes_, spare - blocks * common_bytes_));
    unused_bytes_ = idle_bytes_;
  }
  for (char* block : unused) munmap(block, common_bytes_);
}

void BlockPool::Shed() {
  std::vector<char*> crowded_out;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t most = MostKept();
    while (Kept() > most && !kept_.empty()) crowded_out.push_back(TakeKept());
    if (Kept() > most) EmptyPages(Kept() - most);
  }
  for (char* block : crowded_out) munmap(block, common_bytes_);
}

uint64_t BlockPool::MostKept() const {
  const uint64_t limit = budget_.limit();
  const uint64_t most = std::max(kMostKept, reserved_);
  if (limit == 0) return most;
  return std::min(most, limit - std::min(limit, budget_.UsedApprox()));
}

uint64_t BlockPool::LeastKept(uint64_t released) const {
  const uint64_t used = budget_.UsedApprox();
  return reserved_ - std::min(reserved_, used - std::min(used, released));
}

uint64_t BlockPool::Kept() const { return kept_.size() * common_bytes_ + idle_bytes_; }

char* BlockPool::TakeKept() {
  char* const block = kept_.back();
  kept_.pop_back();
  unused_ = std::min(unused_, kept_.size());
  return block;
}

}  // namespace estiba
