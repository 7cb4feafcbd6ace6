#include "client/cli/snapshot.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(A snapshot is what a subscription has not consumed at a moment, and everything published after. A
subscription of the same topic can be sought to it until it is deleted or expires. It holds memory for all
of that.

Examples:
  estiba subscription snapshot create before-deploy billing --expire-after 1h --label by=me
  estiba subscription seek billing --to-snapshot before-deploy
  estiba subscription snapshot list --topic orders
  estiba subscription snapshot delete before-deploy)";

struct CreateOptions {
  std::string name;
  std::string subscription;
  std::vector<std::string> labels;
  SnapshotOptions snapshot;
};

Admin MakeAdmin(const Context& context) {
  return Admin(Client(context.MakeClientOptions("subscription")), context.timeout);
}

int Create(const Context& context, const CreateOptions& options) {
  SnapshotOptions snapshot = options.snapshot;
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return FailUsage(context, absl::StrCat("--label: '", label, "' is not KEY=VALUE"));
    }
    snapshot.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  const absl::StatusOr<SnapshotInfo> made =
      MakeAdmin(context).CreateSnapshot(options.name, options.subscription, snapshot);
  if (!made.ok()) {
    return Fail(context, absl::StrCat("cannot create snapshot '", options.name, "'"),
                made.status());
  }
  if (context.json) return PrintJson(ToJson(*made));
  return PrintText(absl::StrCat("created snapshot '", made->name, "' of topic '", made->topic,
                                "': ", made->unacked_messages, " messages, and all from sequence ",
                                made->next_sequence, "\n"));
}

int List(const Context& context, const std::string& topic) {
  const absl::StatusOr<std::vector<SnapshotInfo>> all = MakeAdmin(context).ListAllSnapshots(topic);
  if (!all.ok()) return Fail(context, "cannot list snapshots", all.status());
  return context.json ? PrintJson(ToJson("snapshots", *all))
                      : PrintText(SnapshotTable(*all, context.ColorOut()));
}

int Delete(const Context& context, const std::string& name, bool if_exists) {
  const absl::Status deleted = MakeAdmin(context).DeleteSnapshot(name);
  const bool missing = absl::IsNotFound(deleted) && if_exists;
  if (!deleted.ok() && !missing) {
    return Fail(context, absl::StrCat("cannot delete snapshot '", name, "'"), deleted);
  }
  if (context.json) return PrintJson({{"deleted", !missing}, {"name", name}});
  return PrintText(
      absl::StrCat(missing ? "there is no snapshot '" : "deleted snapshot '", name, "'\n"));
}

CLI::Option* AddName(CLI::App& command, std::string& name) {
  return command.add_option("snapshot", name, "The snapshot's name")->required()->type_name("NAME");
}

}  // namespace

void AddSnapshot(CLI::App& subscription, Context& context) {
  CLI::App* snapshot =
      subscription.add_subcommand("snapshot", "Remember what is not consumed, to seek to it later");
  snapshot->require_subcommand(1);
  snapshot->footer(kHelp);

  auto options = std::make_shared<CreateOptions>();
  CLI::App* create = snapshot->add_subcommand("create", "Take a snapshot of a subscription");
  AddName(*create, options->name);
  create->add_option("subscription", options->subscription, "Of this subscription")
      ->required()
      ->type_name("NAME");
  AddDuration(*create, "--expire-after", options->snapshot.expire_after,
              "It is deleted after this long: 1s-31d (default 7d)");
  create->add_option("--label", options->labels, "A label for it; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  create->callback([&context, options] {
    context.run = [&context, options] { return Create(context, *options); };
  });

  auto topic = std::make_shared<std::string>();
  CLI::App* list = snapshot->add_subcommand("list", "List snapshots");
  list->alias("ls");
  list->add_option("-t,--topic", *topic, "Only those of this topic")->type_name("TOPIC");
  list->callback(
      [&context, topic] { context.run = [&context, topic] { return List(context, *topic); }; });

  auto name = std::make_shared<std::string>();
  auto if_exists = std::make_shared<bool>(false);
  CLI::App* remove = snapshot->add_subcommand("delete", "Delete a snapshot, and free its memory");
  remove->alias("rm");
  AddName(*remove, *name);
  remove->add_flag("--if-exists", *if_exists, "One that does not exist is fine");
  remove->callback([&context, name, if_exists] {
    context.run = [&context, name, if_exists] { return Delete(context, *name, *if_exists); };
  });
}

}  // namespace estiba::cli
