#include "broker/queue/block_pool.h"

#include <cstring>
#include <set>
#include <vector>

#include "broker/queue/budget.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

constexpr size_t kCommon = 256 << 10;

TEST_CASE("Block pool: blocks of all sizes are writable to their last byte") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  for (const size_t bytes :
       {size_t{27}, size_t{4096}, BlockPool::kMapBytes - 1, BlockPool::kMapBytes,
        BlockPool::kMapBytes + 4096, kCommon, 2 * kCommon, kCommon + 1}) {
    char* const block = pool.Allocate(bytes);
    REQUIRE(block != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(block) % 4 == 0);
    std::memset(block, 0x5a, bytes);
    pool.Free(block, bytes);
  }
}

// Freed blocks of the common size, marked; and how many of as many new ones are such.
void FreeMarked(BlockPool& pool, std::vector<char*>& blocks) {
  for (char* block : blocks) {
    block[0] = 1;
    pool.Free(block, kCommon);
  }
  blocks.clear();
}

size_t TakeMarked(BlockPool& pool, size_t count, std::vector<char*>& blocks) {
  size_t marked = 0;
  for (size_t i = 0; i < count; ++i) {
    blocks.push_back(pool.Allocate(kCommon));
    marked += blocks.back()[0] == 1;
  }
  return marked;
}

TEST_CASE("Block pool: a freed block of the common size is used again") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  std::vector<char*> blocks;
  CHECK(TakeMarked(pool, 3, blocks) == 0);
  const std::set<char*> before(blocks.begin(), blocks.end());
  FreeMarked(pool, blocks);
  CHECK(TakeMarked(pool, 3, blocks) == 3);
  CHECK(std::set<char*>(blocks.begin(), blocks.end()) == before);
  FreeMarked(pool, blocks);
}

TEST_CASE("Block pool: what nobody needed since the last trim goes back, and only that") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  std::vector<char*> blocks;
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

TEST_CASE("Block pool: other sizes are not kept") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  char* block = pool.Allocate(2 * kCommon);
  block[0] = 1;
  pool.Free(block, 2 * kCommon);
  block = pool.Allocate(2 * kCommon);
  CHECK(block[0] == 0);
  pool.Free(block, 2 * kCommon);
}

TEST_CASE("Block pool: what is kept and what is charged stay within the limit together") {
  Budget budget(8 * kCommon);
  BlockPool pool(kCommon, budget);
  std::vector<char*> blocks;
  for (int i = 0; i < 8; ++i) {
    REQUIRE(budget.TryCharge(kCommon));
    TakeMarked(pool, 1, blocks);
  }
  while (blocks.size() > 2) {
    blocks.back()[0] = 1;
    pool.Free(blocks.back(), kCommon);
    budget.Release(kCommon);
    blocks.pop_back();
  }
  // Two are in use and six are kept. Three blocks' worth of something else makes room for itself.
  REQUIRE(budget.TryCharge(3 * kCommon));
  char* const other = pool.Allocate(3 * kCommon);
  std::vector<char*> again;
  REQUIRE(budget.TryCharge(3 * kCommon));
  CHECK(TakeMarked(pool, 6, again) == 3);
  for (char* block : again) pool.Free(block, kCommon);
  for (char* block : blocks) pool.Free(block, kCommon);
  pool.Free(other, 3 * kCommon);
}

TEST_CASE("Block pool: says so when the system has no memory to give") {
  Budget budget(0);
  BlockPool pool(kCommon, budget);
  CHECK(pool.Allocate(size_t{1} << 50) == nullptr);
}

}  // namespace
}  // namespace estiba
