// estiba subscription: create, get, list, delete; the rest is in subscription_control and snapshot.
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
#include "client/cli/snapshot.h"
#include "client/cli/subscription_control.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(A subscription is a named place in a topic: what it has not consumed is kept for it, and its consumers
share its messages. It is created by the first `estiba sub TOPIC --subscription NAME`, so `create` is for
those that must be there before, or need another ack deadline.

Examples:
  estiba subscription create billing orders --ack-deadline 30s
  estiba subscription create audit orders --from latest
  estiba subscription create new orders --filter 'attributes.kind = "new"' --max-backoff 1m
  estiba subscription create payments orders --exactly-once --ordered
  estiba subscription create careful orders --dead-letter orders-failed --max-attempts 10
  estiba subscription list --topic orders
  estiba subscription create audit 'orders.>'      over all topics that match
  estiba subscription get billing
  estiba subscription pause billing; estiba subscription resume billing
  estiba subscription seek billing --to '10m ago'
  estiba subscription purge billing
  estiba subscription snapshot create before-deploy billing
  estiba subscription delete billing)";

struct CreateOptions {
  std::string name;
  std::string topic;
  SubscriptionConfig config;
  StartFrom from = StartFrom::Earliest();
  std::string last;  // "topic", "key", or empty
  bool if_missing = false;
};

Admin MakeAdmin(const Context& context) {
  return Admin(Client(context.MakeClientOptions("subscription")), context.timeout);
}

int Create(const Context& context, const CreateOptions& options) {
  if (!options.last.empty() && options.last != "topic" && options.last != "key") {
    return FailUsage(context,
                     absl::StrCat("--last: '", options.last, "' is neither 'topic' nor 'key'"));
  }
  const StartFrom from = options.last == "topic" ? StartFrom::Last()
                         : options.last == "key" ? StartFrom::LastOfEachKey()
                                                 : options.from;
  Admin admin = MakeAdmin(context);
  absl::StatusOr<SubscriptionInfo> subscription =
      admin.CreateSubscription(options.name, options.topic, options.config, from);
  const bool existed = absl::IsAlreadyExists(subscription.status()) && options.if_missing;
  if (existed) subscription = admin.GetSubscription(options.name);
  const std::string doing = absl::StrCat("cannot create subscription '", options.name, "'");
  if (!subscription.ok()) return Fail(context, doing, subscription.status());
  if (subscription->topic != options.topic) {
    return Fail(context, doing,
                absl::FailedPreconditionError(absl::StrCat("the name is taken, by one of topic '",
                                                           subscription->topic, "'")));
  }
  if (context.json) return PrintJson(ToJson(*subscription));
  return PrintText(
      absl::StrCat(existed ? "there is already subscription '" : "created subscription '",
                   options.name, "' of topic '", subscription->topic, "'\n"));
}

int Get(const Context& context, const std::string& name) {
  const absl::StatusOr<SubscriptionInfo> subscription = MakeAdmin(context).GetSubscription(name);
  if (!subscription.ok()) {
    return Fail(context, absl::StrCat("subscription '", name, "'"), subscription.status());
  }
  return context.json ? PrintJson(ToJson(*subscription))
                      : PrintText(SubscriptionDetail(*subscription, context.ColorOut()));
}

int List(const Context& context, const std::string& topic) {
  const absl::StatusOr<std::vector<SubscriptionInfo>> all =
      MakeAdmin(context).ListAllSubscriptions(topic);
  if (!all.ok()) return Fail(context, "cannot list subscriptions", all.status());
  return context.json ? PrintJson(ToJson("subscriptions", *all))
                      : PrintText(SubscriptionTable(*all, context.ColorOut()));
}

int Delete(const Context& context, const std::string& name, bool if_exists) {
  Admin admin = MakeAdmin(context);
  // What it had not consumed can only be told before.
  const absl::StatusOr<SubscriptionInfo> subscription = admin.GetSubscription(name);
  const absl::Status deleted = admin.DeleteSubscription(name);
  const bool missing = absl::IsNotFound(deleted) && if_exists;
  if (!deleted.ok() && !missing) {
    return Fail(context, absl::StrCat("cannot delete subscription '", name, "'"), deleted);
  }
  SubscriptionStats stats;
  if (subscription.ok()) stats = subscription->stats;
  const uint64_t claimed =
      stats.backlog_messages + stats.outstanding_messages + stats.redeliver_messages;
  if (context.json) {
    return PrintJson({{"deleted", !missing}, {"name", name}, {"unconsumed_messages", claimed}});
  }
  if (missing) return PrintText(absl::StrCat("there is no subscription '", name, "'\n"));
  return PrintText(absl::StrCat("deleted subscription '", name, "' of topic '",
                                subscription.ok() ? subscription->topic : "", "', which had ",
                                claimed, " messages to consume\n"));
}

CLI::Option* AddName(CLI::App& command, std::string& name) {
  return command.add_option("subscription", name, "The subscription's name")
      ->required()
      ->type_name("NAME");
}

void AddCreate(CLI::App& subscription, Context& context) {
  CLI::App* command = subscription.add_subcommand("create", "Create a subscription of a topic");
  auto options = std::make_shared<CreateOptions>();
  AddName(*command, options->name);
  command->add_option("topic", options->topic, "Of this topic")->required()->type_name("TOPIC");
  AddDuration(*command, "--ack-deadline", options->config.ack_deadline,
              "What is not acked by then is delivered again: 100ms-10m (default 10s)");
  AddSubscriptionPolicies(*command, options->config);
  CLI::Option* from =
      AddStartFrom(*command, "--from", options->from,
                   "earliest (default), latest, a sequence, a time (RFC 3339) or '10m ago'");
  command
      ->add_flag("--last{topic}", options->last,
                 "Begin with the last message that is still kept, or with --last=key the last one "
                 "of each ordering key")
      ->excludes(from);
  command->add_flag("--if-missing", options->if_missing, "One that exists on this topic is fine");
  command->callback([&context, options] {
    context.run = [&context, options] { return Create(context, *options); };
  });
}

}  // namespace

void AddSubscription(CLI::App& app, Context& context) {
  CLI::App* subscription =
      app.add_subcommand("subscription", "Create, show, control and delete subscriptions");
  subscription->require_subcommand(1);
  subscription->footer(kHelp);
  AddCreate(*subscription, context);

  auto name = std::make_shared<std::string>();
  CLI::App* get = subscription->add_subcommand("get", "Show one subscription");
  AddName(*get, *name);
  get->callback(
      [&context, name] { context.run = [&context, name] { return Get(context, *name); }; });

  auto topic = std::make_shared<std::string>();
  CLI::App* list = subscription->add_subcommand("list", "List subscriptions");
  list->alias("ls");
  list->add_option("-t,--topic", *topic, "Only those of this topic")->type_name("TOPIC");
  list->callback(
      [&context, topic] { context.run = [&context, topic] { return List(context, *topic); }; });

  AddSubscriptionControl(*subscription, context);
  AddSnapshot(*subscription, context);

  auto if_exists = std::make_shared<bool>(false);
  CLI::App* remove =
      subscription->add_subcommand("delete", "Delete a subscription and its claim on messages");
  remove->alias("rm");
  AddName(*remove, *name);
  remove->add_flag("--if-exists", *if_exists, "One that does not exist is fine");
  remove->callback([&context, name, if_exists] {
    context.run = [&context, name, if_exists] { return Delete(context, *name, *if_exists); };
  });
}

}  // namespace estiba::cli
