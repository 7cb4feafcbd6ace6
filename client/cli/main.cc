// estiba: the command line of the Estiba broker.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/keep_buffers.h"
#include "client/cli/literal_argument.h"
#include "client/cli/output.h"

namespace estiba::cli {
namespace {

// The innermost command on the command line: the one that help and errors are about.
const CLI::App& Chosen(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : Chosen(*chosen.back());
}

// What is wrong, in one line.
std::string Complaint(const CLI::App& app, const CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (!command.get_subcommands([](const CLI::App*) { return true; }).empty() &&
      error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    return unknown.empty() ? "which command?" : absl::StrCat("no command '", unknown.front(), "'");
  }
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) && !unknown.empty()) {
    return absl::StrCat("not known here: ", absl::StrJoin(unknown, " "));
  }
  return error.what();
}

// --help and --version are no errors.
int Explain(const CLI::App& app, const CLI::ParseError& error, const Context& context) {
  if (dynamic_cast<const CLI::CallForHelp*>(&error) != nullptr ||
      dynamic_cast<const CLI::CallForAllHelp*>(&error) != nullptr) {
    return PrintText(app.help());
  }
  if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
    return PrintText(absl::StrCat(error.what(), "\n"));
  }
  const CLI::App& command = Chosen(app);
  return FailUsage(context, absl::StrCat(Complaint(app, command, error), "\n  see `",
                                         CommandPath(command), " --help`"));
}

int Main(int argc, char** argv) {
  // A reader that has gone shows as an error of write(2).
  signal(SIGPIPE, SIG_IGN);
  CLI::App app("Publish to, consume from, and look after an Estiba broker", "estiba");
  Context context;
  AddEverything(app, context);
  std::vector<std::string> arguments = MarkLiterals(argc, argv);
  // What stops parsing may stop it before the option itself is seen.
  const bool json = absl::c_linear_search(arguments, "--json");
  try {
    std::reverse(arguments.begin(), arguments.end());  // As CLI11 wants them.
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    context.json = json;
    return Explain(app, error, context);
  }
  Unmark(context.server);
  Unmark(context.client_name);
  return context.run();
}

}  // namespace
}  // namespace estiba::cli

int main(int argc, char** argv) {
  estiba::cli::KeepBuffersAtHand();
  try {
    return estiba::cli::Main(argc, argv);
  } catch (const std::exception& error) {
    estiba::cli::Warn(error.what());
    return estiba::cli::kExitFailure;
  }
}
