// How much memory this process may use: the smallest limit of the cgroups it is in (version 1 and
// 2), or the machine's physical memory where no cgroup sets a lower one.
//
// Reads a few small files below /proc and /sys/fs/cgroup once. What cannot be read counts as "no
// limit". Thread-safe: no state.
#ifndef BROKER_OPS_MEMORY_LIMIT_H_
#define BROKER_OPS_MEMORY_LIMIT_H_

#include <cstdint>
#include <filesystem>
#include <string>

namespace estiba {

struct MemoryLimit {
  uint64_t bytes = 0;
  // For people: "cgroup limit" or "physical memory".
  std::string origin;
};

// `root` stands for "/", so that tests can lay out a machine of their own.
//
// Version 2: memory.max and memory.high of the process's cgroup and of every cgroup above it.
// Version 1: memory.limit_in_bytes, likewise. Inside a container the path of the process's cgroup
// may not exist below the mount; the mount's own directory is then the container's.
MemoryLimit FindMemoryLimit(const std::filesystem::path& root = "/");

}  // namespace estiba

#endif  // BROKER_OPS_MEMORY_LIMIT_H_
