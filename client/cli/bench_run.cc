#include "client/cli/bench_run.h"

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_consumers.h"
#include "client/cli/bench_one_at_a_time.h"
#include "client/cli/bench_payload.h"
#include "client/cli/bench_publishers.h"
#include "client/cli/context.h"
#include "client/cli/interrupt.h"
#include "estiba/admin.h"

namespace estiba::cli {
namespace {

constexpr uint64_t kDefaultCount = 1'000'000;
constexpr uint64_t kDefaultWarmup = 50'000;
constexpr uint64_t kDefaultCountOneAtATime = 10'000;
constexpr uint64_t kDefaultWarmupOneAtATime = 1'000;

// Topics that exist as long as this object.
class OwnTopics {
 public:
  OwnTopics(const Client& client, absl::Duration timeout) : admin_(client, timeout) {}
  ~OwnTopics() {
    for (const std::string& name : names_) admin_.DeleteTopic(name).IgnoreError();
  }

  // Publishers wait when memory is full: a benchmark is to measure, not to fail.
  absl::Status Create(uint64_t count) {
    const std::string prefix =
        absl::StrCat("bench/", absl::Hex(std::random_device()(), absl::kZeroPad8), "/");
    for (uint64_t i = 1; i <= count; ++i) {
      const std::string name = absl::StrCat(prefix, i);
      const absl::Status created =
          admin_.CreateTopic(name, {.full_policy = FullPolicy::kBlock}).status();
      if (!created.ok()) return created;
      names_.push_back(name);
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& names() const { return names_; }

 private:
  Admin admin_;
  std::vector<std::string> names_;
};

// Sends and receives one phase; returns what was published and the time of its last delivery.
uint64_t RunPhase(BenchPublishers& publishers, BenchConsumers& consumers, OneAtATime& one_at_a_time,
                  const BenchPublishers::Phase& phase, const Interrupt& interrupt,
                  const BenchOptions& options, int64_t* answered_ns) {
  const uint64_t before = consumers.received();
  if (options.one_at_a_time) {
    constexpr auto kEver = std::numeric_limits<int64_t>::max();
    const int64_t end_ns = phase.duration == absl::InfiniteDuration()
                               ? kEver
                               : SteadyNanoseconds() + absl::ToInt64Nanoseconds(phase.duration);
    const uint64_t sent = one_at_a_time.Run(phase.count.value_or(kEver), end_ns, options.patience);
    *answered_ns = SteadyNanoseconds();
    return sent;
  }
  const uint64_t sent = publishers.Run(phase);
  *answered_ns = SteadyNanoseconds();
  if (!interrupt.interrupted()) consumers.WaitFor(before + sent * options.fan_out());
  return sent;
}

BenchPublishers::Phase MeasuredPhase(const BenchOptions& options) {
  BenchPublishers::Phase phase;
  if (options.duration) phase.duration = *options.duration;
  phase.count = options.count;
  if (!options.count && !options.duration) {
    phase.count = options.one_at_a_time ? kDefaultCountOneAtATime : kDefaultCount;
    // An open loop is judged by time.
    if (options.rate) phase.count = static_cast<uint64_t>(std::max(1.0, *options.rate * 10));
  }
  return phase;
}

uint64_t WarmupCount(const BenchOptions& options) {
  if (options.warmup) return *options.warmup;
  if (options.one_at_a_time) return kDefaultWarmupOneAtATime;
  if (options.rate) return static_cast<uint64_t>(*options.rate);  // a second
  return kDefaultWarmup;
}

}  // namespace

BenchResult RunBench(const Context& context, const BenchOptions& options, Interrupt& interrupt) {
  BenchResult result;
  ClientOptions client_options = context.MakeClientOptions("bench");
  client_options.busy_poll = options.busy_poll;
  const Client client(client_options);
  OwnTopics topics(client, context.timeout);
  result.status = topics.Create(options.topics);
  if (!result.status.ok()) return result;

  BenchPublishers publishers(client, options, topics.names());
  OneAtATime one_at_a_time(options.fan_out(), [&] { return publishers.SendOne(); });
  BenchConsumers consumers(client, options, topics.names(),
                           options.one_at_a_time ? &one_at_a_time : nullptr);
  result.status = consumers.StartAll(context.timeout);
  if (!result.status.ok()) return result;
  interrupt.OnInterrupt([&] {
    one_at_a_time.Abandon();
    publishers.Abandon();
    consumers.Abandon();
  });

  int64_t answered_ns = 0;
  if (const uint64_t warmup = WarmupCount(options); warmup > 0) {
    RunPhase(publishers, consumers, one_at_a_time, {warmup}, interrupt, options, &answered_ns);
  }
  if (!interrupt.interrupted()) {
    consumers.ResetLatencies();
    const uint64_t received_before = consumers.received();
    const int64_t start_ns = SteadyNanoseconds();
    result.published = RunPhase(publishers, consumers, one_at_a_time, MeasuredPhase(options),
                                interrupt, options, &answered_ns);
    result.delivered = consumers.received() - received_before;
    result.publish_time = absl::Nanoseconds(answered_ns - start_ns);
    result.delivery_time =
        absl::Nanoseconds(std::max<int64_t>(0, consumers.last_delivery_ns() - start_ns));
  }
  interrupt.OnInterrupt(nullptr);
  consumers.StopAll();
  result.interrupted = interrupt.interrupted();
  result.failed = publishers.failed();
  result.status = publishers.failure();
  consumers.Report(publishers.published(), result);
  return result;
}

}  // namespace estiba::cli
