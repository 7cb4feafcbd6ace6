#include "client/cli/context.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/terminal.h"

namespace estiba::cli {

ClientOptions Context::MakeClientOptions(absl::string_view command) const {
  ClientOptions options;
  options.target = server;
  options.client_name =
      client_name.empty() ? absl::StrCat("estiba-", command, "-", getpid()) : client_name;
  return options;
}

bool Context::ColorOut() const { return !no_color && UsesColor(STDOUT_FILENO); }
bool Context::ColorErr() const { return !no_color && UsesColor(STDERR_FILENO); }

absl::Status CheckReachable(const Client& client, const Context& context) {
  const absl::Status asked = client.Health("", context.timeout).status();
  return absl::IsUnavailable(asked) || absl::IsDeadlineExceeded(asked) ? asked : absl::OkStatus();
}

absl::Status CheckServing(const Client& client, const Context& context) {
  const absl::StatusOr<HealthStatus> health = client.Health("", context.timeout);
  if (absl::IsUnavailable(health.status()) || absl::IsDeadlineExceeded(health.status())) {
    return health.status();
  }
  if (health.ok() && *health == HealthStatus::kNotServing) {
    return absl::UnavailableError("the broker is shutting down");
  }
  return absl::OkStatus();
}

std::string CommandPath(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return absl::StrCat(CommandPath(*app.get_parent()), " ", app.get_name());
}

}  // namespace estiba::cli
