// stuck_consumer_bench: `estiba bench` with one publisher and one subscriber, beside consumers of
// the same topic that never read. Run with --stuck 0 and --stuck 1, it shows what they cost.
//
// What a stuck consumer has not taken stays in memory, so --count messages must fit in the broker's
// budget; its topic makes publishers wait when they do not. With --drop-oldest it gives up its
// oldest messages instead: once --warmup has filled the budget, that is the steady state beside a
// consumer that never comes back.
#include <CLI/CLI.hpp>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_consumers.h"
#include "client/cli/bench_options.h"
#include "client/cli/bench_payload.h"
#include "client/cli/bench_publishers.h"
#include "client/cli/bench_report.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "estiba/admin.h"
#include "tests/bench/stuck_consumer.h"

namespace estiba::bench {
namespace {

class OwnTopic {
 public:
  explicit OwnTopic(const Client& client)
      : admin_(client), name_(absl::StrCat("bench/stuck/", absl::Hex(std::random_device()()))) {}
  ~OwnTopic() { admin_.DeleteTopic(name_).IgnoreError(); }
  absl::Status Create(FullPolicy policy) {
    return admin_.CreateTopic(name_, {.full_policy = policy}).status();
  }
  const std::string& name() const { return name_; }

 private:
  Admin admin_;
  std::string name_;
};

cli::BenchResult RunBeside(const cli::Context& context, const cli::BenchOptions& options,
                           uint64_t stuck, FullPolicy policy) {
  cli::BenchResult result;
  const Client client(context.MakeClientOptions("bench"));
  OwnTopic topic(client);
  result.status = topic.Create(policy);
  if (!result.status.ok()) return result;

  cli::BenchConsumers consumers(client, options, {topic.name()}, nullptr);
  cli::BenchPublishers publishers(client, options, {topic.name()});
  result.status = consumers.StartAll(context.timeout);
  std::vector<std::unique_ptr<StuckConsumer>> never_reading;
  for (uint64_t i = 0; i < stuck && result.status.ok(); ++i) {
    never_reading.push_back(std::make_unique<StuckConsumer>(context.server, topic.name()));
    result.status = never_reading.back()->Start(context.timeout);
  }
  if (!result.status.ok()) return result;

  consumers.WaitFor(publishers.Run({options.warmup}));
  consumers.ResetLatencies();
  const uint64_t before = consumers.received();
  const int64_t start_ns = cli::SteadyNanoseconds();
  result.published = publishers.Run({options.count});
  result.publish_time = absl::Nanoseconds(cli::SteadyNanoseconds() - start_ns);
  result.delivered = consumers.WaitFor(before + result.published) - before;
  result.delivery_time = absl::Nanoseconds(consumers.last_delivery_ns() - start_ns);
  consumers.StopAll();
  result.failed = publishers.failed();
  result.status = publishers.failure();
  consumers.Report(publishers.published(), result);
  return result;
}

int Main(int argc, char** argv) {
  cli::Context context;
  cli::BenchOptions options;
  options.count = 1'000'000;
  options.warmup = 50'000;
  uint64_t stuck = 1;
  bool drop_oldest = false;
  CLI::App app("Measure what consumers that never read cost the others");
  app.add_option("-S,--server", context.server, "The broker")->capture_default_str();
  cli::AddCount(app, "--stuck", stuck, "Consumers that never read (1)", 0);
  app.add_flag("--drop-oldest", drop_oldest,
               "The topic gives up its oldest messages when it is full");
  cli::AddBytes(app, "--size", options.size, "Payload of each message (128)");
  cli::AddCount(app, "-n,--count", options.count, "Messages in all (1M)");
  cli::AddCount(app, "--warmup", options.warmup, "Messages before measuring (50k)", 0);
  app.add_flag("-j,--json", context.json, "Output as JSON");
  CLI11_PARSE(app, argc, argv);

  const cli::BenchResult result = RunBeside(
      context, options, stuck, drop_oldest ? FullPolicy::kDropOldest : FullPolicy::kBlock);
  if (!result.status.ok()) return cli::Fail(context, "cannot run", result.status);
  nlohmann::ordered_json json = cli::BenchJson(options, result);
  json["config"]["stuck_consumers"] = stuck;
  json["config"]["drop_oldest"] = drop_oldest;
  const int printed = context.json ? cli::PrintJson(json)
                                   : cli::PrintText(cli::DescribeBench(options, result, false));
  return result.sound() ? printed : static_cast<int>(cli::kExitFailure);
}

}  // namespace
}  // namespace estiba::bench

int main(int argc, char** argv) {
  try {
    return estiba::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    estiba::cli::Warn(error.what());
    return estiba::cli::kExitFailure;
  }
}
