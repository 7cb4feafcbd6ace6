// The command tree as a whole, and the options that all commands share.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"

namespace estiba::cli {
namespace {

constexpr char kExamples[] =
    R"(First steps:
  estiba pub hello 'my first message'
  estiba sub hello --count 1
  tail -F app.log | estiba pub logs &  estiba sub logs
  estiba top

The options above go before or after the command. `estiba COMMAND --help` has examples for each.
)";

void AddGlobalOptions(CLI::App& app, Context& context) {
  app.add_option("-S,--server", context.server, "The broker, also any gRPC target")
      ->type_name("HOST:PORT")
      ->envname("ESTIBA_SERVER")
      ->capture_default_str();
  app.add_option("--client-name", context.client_name,
                 "What `estiba connections` shows (default: estiba-COMMAND-PID)")
      ->type_name("NAME")
      ->envname("ESTIBA_CLIENT_NAME");
  AddDuration(app, "-T,--timeout", context.timeout,
              "How long the broker may take for one answer (default: 10s)");
  app.add_flag("-j,--json", context.json, "Output, and errors, as JSON");
  app.add_flag("--no-color", context.no_color, "No colours; so does the environment's NO_COLOR");
  app.set_version_flag("-V,--version", "estiba " ESTIBA_CLI_VERSION);
}

// Lets the global options stand anywhere.
void LetOptionsFallThrough(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    command->fallthrough();
    LetOptionsFallThrough(*command);
  }
}

}  // namespace

void AddEverything(CLI::App& app, Context& context) {
  app.require_subcommand(1);
  app.footer(absl::StrCat(kExamples, "\n", ExitCodeHelp()));
  AddGlobalOptions(app, context);
  AddPub(app, context);
  AddSub(app, context);
  AddRequest(app, context);
  AddReply(app, context);
  AddTopic(app, context);
  AddSubscription(app, context);
  AddStats(app, context);
  AddTop(app, context);
  AddConnections(app, context);
  AddHealth(app, context);
  AddBench(app, context);
  AddCompletion(app, context);
  LetOptionsFallThrough(app);
}

}  // namespace estiba::cli
