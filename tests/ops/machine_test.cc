#include "broker/ops/machine.h"

#include <unistd.h>

#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace estiba {
namespace {

// A directory that is laid out like "/" of a machine with 8 GiB.
class FakeRoot {
 public:
  FakeRoot() { Write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:   1 kB\n"); }

  void Write(const std::string& file, const std::string& content) {
    std::filesystem::create_directories((dir_.path() / file).parent_path());
    dir_.Write(file, content);
  }
  const std::filesystem::path& path() const { return dir_.path(); }
  MemoryLimit Find() const { return FindMemoryLimit(dir_.path()); }

 private:
  testing::TempDir dir_;
};

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST_CASE("Without a cgroup the limit is the physical memory") {
  FakeRoot root;
  CHECK(root.Find().bytes == 8192 * kMiB);
  CHECK(root.Find().origin == "physical memory");
}

TEST_CASE("In a container with cgroup version 2 the limit is memory.max at the mount") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/\n");
  root.Write("sys/fs/cgroup/memory.max", "134217728\n");
  root.Write("sys/fs/cgroup/memory.high", "max\n");
  CHECK(root.Find().bytes == 128 * kMiB);
  CHECK(root.Find().origin == "cgroup limit");
}

TEST_CASE("With cgroup version 2 the smallest limit on the way up counts") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/a/b/c\n");
  root.Write("sys/fs/cgroup/a/b/c/memory.max", "max\n");
  root.Write("sys/fs/cgroup/a/b/memory.max", "1073741824\n");
  root.Write("sys/fs/cgroup/a/memory.max", "2147483648\n");
  CHECK(root.Find().bytes == 1024 * kMiB);
  root.Write("sys/fs/cgroup/a/memory.high", "536870912\n");
  CHECK(root.Find().bytes == 512 * kMiB);
}

TEST_CASE("With cgroup version 2 and no limit the physical memory counts") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/user.slice\n");
  root.Write("sys/fs/cgroup/user.slice/memory.max", "max\n");
  CHECK(root.Find().bytes == 8192 * kMiB);
}

TEST_CASE("A path above the cgroup mount counts as the mount") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/../../elsewhere\n");
  root.Write("sys/fs/cgroup/memory.max", "134217728\n");
  CHECK(root.Find().bytes == 128 * kMiB);
}

TEST_CASE("With cgroup version 1 the memory controller's limit counts") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/x\n");
  root.Write("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n");
  root.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(root.Find().bytes == 256 * kMiB);
}

TEST_CASE(
    "With cgroup version 1 in a container, where the path is not there, the mount's limit counts") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "4:memory:/docker/abc\n");
  root.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  CHECK(root.Find().bytes == 256 * kMiB);
}

TEST_CASE("With cgroup version 1 and no limit the physical memory counts") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "4:memory:/\n0::/\n");
  root.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(root.Find().bytes == 8192 * kMiB);
  CHECK(root.Find().origin == "physical memory");
}

TEST_CASE("Files of an unknown form set no limit") {
  FakeRoot root;
  root.Write("proc/self/cgroup", "nonsense\n\n0:\n0::/\n");
  root.Write("sys/fs/cgroup/memory.max", "-5\n");
  CHECK(root.Find().bytes == 8192 * kMiB);
}

TEST_CASE("This machine has a memory limit") {
  const MemoryLimit limit = FindMemoryLimit();
  const auto physical = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  CHECK(limit.bytes > 16 * kMiB);
  CHECK(limit.bytes <= physical + 64 * kMiB);
}

TEST_CASE("A container is known by its files or by a variable of its runtime") {
  FakeRoot root;
  CHECK_FALSE(Machine::Here({}, root.path()).in_container);
  CHECK(Machine::Here({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}}, root.path()).in_container);
  CHECK(Machine::Here({{"container", "oci"}}, root.path()).in_container);
  root.Write(".dockerenv", "");
  CHECK(Machine::Here({}, root.path()).in_container);
  FakeRoot podman;
  podman.Write("run/.containerenv", "");
  CHECK(Machine::Here({}, podman.path()).in_container);
}

TEST_CASE("The process's environment is read as it is") {
  setenv("ESTIBA_OPS_TEST", "a=b", 1);
  CHECK(ProcessEnvironment()["ESTIBA_OPS_TEST"] == "a=b");
  unsetenv("ESTIBA_OPS_TEST");
  CHECK_FALSE(ProcessEnvironment().contains("ESTIBA_OPS_TEST"));
}

}  // namespace
}  // namespace estiba
