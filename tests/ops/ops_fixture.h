// What the tests of broker/ops share.
#ifndef TESTS_OPS_OPS_FIXTURE_H_
#define TESTS_OPS_OPS_FIXTURE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/ops/config.h"
#include "broker/ops/machine.h"
#include "tests/support/temp_dir.h"

namespace estiba::testing {

// A machine with 8 GiB of memory, outside of any container, started from a terminal.
inline Machine PlainMachine() {
  Machine machine;
  machine.memory = {uint64_t{8} << 30, "physical memory"};
  machine.stderr_is_terminal = true;
  return machine;
}

// LoadConfig() with a configuration file of this content.
inline absl::StatusOr<LoadedConfig> LoadWithFile(const std::string& yaml,
                                                 std::vector<std::string> args = {},
                                                 const Environment& environment = {},
                                                 const Machine& machine = PlainMachine()) {
  TempDir dir;
  args.push_back("--config=" + dir.Write("estiba.yaml", yaml));
  return LoadConfig(args, environment, machine);
}

// The error of a load that must fail; empty if it did not.
inline std::string ErrorOf(const absl::StatusOr<LoadedConfig>& loaded) {
  if (loaded.ok() || loaded.status().code() != absl::StatusCode::kInvalidArgument) return "";
  return std::string(loaded.status().message());
}

}  // namespace estiba::testing

#endif  // TESTS_OPS_OPS_FIXTURE_H_
