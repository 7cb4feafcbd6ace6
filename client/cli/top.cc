// estiba top: the broker live, on the whole screen.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
#include "client/cli/top_view.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Keys: q or Ctrl-C ends, s changes the order. Rates are over the last interval. A topic's OUT/s counts its
named subscriptions; what private ones get (then '-' or '+') is in the total above. LOST counts messages
refused, dropped and expired since the topic was made.

Examples:
  estiba top --interval 500ms --sort memory
  estiba top --once            one table, also without a terminal
  estiba top --once --json)";

struct TopOptions {
  absl::Duration interval = absl::Seconds(1);
  TopOrder order = TopOrder::kRate;
  bool once = false;
};

// The screen's loop. One thread; the watch's callback only leaves figures and wakes it.
class Top {
 public:
  Top(const Context& context, const TopOptions& options, Interrupt& interrupt)
      : context_(context),
        options_(options),
        interrupt_(interrupt),
        client_(context.MakeClientOptions("top")),
        admin_(client_, context.timeout),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        order_(options.order) {
    interrupt_.OnInterrupt([this] { Wake(); });
  }
  ~Top() {
    interrupt_.OnInterrupt(nullptr);
    watch_.reset();
    close(wake_);
  }

  int Run() {
    if (const absl::Status reachable = CheckReachable(client_, context_); !reachable.ok()) {
      return Fail(context_, absl::StrCat("cannot reach ", context_.server), reachable);
    }
    FullScreen screen(STDOUT_FILENO);
    while (!interrupt_.interrupted()) {
      KeepWatching();
      Show(screen);
      if (!WaitForSomething()) break;
    }
    return kExitOk;
  }

 private:
  void Wake() const { eventfd_write(wake_, 1); }

  // Starts the watch, again where it has broken.
  void KeepWatching() {
    if (watch_ != nullptr) {
      const absl::Status ended = watch_->Wait(absl::InfinitePast());
      if (absl::IsDeadlineExceeded(ended)) return;
      trouble_ = absl::StrCat("no figures, trying again: ", ended.message());
      if (absl::Now() < next_try_) return;
      watch_.reset();
    }
    next_try_ = absl::Now() + absl::Seconds(1);
    watch_ = admin_.WatchStats(options_.interval, {.topics = true}, [this](const BrokerStats& s) {
      {
        const absl::MutexLock lock(&mutex_);
        arrived_ = s;
      }
      Wake();
    });
  }

  void Show(FullScreen& screen) {
    std::optional<BrokerStats> arrived;
    {
      const absl::MutexLock lock(&mutex_);
      arrived = std::exchange(arrived_, std::nullopt);
    }
    if (arrived) {
      before_ = now_ ? std::move(now_) : arrived;
      now_ = std::move(arrived);
      trouble_.clear();
    }
    const bool color = !context_.no_color && UsesColor(STDOUT_FILENO);
    std::string text = trouble_.empty() ? "" : Styled(trouble_, Style::kRed, color) + "\n";
    if (now_) {
      text += RenderTop(*now_, ComputeRates(*before_, *now_, order_), order_,
                        SizeOf(STDOUT_FILENO).columns, color);
    }
    screen.Draw(text);
  }

  // New figures, a key, an interrupt, or a second has passed. False: quit.
  bool WaitForSomething() {
    pollfd events[] = {{wake_, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    poll(events, 2, 1000);
    eventfd_t ignored = 0;
    if (events[0].revents != 0) eventfd_read(wake_, &ignored);
    if (events[1].revents == 0) return true;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q') return false;
    if (key == 's') order_ = static_cast<TopOrder>((static_cast<int>(order_) + 1) % 4);
    return true;
  }

  const Context& context_;
  const TopOptions options_;
  Interrupt& interrupt_;
  const Client client_;
  Admin admin_;
  const int wake_;
  TopOrder order_;
  std::string trouble_;
  absl::Time next_try_ = absl::InfinitePast();
  std::optional<BrokerStats> before_;
  std::optional<BrokerStats> now_;

  absl::Mutex mutex_;
  std::optional<BrokerStats> arrived_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<StatsWatch> watch_;
};

int RunOnce(const Context& context, const TopOptions& options) {
  const Interrupt interrupt;
  Admin admin(Client(context.MakeClientOptions("top")), context.timeout);
  const absl::StatusOr<BrokerStats> before = admin.Stats({.topics = true});
  if (!before.ok()) return Fail(context, "cannot get the figures", before.status());
  if (!interrupt.SleepUntil(absl::Now() + options.interval)) return kExitInterrupted;
  const absl::StatusOr<BrokerStats> now = admin.Stats({.topics = true});
  if (!now.ok()) return Fail(context, "cannot get the figures", now.status());
  const TopRates rates = ComputeRates(*before, *now, options.order);
  if (context.json) return PrintJson(TopJson(*now, rates));
  constexpr int kAnyWidth = 10'000;
  const int columns = IsTerminal(STDOUT_FILENO) ? SizeOf(STDOUT_FILENO).columns : kAnyWidth;
  std::string text = RenderTop(*now, rates, options.order, columns, context.ColorOut());
  text.erase(text.rfind("\n\n") + 1);  // The line about keys.
  return PrintText(text);
}

int RunTop(const Context& context, const TopOptions& options) {
  if (options.once) return RunOnce(context, options);
  if (context.json) {
    return FailUsage(context,
                     "--json goes with --once; for a series see `estiba stats --watch 1s`");
  }
  if (!IsTerminal(STDOUT_FILENO) || !IsTerminal(STDIN_FILENO)) {
    return FailUsage(context,
                     "top needs a terminal; without one: `estiba top --once`, or "
                     "`estiba stats --watch 1s`");
  }
  Interrupt interrupt;
  return Top(context, options, interrupt).Run();
}

}  // namespace

void AddTop(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("top", "Watch topics live: rates, backlog, memory");
  command->footer(kHelp);
  auto options = std::make_shared<TopOptions>();
  AddDuration(*command, "-i,--interval", options->interval, "Between looks: 100ms-1h (default 1s)");
  AddChoice<TopOrder>(*command, "--sort", options->order,
                      {{"rate", TopOrder::kRate},
                       {"held", TopOrder::kHeld},
                       {"memory", TopOrder::kMemory},
                       {"name", TopOrder::kName}},
                      "The order of topics (default: rate)");
  command->add_flag("--once", options->once, "Look twice, print one table, end");
  command->callback([&context, options] {
    context.run = [&context, options] { return RunTop(context, *options); };
  });
}

}  // namespace estiba::cli
