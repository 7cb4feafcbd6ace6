#include "tests/bench/peer_run.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/bench_one_at_a_time.h"
#include "client/cli/bench_payload.h"
#include "client/cli/bench_report.h"
#include "tests/bench/peer_publishers.h"
#include "tests/bench/process_usage.h"

namespace estiba::bench {
namespace {

// Peers that hand over single messages have one in so many timed in batches.
constexpr uint64_t kClockEvery = 64;

// PREFIX.S.T: subscriber S has all topics T that begin so, unless all have the same topics.
std::vector<std::string> TopicNames(const RunOptions& options) {
  const std::string prefix = absl::StrCat("bench.", absl::Hex(std::random_device()()));
  std::vector<std::string> topics;
  for (uint64_t i = 0; i < options.topics; ++i) {
    topics.push_back(absl::StrCat(prefix, ".", i % options.subscribers, ".", i));
  }
  return topics;
}

PeerSettings SettingsFor(const RunOptions& options) {
  PeerSettings settings;
  settings.server = options.server;
  settings.topics = TopicNames(options);
  settings.size = options.size;
  settings.batch = options.batch;
  settings.batch_bytes = options.batch_bytes;
  settings.acked = options.ack == AckMode::kExplicit;
  settings.prompt = options.one_at_a_time || options.rate;
  settings.keep = options.backlog;
  settings.idle_subscriptions = options.idle_subscriptions;
  settings.idle_subscriptions_here = options.idle_subscriptions_here;
  settings.idle_streams = options.idle_streams;
  settings.patience = options.patience;
  return settings;
}

class Run {
 public:
  explicit Run(const RunOptions& options) : options_(options), settings_(SettingsFor(options)) {}

  RunResult operator()() {
    absl::StatusOr<std::unique_ptr<Peer>> peer = MakePeer(options_.peer, settings_);
    if (!peer.ok()) {
      result_.bench.status = peer.status();
      return std::move(result_);
    }
    peer_ = *std::move(peer);
    absl::Status status = peer_->Prepare();
    if (status.ok()) {
      Make();
      status = options_.backlog ? FillAndDrain() : Exchange();
    }
    for (const auto& subscriber : subscribers_) {
      status.Update(subscriber->status());
      subscriber->Stop();
    }
    result_.bench.status = status;
    if (publishers_ != nullptr) Report();
    subscribers_.clear();
    publishers_.reset();
    peer_->CleanUp();
    peer_.reset();
    return std::move(result_);
  }

 private:
  void Make() {
    publishers_ = std::make_unique<PeerPublishers>(options_, settings_.topics.size(), *peer_,
                                                   [this] { return DeliveredByAll(); });
    const bool singly = options_.one_at_a_time || options_.rate;
    for (uint64_t i = 0; i < options_.subscribers; ++i) {
      receivers_.push_back(std::make_unique<Receiver>(
          Receiver::Options{options_.size, publishers_->lanes(), singly ? 1 : kClockEvery,
                            options_.one_at_a_time ? &one_at_a_time_ : nullptr}));
      std::vector<size_t>& topics = topics_of_.emplace_back();
      for (size_t topic = i % settings_.topics.size(); topic < settings_.topics.size();
           topic += options_.subscribers) {
        topics.push_back(topic);
      }
      subscribers_.push_back(peer_->MakeSubscriber(topics, *receivers_.back()));
    }
  }

