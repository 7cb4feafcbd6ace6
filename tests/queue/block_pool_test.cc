#include "broker/queue/block_pool.h"

#include <cstring>
#include <set>
#include <vector>

#include "tests/support/catch.h"

namespace estiba {
namespace {

constexpr size_t kCommon = 256 << 10;

TEST_CASE("Block pool: blocks of all sizes are writable to their last byte") {
  BlockPool pool(kCommon);
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

TEST_CASE("Block pool: a freed block of the common size is used again, until it is trimmed") {
  BlockPool pool(kCommon);
  char* const block = pool.Allocate(kCommon);
  std::memset(block, 1, kCommon);
  pool.Free(block, kCommon);
  REQUIRE(pool.Allocate(kCommon) == block);
  CHECK(block[kCommon - 1] == 1);  // as it was: a warm page, not a new one
  pool.Free(block, kCommon);
  pool.Trim();
  char* const mapped = pool.Allocate(kCommon);
  CHECK(mapped[kCommon - 1] == 0);
  pool.Free(mapped, kCommon);
}

TEST_CASE("Block pool: other sizes are not kept") {
  BlockPool pool(kCommon);
  char* block = pool.Allocate(2 * kCommon);
  block[0] = 1;
  pool.Free(block, 2 * kCommon);
  block = pool.Allocate(2 * kCommon);
  CHECK(block[0] == 0);
  pool.Free(block, 2 * kCommon);
}

TEST_CASE("Block pool: keeps no more than its bound") {
  BlockPool pool(kCommon);
  constexpr size_t kKept = BlockPool::kKeptBytes / kCommon;
  std::vector<char*> blocks;
  for (size_t i = 0; i < kKept + 5; ++i) {
    blocks.push_back(pool.Allocate(kCommon));
    blocks.back()[0] = 1;
  }
  for (char* block : blocks) pool.Free(block, kCommon);
  size_t warm = 0;
  for (char*& block : blocks) {
    block = pool.Allocate(kCommon);
    warm += block[0] == 1;
  }
  CHECK(warm == kKept);
  CHECK(std::set<char*>(blocks.begin(), blocks.end()).size() == blocks.size());
  for (char* block : blocks) pool.Free(block, kCommon);
}

TEST_CASE("Block pool: says so when the system has no memory to give") {
  BlockPool pool(kCommon);
  CHECK(pool.Allocate(size_t{1} << 50) == nullptr);
}

TEST_CASE("Block pool: a common size too large to keep is not kept") {
  BlockPool pool(2 * BlockPool::kKeptBytes);
  char* block = pool.Allocate(2 * BlockPool::kKeptBytes);
  block[0] = 1;
  pool.Free(block, 2 * BlockPool::kKeptBytes);
  block = pool.Allocate(2 * BlockPool::kKeptBytes);
  CHECK(block[0] == 0);
  pool.Free(block, 2 * BlockPool::kKeptBytes);
}

}  // namespace
}  // namespace estiba
