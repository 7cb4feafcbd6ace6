// estiba connections: who is there, and putting them out.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(A connection is one open Publish or Subscribe stream. Clients name themselves (`--client-name` here,
`ClientOptions::client_name` in C++, call metadata `estiba-client-name` elsewhere).

Examples:
  estiba connections                       list all
  estiba connections list billing          those of one client
  estiba connections close billing         end all of one client; a good client comes back by itself
  estiba connections close --id 17)";

struct CloseOptions {
  std::string client_name;
  std::optional<uint64_t> id;
};

Admin MakeAdmin(const Context& context) {
  return Admin(Client(context.MakeClientOptions("connections")), context.timeout);
}

int List(const Context& context, const std::string& client_name) {
  const absl::StatusOr<std::vector<ConnectionInfo>> connections =
      MakeAdmin(context).ListAllConnections(client_name);
  if (!connections.ok()) return Fail(context, "cannot list connections", connections.status());
  return context.json ? PrintJson(ToJson("connections", *connections))
                      : PrintText(ConnectionTable(*connections, context.ColorOut()));
}

int Close(const Context& context, const CloseOptions& options) {
  if (options.id.has_value() != options.client_name.empty()) {
    return FailUsage(context, "which connections? Give a client's name, or --id");
  }
  Admin admin = MakeAdmin(context);
  absl::StatusOr<uint32_t> closed =
      options.id ? admin.CloseConnection(*options.id) : admin.CloseConnections(options.client_name);
  if (closed.ok() && *closed == 0) closed = absl::NotFoundError("there is none");
  if (!closed.ok()) {
    const std::string which = options.id
                                  ? absl::StrCat("connection ", *options.id)
                                  : absl::StrCat("connections of '", options.client_name, "'");
    return Fail(context, absl::StrCat("cannot close ", which), closed.status());
  }
  if (context.json) return PrintJson({{"closed", *closed}});
  return PrintText(
      absl::StrCat("closed ", *closed, *closed == 1 ? " connection\n" : " connections\n"));
}

}  // namespace

void AddConnections(CLI::App& app, Context& context) {
  CLI::App* connections =
      app.add_subcommand("connections", "List and close the streams of clients");
  connections->require_subcommand(0, 1);
  connections->footer(kHelp);
  // The parent's callback runs after those of its subcommands, and must not undo their choice.
  connections->callback([&context] {
    if (!context.run) context.run = [&context] { return List(context, ""); };
  });

  auto client_name = std::make_shared<std::string>();
  CLI::App* list = connections->add_subcommand("list", "List open streams (the default)");
  list->alias("ls");
  list->add_option("client", *client_name, "Only those of this client")->type_name("CLIENT");
  list->callback([&context, client_name] {
    context.run = [&context, client_name] { return List(context, *client_name); };
  });

  auto options = std::make_shared<CloseOptions>();
  CLI::App* close = connections->add_subcommand("close", "End streams, with the status ABORTED");
  CLI::Option* client =
      close->add_option("client", options->client_name, "All of this client")->type_name("CLIENT");
  AddCount(*close, "--id", options->id, "This one, by its id")->excludes(client);
  close->callback([&context, options] {
    context.run = [&context, options] { return Close(context, *options); };
  });
}

}  // namespace estiba::cli
