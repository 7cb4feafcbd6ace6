// estiba topic: create, get, list, delete.
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
    R"(A topic holds messages until each of its subscriptions has consumed them; without a subscription, for
the first that comes. It is created with the broker's defaults by the first publish, so `create` is for
topics that need other settings.

Examples:
  estiba topic create orders --full-policy block --budget 64MiB
  estiba topic create logs --full-policy drop-oldest --retention-age 1h --retention-bytes 1GiB
  estiba topic list
  estiba topic get orders --json
  estiba topic delete orders --if-exists)";

constexpr char kCreateHelp[] =
    R"(When memory is full:
  reject       the publish fails with RESOURCE_EXHAUSTED and may be tried again (the default)
  block        the publisher waits until something is consumed
  drop-oldest  the oldest messages are given up; consumers concerned are told of the gap)";

struct CreateOptions {
  std::string name;
  TopicConfig config;
  bool if_missing = false;
};

int PrintTopic(const Context& context, const TopicInfo& topic) {
  return context.json ? PrintJson(ToJson(topic))
                      : PrintText(TopicDetail(topic, context.ColorOut()));
}

Admin MakeAdmin(const Context& context) {
  return Admin(Client(context.MakeClientOptions("topic")), context.timeout);
}

int Create(const Context& context, const CreateOptions& options) {
  Admin admin = MakeAdmin(context);
  absl::StatusOr<TopicInfo> topic = admin.CreateTopic(options.name, options.config);
  const bool existed = absl::IsAlreadyExists(topic.status()) && options.if_missing;
  if (existed) topic = admin.GetTopic(options.name);
  if (!topic.ok()) {
    return Fail(context, absl::StrCat("cannot create topic '", options.name, "'"), topic.status());
  }
  if (context.json) return PrintJson(ToJson(*topic));
  return PrintText(
      absl::StrCat(existed ? "there is already topic '" : "created topic '", options.name, "'\n"));
}

int Get(const Context& context, const std::string& name) {
  const absl::StatusOr<TopicInfo> topic = MakeAdmin(context).GetTopic(name);
  if (!topic.ok()) return Fail(context, absl::StrCat("topic '", name, "'"), topic.status());
  return PrintTopic(context, *topic);
}

int List(const Context& context) {
  const absl::StatusOr<std::vector<TopicInfo>> topics = MakeAdmin(context).ListAllTopics();
  if (!topics.ok()) return Fail(context, "cannot list topics", topics.status());
  return context.json ? PrintJson(ToJson("topics", *topics))
                      : PrintText(TopicTable(*topics, context.ColorOut()));
}

int Delete(const Context& context, const std::string& name, bool if_exists) {
  Admin admin = MakeAdmin(context);
  // What was in it can only be told before.
  const absl::StatusOr<TopicInfo> topic = admin.GetTopic(name);
  const absl::Status deleted = admin.DeleteTopic(name);
  const bool missing = absl::IsNotFound(deleted) && if_exists;
  if (!deleted.ok() && !missing) {
    return Fail(context, absl::StrCat("cannot delete topic '", name, "'"), deleted);
  }
  const TopicStats stats = topic.ok() ? topic->stats : TopicStats{};
  if (context.json) {
    return PrintJson({{"deleted", !missing},
                      {"name", name},
                      {"held_messages", stats.held_messages},
                      {"subscriptions", stats.subscriptions}});
  }
  if (missing) return PrintText(absl::StrCat("there is no topic '", name, "'\n"));
  return PrintText(absl::StrCat("deleted topic '", name, "' with ", stats.held_messages,
                                " messages and ", stats.subscriptions, " subscriptions\n"));
}

CLI::Option* AddName(CLI::App& command, std::string& name) {
  return command.add_option("topic", name, "The topic's name")->required()->type_name("TOPIC");
}

void AddCreate(CLI::App& topic, Context& context) {
  CLI::App* command = topic.add_subcommand("create", "Create a topic");
  command->footer(kCreateHelp);
  auto options = std::make_shared<CreateOptions>();
  AddName(*command, options->name);
  AddChoice<FullPolicy>(*command, "--full-policy", options->config.full_policy,
                        {{"reject", FullPolicy::kReject},
                         {"block", FullPolicy::kBlock},
                         {"drop-oldest", FullPolicy::kDropOldest}},
                        "What a full memory means (default: the broker's setting)");
  AddBytes(*command, "--budget", options->config.budget_bytes,
           "Most memory it may hold, 64KiB or more (default: the broker's budget)");
  AddDuration(*command, "--retention-age", options->config.retention_age,
              "Give up older messages, consumed or not: 1s-31d (default: never)");
  AddDuration(*command, "--dedup-window", options->config.dedup_window,
              "How long a batch's dedup id is remembered: 1s-1h (default 2m)");
  AddDuration(*command, "--idle-expiry", options->config.idle_expiry,
              "Deleted when nobody has used it for this long: 1s-366d (default never)");
  AddBytes(*command, "--retention-bytes", options->config.retention_bytes,
           "Give up the oldest messages beyond this, 64KiB or more (default: never)");
  command->add_flag("--if-missing", options->if_missing,
                    "One that exists, with any settings, is fine");
  command->callback([&context, options] {
    context.run = [&context, options] { return Create(context, *options); };
  });
}

}  // namespace

void AddTopic(CLI::App& app, Context& context) {
  CLI::App* topic = app.add_subcommand("topic", "Create, show, list and delete topics");
  topic->require_subcommand(1);
  topic->footer(kHelp);
  AddCreate(*topic, context);

  auto name = std::make_shared<std::string>();
  CLI::App* get = topic->add_subcommand("get", "Show one topic");
  AddName(*get, *name);
  get->callback(
      [&context, name] { context.run = [&context, name] { return Get(context, *name); }; });

  CLI::App* list = topic->add_subcommand("list", "List all topics");
  list->alias("ls");
  list->callback([&context] { context.run = [&context] { return List(context); }; });

  auto if_exists = std::make_shared<bool>(false);
  CLI::App* remove =
      topic->add_subcommand("delete", "Delete a topic, its messages and its subscriptions");
  remove->alias("rm");
  AddName(*remove, *name);
  remove->add_flag("--if-exists", *if_exists, "A topic that does not exist is fine");
  remove->callback([&context, name, if_exists] {
    context.run = [&context, name, if_exists] { return Delete(context, *name, *if_exists); };
  });
}

}  // namespace estiba::cli
