// estiba health: asks grpc.health.v1, once or until it is well.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "client/cli/terminal.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Ends with 0 only if the answer is SERVING, so it serves as a probe and in scripts:
  estiba health
  estiba health --wait 30s && ./start-consumers
  estiba health estiba.v1.Broker --json)";

// Between asking, while waiting.
constexpr absl::Duration kPause = absl::Milliseconds(50);

const char* Name(HealthStatus status) {
  switch (status) {
    case HealthStatus::kServing:
      return "SERVING";
    case HealthStatus::kNotServing:
      return "NOT_SERVING";
    case HealthStatus::kServiceUnknown:
      return "SERVICE_UNKNOWN";
    case HealthStatus::kUnknown:
      break;
  }
  return "UNKNOWN";
}

int CodeOf(HealthStatus status) {
  if (status == HealthStatus::kServing) return kExitOk;
  return status == HealthStatus::kServiceUnknown ? kExitNotFound : kExitUnavailable;
}

bool Serving(const absl::StatusOr<HealthStatus>& health) {
  return health.ok() && *health == HealthStatus::kServing;
}

int RunHealth(const Context& context, const std::string& service,
              std::optional<absl::Duration> wait) {
  const Interrupt interrupt;
  ClientOptions client_options = context.MakeClientOptions("health");
  // While waiting, a broker that comes up should be noticed at once.
  client_options.max_backoff = absl::Milliseconds(200);
  const Client client(client_options);
  const absl::Time deadline = absl::Now() + wait.value_or(absl::ZeroDuration());
  absl::StatusOr<HealthStatus> health = client.Health(service, context.timeout);
  while (!Serving(health) && absl::Now() < deadline) {
    if (!interrupt.SleepUntil(absl::Now() + kPause)) return kExitInterrupted;
    health = client.Health(service, context.timeout);
  }
  if (!health.ok()) {
    return Fail(context, absl::StrCat("cannot reach ", context.server), health.status());
  }
  if (context.json) {
    PrintJson({{"server", context.server}, {"service", service}, {"status", Name(*health)}});
  } else {
    PrintText(absl::StrCat(
        Styled(Name(*health), Serving(health) ? Style::kGreen : Style::kRed, context.ColorOut()),
        "\n"));
  }
  return CodeOf(*health);
}

}  // namespace

void AddHealth(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("health", "Ask whether the broker is serving");
  command->footer(kHelp);
  struct Options {
    std::string service;
    std::optional<absl::Duration> wait;
  };
  auto options = std::make_shared<Options>();
  command->add_option("service", options->service, "A gRPC service; none: the broker as a whole")
      ->type_name("SERVICE");
  AddDuration(*command, "-w,--wait", options->wait, "Keep asking this long until it is SERVING");
  command->callback([&context, options] {
    context.run = [&context, options] {
      return RunHealth(context, options->service, options->wait);
    };
  });
}

}  // namespace estiba::cli
