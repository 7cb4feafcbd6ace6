#include "broker/ops/process_memory.h"

#include <memory>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba {
namespace {

TEST_CASE("Memory that is used becomes resident and goes back when it is returned") {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  ReturnFreeMemory();  // what other tests have left
  const uint64_t before = ResidentBytes();
  REQUIRE(before > 0);
  // Blocks below the C library's threshold for mmap, so that they live in its heap.
  std::vector<std::unique_ptr<std::string>> blocks;
  for (int i = 0; i < 4096; ++i) blocks.push_back(std::make_unique<std::string>(16384, 'x'));
  REQUIRE(ResidentBytes() >= before + 60 * kMiB);
#if defined(__GLIBC__) && !defined(ESTIBA_ASAN) && !defined(ESTIBA_TSAN)
  // One block at the top of the heap keeps it from shrinking by itself.
  std::unique_ptr<std::string> top = std::move(blocks.back());
  blocks.clear();
  REQUIRE(ReturnFreeMemory());
  REQUIRE(ResidentBytes() < before + 8 * kMiB);
#endif
}

}  // namespace
}  // namespace estiba
