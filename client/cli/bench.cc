// estiba bench: how fast, how soon, and whether everything came.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_options.h"
#include "client/cli/bench_payload.h"
#include "client/cli/bench_report.h"
#include "client/cli/bench_run.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/options.h"
#include "client/cli/output.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Examples:
  estiba bench                                       a million messages of 128 bytes, as fast as may be
  estiba bench --one-at-a-time                       latency of an idle broker
  estiba bench --rate 100k/s --duration 30s          latency under a given load
  estiba bench --subscribers 4 --shared              four consumers of one subscription
  estiba bench --topics 8 --publishers 2 --subscribers 2 --size 1KiB --json
  estiba bench --ack explicit --batch 1 --count 100k

Everything happens in topics of its own, bench/..., which are deleted afterwards. Payloads of 16 bytes or
more carry publisher, number and send time, so that loss, doubles and disorder show (exit code 1).

With --rate messages go when they are due, whether or not the broker keeps up, and latency counts from
that time: waiting behind a slow answer is not hidden (coordinated omission). Without, latency includes
the time a message waits in the publisher's own window; for the latency of a single message use
--one-at-a-time. Percentiles are right to about 1 %.)";

std::string WhatIsWrong(const BenchOptions& options) {
  if (options.all_publishers() > kMaxBenchPublishers) return "too many publishers";
  if (options.one_at_a_time &&
      (options.publishers != 1 || options.topics != 1 || options.rate || options.batch)) {
    return "--one-at-a-time goes with one publisher and one topic, without --rate and --batch";
  }
  return "";
}

int Bench(const Context& context, BenchOptions options) {
  if (const std::string wrong = WhatIsWrong(options); !wrong.empty()) {
    return FailUsage(context, wrong);
  }
  options.patience = context.timeout;
  Interrupt interrupt;
  {
    const Client client(context.MakeClientOptions("bench"));
    if (const absl::Status serving = CheckServing(client, context); !serving.ok()) {
      return Fail(context, absl::StrCat("cannot reach ", context.server), serving);
    }
  }
  const BenchResult result = RunBench(context, options, interrupt);
  if (result.interrupted) return kExitInterrupted;
  if (!result.status.ok() && result.published == 0) {
    return Fail(context, "cannot run", result.status);
  }
  const int printed = context.json ? PrintJson(BenchJson(options, result))
                                   : PrintText(DescribeBench(options, result, context.ColorOut()));
  if (!result.status.ok()) return Fail(context, "publishing failed", result.status);
  return result.sound() ? printed : static_cast<int>(kExitFailure);
}

}  // namespace

void AddBench(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("bench", "Measure throughput and latency");
  command->footer(kHelp);
  auto options = std::make_shared<BenchOptions>();
  AddCount(*command, "-P,--publishers", options->publishers, "For each topic (1)");
  AddCount(*command, "-C,--subscribers", options->subscribers, "For each topic (1)");
  AddCount(*command, "-t,--topics", options->topics, "How many topics (1)");
  AddBytes(*command, "--size", options->size, "Payload of each message (128)");
  AddCount(*command, "--batch", options->batch, "Most messages in a batch (10,000)");
  AddBytes(*command, "--batch-bytes", options->batch_bytes, "A batch is full at this size (64KiB)");
  AddDuration(*command, "--max-answer-delay", options->max_answer_delay,
              "The broker may hold answers back this long, to send many at once (20ms)");
  AddDuration(*command, "--busy-poll", options->busy_poll,
              "The client looks for events this long before it sleeps, at most 1ms (20us)");
  CLI::Option* count = AddCount(*command, "-n,--count", options->count,
                                "Messages in all (1M; 10k one at a time; 10 s at a rate)");
  AddDuration(*command, "-d,--duration", options->duration, "Publish for this long instead")
      ->excludes(count);
  AddRate(*command, "-r,--rate", options->rate, "Messages per second in all, due at fixed times");
  AddChoice<AckMode>(*command, "--ack", options->ack,
                     {{"auto", AckMode::kAuto}, {"explicit", AckMode::kExplicit}},
                     "How subscribers ack (auto)");
  CLI::Option* share =
      command->add_flag("--shared", options->shared, "Subscribers of a topic share its messages");
  command
      ->add_flag_callback(
          "--fanout", [] {}, "Each subscriber gets everything (the default)")
      ->excludes(share);
  command->add_flag("--one-at-a-time", options->one_at_a_time,
                    "Publish a message when the one before has been delivered");
  AddCount(*command, "--warmup", options->warmup,
           "Messages before measuring (50k; 1k one at a time; 1 s at a rate)", 0);
  command->callback([&context, options] {
    context.run = [&context, options] { return Bench(context, *options); };
  });
}

}  // namespace estiba::cli
