#include "client/cli/subscription_control.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kSeekHelp[] =
    R"(Moves a subscription to another place of its topic, for all its consumers. What comes before counts as
consumed; what comes from there on is delivered, again if need be, as far as it is still kept.

Examples:
  estiba subscription seek billing --to earliest
  estiba subscription seek billing --to '10m ago'
  estiba subscription seek billing --to 1042
  estiba subscription seek billing --to-snapshot before-deploy)";

struct SeekOptions {
  std::string name;
  StartFrom to = StartFrom::Earliest();
  std::string snapshot;
};

Admin MakeAdmin(const Context& context) {
  return Admin(Client(context.MakeClientOptions("subscription")), context.timeout);
}

std::string Cannot(const char* what, const std::string& name) {
  return absl::StrCat("cannot ", what, " subscription '", name, "'");
}

int Purge(const Context& context, const std::string& name) {
  const absl::StatusOr<uint64_t> purged = MakeAdmin(context).PurgeSubscription(name);
  if (!purged.ok()) return Fail(context, Cannot("purge", name), purged.status());
  if (context.json) return PrintJson({{"name", name}, {"purged_messages", *purged}});
  return PrintText(absl::StrCat("purged subscription '", name, "' of ", *purged, " messages\n"));
}

int SetPaused(const Context& context, const std::string& name, bool paused) {
  Admin admin = MakeAdmin(context);
  const absl::StatusOr<SubscriptionInfo> subscription =
      paused ? admin.PauseSubscription(name) : admin.ResumeSubscription(name);
  if (!subscription.ok()) {
    return Fail(context, Cannot(paused ? "pause" : "resume", name), subscription.status());
  }
  if (context.json) return PrintJson(ToJson(*subscription));
  return PrintText(absl::StrCat(paused ? "paused" : "resumed", " subscription '", name,
                                "', which has ", subscription->stats.backlog_messages,
                                " messages in its backlog\n"));
}

int Detach(const Context& context, const std::string& name) {
  const absl::Status detached = MakeAdmin(context).DetachSubscription(name);
  if (!detached.ok()) return Fail(context, Cannot("detach", name), detached);
  if (context.json) return PrintJson({{"name", name}, {"detached", true}});
  return PrintText(absl::StrCat("detached subscription '", name, "' from its topic\n"));
}

int Seek(const Context& context, const SeekOptions& options) {
  Admin admin = MakeAdmin(context);
  const absl::StatusOr<SeekOutcome> outcome =
      options.snapshot.empty() ? admin.SeekSubscription(options.name, options.to)
                               : admin.SeekSubscriptionToSnapshot(options.name, options.snapshot);
  if (!outcome.ok()) return Fail(context, Cannot("seek", options.name), outcome.status());
  if (context.json) {
    return PrintJson({{"name", options.name},
                      {"next_sequence", outcome->next_sequence},
                      {"skipped_messages", outcome->skipped_messages}});
  }
  return PrintText(absl::StrCat("subscription '", options.name, "' goes on from sequence ",
                                outcome->next_sequence, ", having skipped ",
                                outcome->skipped_messages, " messages\n"));
}

CLI::Option* AddName(CLI::App& command, std::string& name) {
  return command.add_option("subscription", name, "The subscription's name")
      ->required()
      ->type_name("NAME");
}

}  // namespace

void AddSubscriptionControl(CLI::App& subscription, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* purge =
      subscription.add_subcommand("purge", "Drop the backlog: all there is counts as consumed");
  AddName(*purge, *name);
  purge->callback(
      [&context, name] { context.run = [&context, name] { return Purge(context, *name); }; });
  CLI::App* pause =
      subscription.add_subcommand("pause", "Deliver nothing until it is resumed; keep everything");
  AddName(*pause, *name);
  pause->callback([&context, name] {
    context.run = [&context, name] { return SetPaused(context, *name, true); };
  });
  CLI::App* resume = subscription.add_subcommand("resume", "Deliver again, after pause");
  AddName(*resume, *name);
  resume->callback([&context, name] {
    context.run = [&context, name] { return SetPaused(context, *name, false); };
  });

  CLI::App* detach = subscription.add_subcommand(
      "detach", "Drop all it holds for good, and refuse its consumers; its name stays taken");
  AddName(*detach, *name);
  detach->callback(
      [&context, name] { context.run = [&context, name] { return Detach(context, *name); }; });

  auto options = std::make_shared<SeekOptions>();
  CLI::App* seek =
      subscription.add_subcommand("seek", "Go to another place of the topic, back or forward");
  seek->footer(kSeekHelp);
  AddName(*seek, options->name);
  CLI::Option* to = AddStartFrom(*seek, "--to", options->to,
                                 "earliest, latest, a sequence, a time (RFC 3339) or '10m ago'");
  CLI::Option* snapshot =
      seek->add_option("--to-snapshot", options->snapshot, "What this snapshot holds")
          ->type_name("SNAPSHOT")
          ->excludes(to);
  seek->callback([&context, options, to, snapshot] {
    const bool placed = to->count() + snapshot->count() > 0;
    context.run = [&context, options, placed] {
      return placed ? Seek(context, *options)
                    : FailUsage(context, "--to or --to-snapshot is required");
    };
  });
}

}  // namespace estiba::cli
