#include "broker/queue/block_pool.h"

#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <vector>

#include "broker/queue/budget.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba {
namespace {

constexpr size_t kPage = Slab::kPageBytes;
constexpr size_t kCommon = 64 * kPage;

// A block that holds memory all over, as if it had been filled.
Block Filled(BlockPool& pool, size_t bytes) {
  Block block = pool.Allocate(bytes);
  if (block.resident < bytes) BlockPool::Populate(&block, static_cast<uint32_t>(bytes));
  return block;
}

TEST_CASE("Block pool: blocks of all sizes are writable to their last byte") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  for (const size_t bytes :
       {size_t{27}, kPage, 3 * kPage, BlockPool::kMapBytes - 1, BlockPool::kMapBytes,
        BlockPool::kMapBytes + kPage, kCommon, 2 * kCommon, kCommon + 1}) {
    const Block block = Filled(pool, bytes);
    REQUIRE(block.data != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(block.data) % 4 == 0);
    std::memset(block.data, 0x5a, bytes);
    pool.Free(block, bytes);
  }
}

// Freed blocks of the common size, marked; and how many of as many new ones are such.
void FreeMarked(BlockPool& pool, std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    block.data[0] = 1;
    pool.Free(block, kCommon);
  }
  blocks.clear();
}

size_t TakeMarked(BlockPool& pool, size_t count, std::vector<Block>& blocks) {
  size_t marked = 0;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(Filled(pool, kCommon));
    marked += blocks.back().data[0] == 1;
  }
  return marked;
}

std::set<char*> Addresses(const std::vector<Block>& blocks) {
  std::set<char*> addresses;
  for (const Block& block : blocks) addresses.insert(block.data);
  return addresses;
}

TEST_CASE("Block pool: a freed block of the common size is used again") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  std::vector<Block> blocks;
  CHECK(TakeMarked(pool, 3, blocks) == 0);
  const std::set<char*> before = Addresses(blocks);
  FreeMarked(pool, blocks);
  CHECK(TakeMarked(pool, 3, blocks) == 3);
  CHECK(Addresses(blocks) == before);
  FreeMarked(pool, blocks);
}

TEST_CASE("Block pool: what nobody needed since the last trim goes back, and only that") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  std::vector<Block> blocks;
  TakeMarked(pool, 10, blocks);
  FreeMarked(pool, blocks);
  pool.Trim();  // all came just now
  CHECK(TakeMarked(pool, 4, blocks) == 4);
  FreeMarked(pool, blocks);
  pool.Trim();  // six were not needed
  CHECK(TakeMarked(pool, 10, blocks) == 4);
  FreeMarked(pool, blocks);
  pool.Trim();
  pool.Trim();
  CHECK(TakeMarked(pool, 10, blocks) == 0);
  FreeMarked(pool, blocks);
}

// What the system holds for this process.
size_t ResidentBytes() {
  size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * kPage;
}

TEST_CASE("Block pool: what is reserved is there at once") {
  constexpr size_t kReserved = 128 * kCommon;
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  const size_t before = ResidentBytes();
  REQUIRE(pool.Reserve(kReserved));
  CHECK(ResidentBytes() - before > kReserved / 10 * 9);
}

TEST_CASE("Block pool: what is reserved stays, whatever is given back") {
  Budget budget(20 * kCommon);
  BlockPool pool(kCommon, budget);
  REQUIRE(pool.Reserve(6 * kCommon));
  for (int i = 0; i < 3; ++i) pool.Trim();
  std::vector<Block> blocks;
  const auto take = [&](int count) {
    int resident = 0;
    for (int i = 0; i < count; ++i) {
      REQUIRE(budget.TryCharge(kCommon));
      blocks.push_back(Filled(pool, kCommon));
      resident += blocks.back().data[0] == 1;
      blocks.back().data[0] = 1;
    }
    return resident;
  };
  const auto give = [&](int count) {
    for (int i = 0; i < count; ++i) {
      pool.Free(blocks.back(), kCommon);
      budget.Release(kCommon);
      blocks.pop_back();
    }
  };
  // Ten, of which six were there; what comes back beyond six goes to the system.
  take(10);
  give(10);
  for (int i = 0; i < 3; ++i) pool.Trim();
  CHECK(take(10) == 6);
  // What is in use counts: of ten, eight come back, of which four stay beside the other two.
  give(8);
  for (int i = 0; i < 3; ++i) pool.Trim();
  CHECK(take(8) == 4);
  give(10);
}

