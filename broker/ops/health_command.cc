#include "broker/ops/health_command.h"

#include <CLI/CLI.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "broker/ops/config.h"
#include "broker/ops/setting_rule.h"

namespace estiba {
namespace {

constexpr TimeRange kTimeoutRange{absl::Milliseconds(1), absl::Minutes(10)};

// Where this machine's own processes reach a broker with these settings.
absl::StatusOr<std::string> LocalServer(const Environment& environment, const Machine& machine) {
  absl::StatusOr<LoadedConfig> loaded = LoadConfig({}, environment, machine);
  if (!loaded.ok()) return loaded.status();
  Config& config = loaded->config;
  if (config.port == 0) {
    return absl::InvalidArgumentError("port 0 stands for any port; name the one with --server");
  }
  if (config.listen_address == "0.0.0.0" || config.listen_address == "::") {
    config.listen_address = "127.0.0.1";
  }
  return config.ListenTarget();
}

}  // namespace

absl::StatusOr<HealthCommand> ParseHealthCommand(const std::vector<std::string>& args,
                                                 const Environment& environment,
                                                 const Machine& machine) {
  HealthCommand command;
  std::string timeout;
  try {
    CLI::App app;
    app.set_help_flag();
    app.add_flag("--help,-h", command.help);
    app.add_option("--server", command.server);
    app.add_option("--service", command.service);
    app.add_option("--timeout", timeout);
    std::vector<std::string> reversed(args.rbegin(), args.rend());  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(absl::StrCat("health: ", absl::CHexEscape(error.what())));
  }
  if (command.help) return command;
  if (!timeout.empty()) {
    const absl::StatusOr<absl::Duration> parsed = ParseTime(timeout, kTimeoutRange);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "health: --timeout '", absl::CHexEscape(timeout), "' ", parsed.status().message()));
    }
    command.timeout = *parsed;
  }
  if (command.server.empty()) {
    absl::StatusOr<std::string> server = LocalServer(environment, machine);
    if (!server.ok()) return server.status();
    command.server = *std::move(server);
  }
  return command;
}

std::string HealthHelpText() {
  return "Usage: estibad health [FLAG]...\n"
         "\n"
         "Asks a broker that runs for its health, by the gRPC health protocol, and prints the\n"
         "answer. For the HEALTHCHECK of a container, for exec probes and for scripts.\n"
         "\n"
         "  --server=HOST:PORT  the broker; without this flag the one on this machine: with the "
         "port\n"
         "                      and the address of ESTIBA_PORT, ESTIBA_LISTEN_ADDRESS or the file\n"
         "                      of ESTIBA_CONFIG, else 127.0.0.1:8085\n"
         "  --service=NAME      what is asked about: liveness, readiness, or a gRPC service such "
         "as\n"
         "                      estiba.v1.Broker; without this flag the broker as a whole\n"
         "  --timeout=DURATION  how long to wait for the answer, from 1ms to 10m (default 1s)\n"
         "  -h, --help          print this and exit\n"
         "\n"
         "Exit code: 0, the answer is SERVING; 1, it is another or none came in time; 2, wrong "
         "use.\n";
}

}  // namespace estiba
