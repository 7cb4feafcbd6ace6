// `estibad health`: one question about health to a broker that runs, for images without a shell
// (the HEALTHCHECK of a container, exec probes) and for scripts.
//
// This is what was asked for; broker/rpc/health_check asks it. Thread-safe: free functions without
// state.
#ifndef BROKER_OPS_HEALTH_COMMAND_H_
#define BROKER_OPS_HEALTH_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/ops/machine.h"

namespace estiba {

struct HealthCommand {
  // --help: print HealthHelpText(); nothing is asked.
  bool help = false;
  // "HOST:PORT".
  std::string server;
  // A name that broker/ops/health.h lists; empty: the broker as a whole.
  std::string service;
  absl::Duration timeout = absl::Seconds(1);
};

// `args` without the program's name and without "health". Where they do not name a server, it is
// the one that an estibad with this environment, and without flags, is on this machine. Anything
// wrong is INVALID_ARGUMENT with a message of one line.
absl::StatusOr<HealthCommand> ParseHealthCommand(const std::vector<std::string>& args,
                                                 const Environment& environment,
                                                 const Machine& machine);

std::string HealthHelpText();

}  // namespace estiba

#endif  // BROKER_OPS_HEALTH_COMMAND_H_