TEST_CASE("Block pool: what is reserved is not lost to blocks of other sizes") {
  Budget budget(40 * kCommon);
  BlockPool pool(kCommon, budget);
  REQUIRE(pool.Reserve(6 * kCommon));
  const auto use = [&](size_t bytes, int count) {
    std::vector<Block> blocks;
    for (int i = 0; i < count; ++i) {
      REQUIRE(budget.TryCharge(bytes));
      blocks.push_back(Filled(pool, bytes));
      blocks.back().data[bytes - 1] = 1;
    }
    for (int i = 0; i < 3; ++i) pool.Trim();
    for (const Block& block : blocks) {
      pool.Free(block, bytes);
      budget.Release(bytes);
    }
    for (int i = 0; i < 3; ++i) pool.Trim();
  };
  const size_t before = ResidentBytes();
  SECTION("larger ones") { use(5 * kCommon + kPage / 2, 4); }
  SECTION("smaller ones") { use(kCommon / 4, 60); }
  SECTION("some of a page") { use(kPage, static_cast<int>(8 * kCommon / kPage)); }
  CHECK(ResidentBytes() + 3 * kCommon / 2 > before);
  std::vector<Block> blocks;
  CHECK(TakeMarked(pool, 6, blocks) == 0);
  FreeMarked(pool, blocks);
}

TEST_CASE("Block pool: a reservation beyond what the system has says so") {
  Budget budget(0);
  BlockPool pool(size_t{1} << 50, budget);
  CHECK_FALSE(pool.Reserve(size_t{1} << 50));
}

TEST_CASE("Block pool: other sizes are not kept") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  Block block = Filled(pool, 2 * kCommon);
  block.data[0] = 1;
  pool.Free(block, 2 * kCommon);
  block = Filled(pool, 2 * kCommon);
  CHECK(block.data[0] == 0);
  pool.Free(block, 2 * kCommon);
}

TEST_CASE("Block pool: what is kept and what is charged stay within the limit together") {
  Budget budget(8 * kCommon);
  BlockPool pool(kCommon, budget);
  std::vector<Block> blocks;
  for (int i = 0; i < 8; ++i) {
    REQUIRE(budget.TryCharge(kCommon));
    TakeMarked(pool, 1, blocks);
  }
  while (blocks.size() > 2) {
    blocks.back().data[0] = 1;
    pool.Free(blocks.back(), kCommon);
    budget.Release(kCommon);
    blocks.pop_back();
  }
  // Two are in use and six are kept. Three blocks' worth of something else makes room for itself.
  REQUIRE(budget.TryCharge(3 * kCommon));
  const Block other = Filled(pool, 3 * kCommon);
  std::vector<Block> again;
  REQUIRE(budget.TryCharge(3 * kCommon));
  CHECK(TakeMarked(pool, 6, again) == 3);
  for (const Block& block : again) pool.Free(block, kCommon);
  for (const Block& block : blocks) pool.Free(block, kCommon);
  pool.Free(other, 3 * kCommon);
}

TEST_CASE("Block pool: says so when the system has no memory to give") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  CHECK(pool.Allocate(size_t{1} << 50).data == nullptr);
}

// Whether the system holds memory for a page. Of private memory that was never shared.
bool Resident(const char* page) {
  unsigned char present = 0;
  REQUIRE(mincore(const_cast<char*>(page), kPage, &present) == 0);
  return (present & 1) != 0;
}

TEST_CASE("Block pool: small blocks share one of the common size, and give it back together") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  std::vector<Block> runs;
  for (int i = 0; i < 16; ++i) runs.push_back(Filled(pool, 4 * kPage));
  CHECK(Addresses(runs).size() == 16);
  CHECK(*Addresses(runs).rbegin() - *Addresses(runs).begin() == 15 * 4 * kPage);
  const Block more = Filled(pool, kPage);
  CHECK(more.slab != runs[0].slab);
  char* const base = *Addresses(runs).begin();
  for (const Block& run : runs) pool.Free(run, 4 * kPage);
  // What was a slab is a block again.
  const Block whole = Filled(pool, kCommon);
  CHECK(whole.data == base);
  CHECK(whole.slab == nullptr);
  pool.Free(whole, kCommon);
  pool.Free(more, kPage);
}

TEST_CASE("Block pool: free pages go back where nobody needed them since the last trim") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  const Block first = Filled(pool, kPage);
  const Block second = Filled(pool, 8 * kPage);
  const Block third = Filled(pool, kPage);
  pool.Free(second, 8 * kPage);
  pool.Trim();  // they came just now
  CHECK(Resident(second.data));
  pool.Trim();
  CHECK_FALSE(Resident(second.data));
  CHECK_FALSE(Resident(third.data + kPage));
  CHECK(Resident(first.data));
  CHECK(Resident(third.data));
  const Block again = Filled(pool, 8 * kPage);
  CHECK(again.data == second.data);
  std::memset(again.data, 1, 8 * kPage);
  for (const Block& block : {first, third}) pool.Free(block, kPage);
  pool.Free(again, 8 * kPage);
}

