#include "broker/ops/memory_limit.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace estiba {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// The number in the file; kNoLimit for "max", for a missing file and for anything else.
uint64_t ReadLimit(const fs::path& file) {
  std::ifstream in(file);
  std::string text;
  uint64_t bytes = 0;
  if (!(in >> text) || !absl::SimpleAtoi(text, &bytes)) return kNoLimit;
  return bytes;
}

uint64_t PhysicalMemory(const fs::path& root) {
  std::ifstream in(root / "proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t kilobytes = 0;
    if (words.size() >= 2 && words[0] == "MemTotal:" && absl::SimpleAtoi(words[1], &kilobytes)) {
      return kilobytes * 1024;
    }
  }
  return kNoLimit;
}

// The smallest value of `files` from mount/path up to the mount itself.
uint64_t SmallestAlong(const fs::path& mount, absl::string_view path,
                       std::initializer_list<const char*> files) {
  fs::path relative = fs::path(std::string(path)).relative_path().lexically_normal();
  if (absl::StartsWith(relative.string(), "..")) relative.clear();
  uint64_t smallest = kNoLimit;
  while (true) {
    for (const char* file : files) {
      smallest = std::min(smallest, ReadLimit(mount / relative / file));
    }
    if (relative.empty() || relative == ".") return smallest;
    relative = relative.parent_path();
  }
}

uint64_t CgroupLimit(const fs::path& root) {
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream in(root / "proc/self/cgroup");
  uint64_t smallest = kNoLimit;
  // Lines read "hierarchy:controllers:path"; version 2 has hierarchy 0 and no controllers.
  for (std::string line; std::getline(in, line);) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[0] == "0" && parts[1].empty()) {
      smallest = std::min(smallest, SmallestAlong(mount, parts[2], {"memory.max", "memory.high"}));
      continue;
    }
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    if (std::find(controllers.begin(), controllers.end(), "memory") == controllers.end()) continue;
    smallest =
        std::min(smallest, SmallestAlong(mount / "memory", parts[2], {"memory.limit_in_bytes"}));
  }
  return smallest;
}

}  // namespace

MemoryLimit FindMemoryLimit(const fs::path& root) {
  const uint64_t physical = PhysicalMemory(root);
  const uint64_t cgroup = CgroupLimit(root);
  // Version 1 says "none" with a number near 2^63; a limit above what there is limits nothing.
  if (cgroup < physical) return {cgroup, "cgroup limit"};
  return {physical, "physical memory"};
}

}  // namespace estiba
