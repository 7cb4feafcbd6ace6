// estiba stats: the broker's figures, once or again and again.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/describe.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Examples:
  estiba stats                     the broker, its topics and subscriptions
  estiba stats orders              one topic
  estiba stats --watch 1s --json   a line of JSON every second, until Ctrl-C
For a live screen see `estiba top`.)";

struct StatsOptions {
  std::string topic;
  std::optional<absl::Duration> watch;
};

int Print(const Context& context, const BrokerStats& stats) {
  if (context.json) return PrintJson(ToJson(stats));
  return PrintText(StatsDetail(stats, context.ColorOut()));
}

int Watch(const Context& context, const StatsQuery& query, absl::Duration interval) {
  Interrupt interrupt;
  const Client client(context.MakeClientOptions("stats"));
  if (const absl::Status reachable = CheckReachable(client, context); !reachable.ok()) {
    return Fail(context, absl::StrCat("cannot reach ", context.server), reachable);
  }
  Admin admin(client, context.timeout);
  // Written by the client's thread only, and read after the watch has ended.
  StatsWatch* cancel = nullptr;
  absl::Mutex mutex;
  bool first = true;
  const auto print = [&](const BrokerStats& stats) {
    if (!context.json && !first) PrintText("\n");
    first = false;
    Print(context, stats);
    if (ReaderGone(STDOUT_FILENO)) {
      const absl::MutexLock lock(&mutex);
      if (cancel != nullptr) cancel->Cancel();
    }
  };
  const std::unique_ptr<StatsWatch> watch = admin.WatchStats(interval, query, print);
  {
    const absl::MutexLock lock(&mutex);
    cancel = watch.get();
  }
  interrupt.OnInterrupt([&] { watch->Cancel(); });
  const absl::Status ended = watch->Wait();
  interrupt.OnInterrupt(nullptr);
  if (interrupt.interrupted() || ended.ok()) return kExitOk;
  return Fail(context, "the figures ended", ended);
}

int RunStats(const Context& context, const StatsOptions& options) {
  const StatsQuery query = {options.topic.empty(), options.topic};
  if (options.watch) return Watch(context, query, *options.watch);
  const absl::StatusOr<BrokerStats> stats =
      Admin(Client(context.MakeClientOptions("stats")), context.timeout).Stats(query);
  if (!stats.ok()) return Fail(context, "cannot get the figures", stats.status());
  return Print(context, *stats);
}

}  // namespace

void AddStats(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("stats", "Show memory, topics, rates of the broker");
  command->footer(kHelp);
  auto options = std::make_shared<StatsOptions>();
  command->add_option("topic", options->topic, "Only this topic")->type_name("TOPIC");
  AddDuration(*command, "-w,--watch", options->watch, "Again after each interval (100ms-1h)");
  command->callback([&context, options] {
    context.run = [&context, options] { return RunStats(context, *options); };
  });
}

}  // namespace estiba::cli
