// peer_bench: what `estiba bench` does, done to any of the servers that Estiba is compared with,
// Estiba among them. Same payloads, same driver, same checks, same report.
#include <CLI/CLI.hpp>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/keep_buffers.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "tests/bench/peer_run.h"

namespace estiba::bench {
namespace {

int Main(int argc, char** argv) {
  RunOptions options;
  bool json = false;
  bool list = false;
  CLI::App app("Measure throughput and latency of a server as `estiba bench` does of a broker");
  app.add_option("--peer", options.peer, "Which server")->check(CLI::IsMember(PeerNames()));
  app.add_option("-S,--server", options.server, "Where it listens");
  app.add_flag("--list", list, "Only name the servers that this program was built for");
  cli::AddCount(app, "-P,--publishers", options.publishers, "In all (1)");
  cli::AddCount(app, "-C,--subscribers", options.subscribers, "In all (1)");
  cli::AddCount(app, "-t,--topics", options.topics,
                "Spread over publishers and subscribers, or these over them (1)");
  cli::AddBytes(app, "--size", options.size, "Payload of each message (128)");
  cli::AddCount(app, "--batch", options.batch, "Most messages in a batch, where there are batches");
  cli::AddBytes(app, "--batch-bytes", options.batch_bytes, "A batch is full at this size");
  CLI::Option* count = cli::AddCount(app, "-n,--count", options.count,
                                     "Messages in all (1M; 10k one at a time; 2 s at a rate)");
  cli::AddDuration(app, "-d,--duration", options.duration, "Publish for this long instead")
      ->excludes(count);
  cli::AddRate(app, "-r,--rate", options.rate, "Messages per second in all, due at fixed times");
  cli::AddChoice<AckMode>(app, "--ack", options.ack,
                          {{"auto", AckMode::kAuto}, {"explicit", AckMode::kExplicit}},
                          "explicit: publishes are answered, and each message is acked (auto)");
  app.add_flag("--one-at-a-time", options.one_at_a_time,
               "Publish a message when the one before has been delivered");
  app.add_flag("--backlog", options.backlog, "Publish everything before the subscribers come");
  cli::AddCount(app, "--idle-subscriptions", options.idle_subscriptions,
                "Named subscriptions of other topics, without consumers, beside it (0)", 0);
  cli::AddCount(app, "--idle-subscriptions-here", options.idle_subscriptions_here,
                "The same, of the topic that is measured (0)", 0);
  cli::AddCount(app, "--idle-streams", options.idle_streams, "Open streams beside it (0)", 0);
  cli::AddCount(app, "--warmup", options.warmup,
                "Messages before measuring (50k; 1k one at a time; 1/4 s at a rate)", 0);
  app.add_option("--server-pid", options.server_pid,
                 "Report processor time and memory of this process");
  app.add_flag("-j,--json", json, "Output as JSON");
  CLI11_PARSE(app, argc, argv);

  if (list) {
    std::string names;
    for (const std::string& name : PeerNames()) {
      if (PeerIsBuilt(name)) absl::StrAppend(&names, name, "\n");
    }
    return cli::PrintText(names);
  }
  const RunResult result = RunPeer(options);
  if (!result.bench.status.ok()) {
    cli::Warn(result.bench.status.ToString());
    return cli::kExitFailure;
  }
  const int printed = json ? cli::PrintJson(RunJson(options, result))
                           : cli::PrintText(cli::DescribeBench(options, result.bench, false));
  return result.bench.sound() ? printed : static_cast<int>(cli::kExitFailure);
}

}  // namespace
}  // namespace estiba::bench

int main(int argc, char** argv) {
  // As in `estiba`, for every peer's library.
  estiba::cli::KeepBuffersAtHand();
  try {
    return estiba::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    estiba::cli::Warn(error.what());
    return estiba::cli::kExitFailure;
  }
}
