// What the defaults of some settings depend on: facts about the place the process runs in.
//
// A plain value: tests make one up, the daemon takes Machine::Here().
#ifndef BROKER_OPS_MACHINE_H_
#define BROKER_OPS_MACHINE_H_

#include <filesystem>
#include <map>
#include <string>

#include "broker/ops/memory_limit.h"

namespace estiba {

// Environment variables by name.
using Environment = std::map<std::string, std::string>;

// Of this process. Call it before other threads may change the environment.
Environment ProcessEnvironment();

struct Machine {
  MemoryLimit memory;
  // There is /.dockerenv or /run/.containerenv, or one of the variables `container` (a convention
  // of several runtimes, and of our image for the others) and KUBERNETES_SERVICE_HOST is set.
  bool in_container = false;
  bool stderr_is_terminal = false;

  // `root` stands for "/".
  static Machine Here(const Environment& environment, const std::filesystem::path& root = "/");
};

}  // namespace estiba

#endif  // BROKER_OPS_MACHINE_H_