  absl::Status StartAll() {
    for (const auto& subscriber : subscribers_) {
      if (absl::Status status = subscriber->Start(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Exchange() {
    absl::Status status = StartAll();
    if (status.ok()) status = publishers_->Connect();
    if (status.ok()) status = Phase(WarmupPhase());
    if (!status.ok()) return status;
    for (const auto& receiver : receivers_) receiver->ResetLatencies();
    const uint64_t published = publishers_->published();
    const uint64_t received = Received();
    const double cpu = ProcessorSeconds(options_.server_pid);
    const int64_t start_ns = cli::SteadyNanoseconds();
    status = Phase(MeasuredPhase());
    result_.server_cpu_seconds = ProcessorSeconds(options_.server_pid) - cpu;
    result_.bench.published = publishers_->published() - published;
    result_.bench.delivered = Received() - received;
    result_.bench.publish_time = absl::Nanoseconds(answered_ns_ - start_ns);
    result_.bench.delivery_time = absl::Nanoseconds(LastDelivery() - start_ns);
    return status;
  }

  absl::Status FillAndDrain() {
    result_.server_bytes_before = ResidentBytes(options_.server_pid);
    absl::Status status = publishers_->Connect();
    if (status.ok()) status = publishers_->Run({options_.warmup.value_or(0)});
    if (!status.ok()) return status;
    const uint64_t published = publishers_->published();
    const double cpu = ProcessorSeconds(options_.server_pid);
    int64_t start_ns = cli::SteadyNanoseconds();
    status = publishers_->Run(MeasuredPhase());
    if (!status.ok()) return status;
    result_.bench.published = publishers_->published() - published;
    result_.bench.publish_time = absl::Nanoseconds(cli::SteadyNanoseconds() - start_ns);
    result_.server_cpu_seconds_filling = ProcessorSeconds(options_.server_pid) - cpu;
    result_.server_bytes_filled = ResidentBytes(options_.server_pid);
    for (const auto& receiver : receivers_) receiver->Expect(publishers_->published());
    start_ns = cli::SteadyNanoseconds();
    status = StartAll();
    WaitForAll();
    result_.server_cpu_seconds = ProcessorSeconds(options_.server_pid) - cpu;
    result_.bench.delivered = Received();
    result_.bench.delivery_time = absl::Nanoseconds(LastDelivery() - start_ns);
    return status;
  }

  PeerPublishers::Phase WarmupPhase() const {
    const uint64_t usual = options_.one_at_a_time ? 1'000
                           : options_.rate        ? static_cast<uint64_t>(*options_.rate / 4)
                                                  : 50'000;
    return {options_.warmup.value_or(usual)};
  }
  PeerPublishers::Phase MeasuredPhase() const {
    PeerPublishers::Phase phase;
    if (options_.duration) phase.duration = *options_.duration;
    phase.count = options_.count;
    if (!options_.count && !options_.duration) {
      phase.count = options_.one_at_a_time ? 10'000 : 1'000'000;
      if (options_.rate) phase.count = static_cast<uint64_t>(std::max(1.0, *options_.rate * 2));
    }
    return phase;
  }

  absl::Status Phase(const PeerPublishers::Phase& phase) {
    if (phase.count == 0) return absl::OkStatus();
    if (options_.one_at_a_time) {
      constexpr auto kEver = std::numeric_limits<int64_t>::max();
      const int64_t end_ns =
          phase.duration == absl::InfiniteDuration()
              ? kEver
              : cli::SteadyNanoseconds() + absl::ToInt64Nanoseconds(phase.duration);
      one_at_a_time_.Run(phase.count.value_or(kEver), end_ns, options_.patience);
      answered_ns_ = cli::SteadyNanoseconds();
      return absl::OkStatus();
    }
    for (size_t i = 0; phase.count && i < receivers_.size(); ++i) {
      // Exact with one topic; elsewhere about right, and then the time of the last is too early by
      // less than a sample.
      receivers_[i]->Expect(*phase.count * ReceiversOf(i) / options_.topics);
    }
    const absl::Status status = publishers_->Run(phase);
    answered_ns_ = cli::SteadyNanoseconds();
    if (status.ok()) WaitForAll();
    return status;
  }

  size_t ReceiversOf(size_t subscriber) const { return topics_of_[subscriber].size(); }

  // How many messages the subscriber should have by now.
  uint64_t WantedBy(size_t subscriber) const {
    uint64_t wanted = 0;
    for (uint64_t lane = 0; lane < publishers_->lanes(); ++lane) {
      if (Subscribes(subscriber, publishers_->topic_of(lane))) {
        wanted += publishers_->published_in(lane);
      }
    }
    return wanted;
  }
  bool Subscribes(size_t subscriber, size_t topic) const {
    return std::binary_search(topics_of_[subscriber].begin(), topics_of_[subscriber].end(), topic);
  }

  void WaitForAll() const {
    uint64_t wanted = 0;
    for (size_t i = 0; i < receivers_.size(); ++i) wanted += WantedBy(i);
    uint64_t before = Received();
    absl::Time deadline = absl::Now() + options_.patience;
    while (true) {
      const uint64_t received = Received();
      if (received >= wanted) return;
      if (received != before) deadline = absl::Now() + options_.patience;
      before = received;
      if (absl::Now() > deadline) return;
      // Time is taken where messages arrive: this need not be exact, only cheap.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  uint64_t Received() const {
    uint64_t received = 0;
    for (const auto& receiver : receivers_) received += receiver->received();
    return received;
  }
  // Of all that was published, how much has been delivered to everybody: where each subscriber has
  // its own topics, all they have; where they have the same, what the slowest has.
  uint64_t DeliveredByAll() const {
    if (options_.topics >= options_.subscribers) return Received();
    uint64_t slowest = std::numeric_limits<uint64_t>::max();
    for (const auto& receiver : receivers_) slowest = std::min(slowest, receiver->received());
    return slowest;
  }
  int64_t LastDelivery() const {
    int64_t last_ns = 0;
    for (const auto& receiver : receivers_) {
      last_ns = std::max(last_ns, receiver->last_delivery_ns());
    }
    return last_ns;
  }

  void Report() {
    cli::BenchResult& bench = result_.bench;
    for (size_t i = 0; i < receivers_.size(); ++i) {
      const Receiver& receiver = *receivers_[i];
      bench.latency.Add(receiver.latency());
      bench.changed += receiver.changed();
      bench.verified = receiver.verifies();
      result_.frames += receiver.frames();
      if (!bench.verified) {
        const uint64_t wanted = WantedBy(i);
        bench.lost += wanted - std::min(wanted, receiver.received());
        bench.duplicated += receiver.received() - std::min(wanted, receiver.received());
        continue;
      }
      for (uint64_t lane = 0; lane < publishers_->lanes(); ++lane) {
        const cli::DeliveryTracker& tracker = receiver.tracker(lane);
        bench.out_of_order += tracker.late();
        bench.duplicated += tracker.duplicates();
        if (Subscribes(i, publishers_->topic_of(lane))) {
          bench.lost += tracker.Missing(publishers_->published_in(lane));
        }
      }
    }
  }

  const RunOptions& options_;
  const PeerSettings settings_;
  std::unique_ptr<Peer> peer_;
  cli::OneAtATime one_at_a_time_{options_.subscribers, [this] { return publishers_->SendOne(); }};
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::vector<std::vector<size_t>> topics_of_;
  std::vector<std::unique_ptr<PeerSubscriber>> subscribers_;
  std::unique_ptr<PeerPublishers> publishers_;
  int64_t answered_ns_ = 0;
  RunResult result_;
};

}  // namespace

RunResult RunPeer(const RunOptions& options) { return Run(options)(); }

nlohmann::ordered_json RunJson(const RunOptions& options, const RunResult& result) {
  nlohmann::ordered_json json = cli::BenchJson(options, result.bench);
  json["config"]["peer"] = options.peer;
  json["config"]["backlog"] = options.backlog;
  json["delivered"]["frames"] = result.frames;
  if (options.server_pid > 0) {
    nlohmann::ordered_json server = {{"cpu_seconds", result.server_cpu_seconds}};
    if (options.backlog) {
      server["cpu_seconds_filling"] = result.server_cpu_seconds_filling;
      server["resident_before"] = result.server_bytes_before;
      server["resident_filled"] = result.server_bytes_filled;
    }
    json["server"] = std::move(server);
  }
  return json;
}

}  // namespace estiba::bench
