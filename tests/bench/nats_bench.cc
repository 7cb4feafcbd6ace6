// nats_bench: what `estiba bench` does, done to a NATS server. Same payloads, checks and report.
//
// NATS core keeps nothing and drops what a receiver cannot take, so the publisher never gets more
// than a window ahead of the slowest subscriber; what is lost nevertheless is reported.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_one_at_a_time.h"
#include "client/cli/bench_options.h"
#include "client/cli/bench_payload.h"
#include "client/cli/bench_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/options.h"
#include "client/cli/output.h"
#include "tests/bench/nats_peer.h"

namespace estiba::bench {
namespace {

// With one look at the clock, as in `estiba bench`.
constexpr uint64_t kPiece = 512;

struct Options : cli::BenchOptions {
  std::string url = "nats://127.0.0.1:4222";
  bool json = false;
  // What the library's own limit of pending messages is, unless raised.
  uint64_t window = 65'536;
};

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        subject_(absl::StrCat("bench.", absl::Hex(std::random_device()()))),
        payload_(cli::MakeBenchPayload(options.size)) {}

  cli::BenchResult operator()() {
    result_.status = Start();
    if (result_.status.ok()) result_.status = Phase(options_.warmup.value_or(50'000), {});
    if (result_.status.ok()) Measure();
    for (const auto& subscriber : subscribers_) subscriber->Stop();
    Report();
    return result_;
  }

 private:
  absl::Status Start() {
    for (uint64_t i = 0; i < options_.subscribers; ++i) {
      subscribers_.push_back(std::make_unique<NatsSubscriber>(NatsSubscriber::Options{
          options_.url, subject_, options_.size, options_.one_at_a_time ? 1u : 64u,
          options_.one_at_a_time ? &one_at_a_time_ : nullptr}));
      const absl::Status status = subscribers_.back()->Start(options_.patience);
      if (!status.ok()) return status;
    }
    return publisher_.Connect(options_.url, options_.one_at_a_time);
  }

  void Measure() {
    for (const auto& subscriber : subscribers_) subscriber->ResetLatencies();
    const uint64_t published = published_;
    const uint64_t received = Received();
    const int64_t start_ns = cli::SteadyNanoseconds();
    result_.status = Phase(options_.count, options_.duration);
    int64_t last_ns = start_ns;
    for (const auto& subscriber : subscribers_) {
      last_ns = std::max(last_ns, subscriber->last_delivery_ns());
    }
    result_.published = published_ - published;
    result_.delivered = Received() - received;
    result_.publish_time = absl::Nanoseconds(flushed_ns_ - start_ns);
    result_.delivery_time = absl::Nanoseconds(last_ns - start_ns);
  }

  absl::Status Phase(std::optional<uint64_t> count, std::optional<absl::Duration> duration) {
    constexpr auto kEver = std::numeric_limits<int64_t>::max();
    const int64_t end_ns =
        duration ? cli::SteadyNanoseconds() + absl::ToInt64Nanoseconds(*duration) : kEver;
    uint64_t left = count.value_or(duration ? std::numeric_limits<uint64_t>::max() : 1'000'000);
    if (options_.one_at_a_time) {
      one_at_a_time_.Run(left, end_ns, options_.patience);
      left = 0;
    }
    while (left > 0) {
      const int64_t now = cli::SteadyNanoseconds();
      if (now >= end_ns) break;
      const uint64_t piece = std::min(left, kPiece);
      const absl::Status status = Publish(piece, now);
      if (!status.ok()) return status;
      left -= piece;
      if (!WaitForRoom()) break;
    }
    const absl::Status status = publisher_.Flush(options_.patience);
    flushed_ns_ = cli::SteadyNanoseconds();
    WaitForAll();
    return status;
  }

  absl::Status Publish(uint64_t count, int64_t now) {
    for (uint64_t i = 0; i < count; ++i) {
      if (options_.size >= cli::kBenchHeaderBytes) {
        cli::WriteHeader(payload_.data(), {now, 0, published_});
      }
      const absl::Status status = publisher_.Publish(subject_, payload_);
      if (!status.ok()) return status;
      ++published_;
    }
    return absl::OkStatus();
  }

  // False: nothing has come for too long.
  bool WaitForRoom() {
    uint64_t slowest = Slowest();
    if (published_ - slowest <= options_.window) return true;
    int64_t since_ns = cli::SteadyNanoseconds();
    while (published_ - slowest > options_.window) {
      // A small part of what it takes to work off the window.
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      const int64_t now = cli::SteadyNanoseconds();
      if (const uint64_t received = Slowest(); received != slowest) {
        slowest = received;
        since_ns = now;
      }
      if (absl::Nanoseconds(now - since_ns) > options_.patience) return false;
    }
    return true;
  }

  bool WaitForAll() {
    for (const auto& subscriber : subscribers_) {
      subscriber->WaitFor(published_, options_.patience);
    }
    return Slowest() >= published_;
  }

  uint64_t Slowest() const {
    uint64_t slowest = published_;
    for (const auto& subscriber : subscribers_) {
      slowest = std::min(slowest, subscriber->received());
    }
    return slowest;
  }

  uint64_t Received() const {
    uint64_t received = 0;
    for (const auto& subscriber : subscribers_) received += subscriber->received();
    return received;
  }

  void Report() {
    for (const auto& subscriber : subscribers_) {
      result_.latency.Add(subscriber->latency());
      result_.changed += subscriber->changed();
      result_.verified = subscriber->verifies();
      if (result_.verified) {
        result_.lost += subscriber->tracker().Missing(published_);
        result_.duplicated += subscriber->tracker().duplicates();
        result_.out_of_order += subscriber->tracker().late();
      } else {
        result_.lost += published_ - std::min(published_, subscriber->received());
      }
    }
  }

  const Options& options_;
  const std::string subject_;
  std::string payload_;
  NatsPublisher publisher_;
  cli::OneAtATime one_at_a_time_{options_.subscribers,
                                 [this] { return Publish(1, cli::SteadyNanoseconds()); }};
  std::vector<std::unique_ptr<NatsSubscriber>> subscribers_;
  uint64_t published_ = 0;
  int64_t flushed_ns_ = 0;
  cli::BenchResult result_;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Measure throughput and latency of a NATS server as `estiba bench` does of a broker");
  app.add_option("-S,--server", options.url, "The server")->capture_default_str();
  cli::AddCount(app, "-C,--subscribers", options.subscribers, "Each gets everything (1)");
  cli::AddBytes(app, "--size", options.size, "Payload of each message (128)");
  CLI::Option* count = cli::AddCount(app, "-n,--count", options.count, "Messages in all (1M)");
  cli::AddDuration(app, "-d,--duration", options.duration, "Publish for this long instead")
      ->excludes(count);
  cli::AddCount(app, "--window", options.window, "Most messages on their way (65536)");
  app.add_flag("--one-at-a-time", options.one_at_a_time,
               "Publish a message when the one before has been delivered");
  cli::AddCount(app, "--warmup", options.warmup, "Messages before measuring (50k)", 0);
  app.add_flag("-j,--json", options.json, "Output as JSON");
  CLI11_PARSE(app, argc, argv);

  const cli::BenchResult result = Run(options)();
  if (!result.status.ok()) {
    cli::Warn(result.status.ToString());
    return cli::kExitFailure;
  }
  const int printed = options.json ? cli::PrintJson(cli::BenchJson(options, result))
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