TEST_CASE("Block pool: a slab gets its memory in steps, as its pages are taken") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  constexpr size_t kPages = kCommon / kPage;
  const auto resident = [](const Block& first) {
    size_t pages = 0;
    while (pages < kPages && Resident(first.data + pages * kPage)) ++pages;
    return pages;
  };
  const Block first = pool.Allocate(kPage);
  const size_t step = resident(first);
  CHECK(step > 1);
  REQUIRE(step < kPages);
  std::vector<Block> more;
  while (more.size() + 1 < step) more.push_back(pool.Allocate(kPage));
  CHECK(resident(first) == step);
  more.push_back(pool.Allocate(kPage));
  CHECK(resident(first) == 2 * step);
  pool.Free(first, kPage);
  for (const Block& block : more) pool.Free(block, kPage);
}

TEST_CASE("Block pool: a slab that comes free is kept, whole, if half of it held memory") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  constexpr size_t kHalf = kCommon / 2;
  for (const bool half : {false, true}) {
    const size_t bytes = half ? kHalf : kPage;
    pool.Free(pool.Allocate(bytes), bytes);
    const Block block = pool.Allocate(kCommon);
    CHECK(block.resident == (half ? kCommon : 0));
    if (half) CHECK(Resident(block.data + kCommon - kPage));
    pool.Free(block, kCommon);
    for (int i = 0; i < 3; ++i) pool.Trim();
  }
}

TEST_CASE("Block pool: a new block holds memory as far as it is filled") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  Block block = pool.Allocate(kCommon);
  CHECK(block.resident == 0);
  BlockPool::Populate(&block, 2 * kPage);
  CHECK(block.resident == 2 * kPage);
  for (size_t page = 0; page < 8; ++page) CHECK(Resident(block.data + page * kPage) == (page < 2));
  pool.Free(block, kCommon);
}

TEST_CASE("Block pool: a block is kept if most of it holds memory") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  for (const bool most : {false, true}) {
    Block block = pool.Allocate(kCommon);
    CHECK(block.resident == 0);
    BlockPool::Populate(&block, most ? kCommon / 4 * 3 : kCommon / 2);
    pool.Free(block, kCommon);
    block = pool.Allocate(kCommon);
    CHECK(block.resident == (most ? kCommon : 0));
    pool.Free(block, kCommon);
    for (int i = 0; i < 3; ++i) pool.Trim();
  }
}

// Allocates, frees and trims at random with a budget that is often nearly full: no two blocks
// overlap, and the memory held never exceeds the limit.
TEST_CASE("Block pool: whatever comes, blocks are apart, and what is held stays within the limit") {
  constexpr size_t kLimit = 6 * kCommon;
  std::mt19937_64 random(testing::Seed());
  Budget budget(kLimit);
  BlockPool pool(kCommon, budget);
  struct Taken {
    Block block;
    size_t bytes;
    size_t filled;
    char mark;
  };
  std::vector<Taken> taken;
  std::set<char*> pages;  // that were ever given out
  for (int step = 0; step < 20'000; ++step) {
    const auto choice = random() % 100;
    if (choice < 55) {
      size_t bytes = kPage << (random() % 7);
      if (random() % 3 == 0) bytes = (1 + random() % 64) * kPage;
      if (!budget.TryCharge(bytes)) continue;
      Block block = pool.Allocate(bytes);
      REQUIRE(block.data != nullptr);
      const char mark = static_cast<char>(random());
      const size_t filled = (1 + random() % (bytes / kPage)) * kPage;
      if (filled > block.resident) BlockPool::Populate(&block, static_cast<uint32_t>(filled));
      std::memset(block.data, mark, filled);
      block.data[bytes - 1] = mark;
      for (size_t at = 0; at < bytes; at += kPage) pages.insert(block.data + at);
      taken.push_back({block, bytes, filled, mark});
    } else if (choice < 99 && !taken.empty()) {
      const size_t i = random() % taken.size();
      const Taken gone = taken[i];
      taken[i] = taken.back();
      taken.pop_back();
      for (size_t at = 0; at < gone.filled; at += 512) REQUIRE(gone.block.data[at] == gone.mark);
      REQUIRE(gone.block.data[gone.bytes - 1] == gone.mark);
      pool.Free(gone.block, gone.bytes);
      budget.Release(gone.bytes);
    } else {
      pool.Trim();
    }
    if (step % 100 != 0) continue;
    size_t resident = 0;
    for (char* page : pages) {
      unsigned char present = 0;  // ENOMEM: no longer mapped
      if (mincore(page, kPage, &present) == 0 && (present & 1) != 0) resident += kPage;
    }
    REQUIRE(resident <= kLimit);
  }
  for (const Taken& t : taken) pool.Free(t.block, t.bytes);
}

}  // namespace
}  // namespace estiba
