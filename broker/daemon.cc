#include "broker/daemon.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/filter.h"
#include "broker/ops/log.h"
#include "broker/ops/process_memory.h"
#include "broker/rpc/library_logs.h"
#include "broker/rpc/router.h"

namespace estiba {
namespace {

constexpr absl::Duration kHousekeeping = absl::Seconds(1);
// How long ended streams may take to take their status.
constexpr absl::Duration kPatience = absl::Seconds(1);
constexpr absl::Duration kDrainPoll = absl::Milliseconds(10);

void LogForLibrary(const LibraryLog& log) {
  log::Warn(
      "A library reports an error",
      {{"library", log.name}, {"error", log.message}, {"file", log.file}, {"line", log.line}});
}

FullPolicy ToPolicy(Config::FullPolicy policy) {
  switch (policy) {
    case Config::FullPolicy::kBlock:
      return FullPolicy::kBlock;
    case Config::FullPolicy::kDropOldest:
      return FullPolicy::kDropOldest;
    case Config::FullPolicy::kReject:
      break;
  }
  return FullPolicy::kReject;
}

absl::StatusOr<SubscriptionConfig> ToConfig(const Config::SubscriptionDeclaration& from) {
  SubscriptionConfig config = {absl::ToInt64Milliseconds(from.ack_deadline)};
  config.retry = {absl::ToInt64Milliseconds(from.min_backoff),
                  absl::ToInt64Milliseconds(from.max_backoff)};
  config.dead_letter = {from.dead_letter_topic, from.max_attempts};
  config.ordered = from.ordered;
  config.exactly_once = from.exactly_once;
  config.retain_acked = from.retain_acked;
  config.idle_expiry_ms = absl::ToInt64Milliseconds(from.idle_expiry);
  if (from.filter.empty()) return config;
  absl::StatusOr<std::shared_ptr<const Filter>> filter = Filter::Compile(from.filter);
  if (!filter.ok()) return filter.status();
  config.filter = *std::move(filter);
  return config;
}

BrokerOptions ToBrokerOptions(const Config& config) {
  BrokerOptions options;
  options.budget_bytes = config.memory_budget_bytes;
  options.topic_defaults = {ToPolicy(config.full_policy), config.topic_budget_bytes,
                            absl::ToInt64Milliseconds(config.retention_age),
                            config.retention_bytes};
  options.subscription_defaults = {absl::ToInt64Milliseconds(config.ack_deadline)};
  std::random_device random;  // 32 bits at a time
  options.seed = (uint64_t{random()} << 32) | random();
  options.auto_create_topics = config.auto_create_topics;
  options.auto_create_subscriptions = config.auto_create_subscriptions;
  options.max_topics = config.max_topics;
  options.max_subscriptions = config.max_subscriptions;
  options.max_snapshots = config.max_snapshots;
  options.frame_bytes = static_cast<uint32_t>(config.frame_bytes);
  return options;
}

absl::Duration OrNever(absl::Duration d) {
  return d == absl::ZeroDuration() ? absl::InfiniteDuration() : d;
}

// That this process may run on.
uint32_t Cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<uint32_t>(CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

// Of the memory limit: what the budget leaves, without what the process itself takes. The largest
// request must fit.
uint64_t TransitBytes(const Config& config) {
  constexpr uint64_t kProcess = uint64_t{32} << 20;
  constexpr uint64_t kLeast = uint64_t{24} << 20;
  const uint64_t taken = config.memory_budget_bytes + kProcess;
  return std::max(kLeast, config.memory_limit_bytes - std::min(config.memory_limit_bytes, taken));
}

ServerOptions ToServerOptions(const Config& config) {
  ServerOptions options;
  options.listen_target = config.ListenTarget();
  options.threads = config.rpc_threads;
  // With one processor nothing comes from others while this looks for it.
  if (Cores() > 1 && config.rpc_threads == 1) options.busy_poll = config.busy_poll;
  options.max_streams = config.max_streams;
  options.transit_bytes = TransitBytes(config);
  options.max_pending_requests = config.max_pending_requests;
  options.min_ping_interval = config.min_ping_interval;
  options.keepalive_time = OrNever(config.keepalive_time);
  options.keepalive_timeout = config.keepalive_timeout;
  options.max_connection_age = OrNever(config.max_connection_age);
  return options;
}

Config WithThreads(Config config) {
  if (config.rpc_threads == 0) config.rpc_threads = std::max(1u, Cores() / 2);
  if (config.worker_threads == 0) config.worker_threads = Cores();
  return config;
}

}  // namespace

Daemon::Daemon(const Config& config)
    : config_(WithThreads(config)),
      executor_(config_.worker_threads),
      timers_(executor_.pool(), clock_),
      broker_(ToBrokerOptions(config_), executor_, clock_, timers_),
      reflection_(ServiceNames()),
      server_(std::make_unique<Server>(ToServerOptions(config_), broker_, executor_, clock_,
                                       timers_, health_, reflection_)),
      housekeeping_(executor_.pool(), kHousekeeping, [this] { KeepHouse(); }) {}

Daemon::~Daemon() {
  pulse_ = nullptr;
  housekeeping_.Stop();
  timers_.Stop();
  server_ = nullptr;
  broker_.Close();
  executor_.Stop();
}

absl::Status Daemon::Start() {
  CaptureLibraryLogs(&LogForLibrary);
  health_.SetServing("", false);
  health_.SetServing("readiness", false);
  WatchExecutor();
  if (absl::Status s = broker_.ReserveMemory(config_.memory_reserve_bytes); !s.ok()) return s;
  if (absl::Status status = MakeDeclaredTopics(); !status.ok()) return status;
  if (absl::Status status = server_->Start(); !status.ok()) return status;
  for (const char* service : {"", "readiness", "estiba.v1.Broker", "estiba.v1.Admin"}) {
    health_.SetServing(service, true);
  }
  housekeeping_.Start();
  log::Info(absl::StrCat("Server started, listening on ", server_->port()),
            {{"address", config_.listen_address},
             {"memory_budget_bytes", config_.memory_budget_bytes},
             {"version", Version()}});
  return absl::OkStatus();
}

absl::Status Daemon::MakeDeclaredTopics() {
  for (const Config::TopicDeclaration& t : config_.topics) {
    const TopicConfig topic_config = {ToPolicy(t.full_policy),
                                      t.budget_bytes,
                                      absl::ToInt64Milliseconds(t.retention_age),
                                      t.retention_bytes,
                                      absl::ToInt64Milliseconds(t.idle_expiry),
                                      absl::ToInt64Milliseconds(t.dedup_window)};
    if (absl::Status s = broker_.CreateTopic(t.name, topic_config).status(); !s.ok()) return s;
  }
  // Topics first: any of them may be another's dead-letter topic.
  for (const Config::TopicDeclaration& t : config_.topics) {
    for (const Config::SubscriptionDeclaration& s : t.subscriptions) {
      StartPosition from;
      from.kind = s.from == Config::StartFrom::kLatest ? StartPosition::Kind::kLatest
                                                       : StartPosition::Kind::kEarliest;
      absl::StatusOr<SubscriptionConfig> config = ToConfig(s);
      if (!config.ok()) return config.status();
      const absl::Status status =
          broker_.CreateSubscription(s.name, t.name, *config, from).status();
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

void Daemon::WatchExecutor() {
  health_.SetServing(Health::kLiveness, true);
  pulse_ = std::make_unique<ExecutorPulse>(executor_, ExecutorPulse::Options{}, [this](bool turns) {
    health_.SetServing(Health::kLiveness, turns);
    if (turns) {
      log::Info("The worker threads turn again");
    } else {
      log::Error("The worker threads do not turn: topics and timers stand still");
    }
  });
}

void Daemon::KeepHouse() {
  const Expired expired = broker_.Rest();
  for (const std::string& name : expired.subscriptions) {
    log::Info("Subscription deleted, as nobody used it", {{"subscription", name}});
  }
  for (const std::string& name : expired.topics) {
    log::Info("Topic deleted, as nobody used it", {{"topic", name}});
  }
  ReturnFreeMemory();
}

void Daemon::Drain(const std::function<bool()>& hurry) {
  log::Info("Draining: publishes and new streams are refused",
            {{"drain_deadline", config_.drain_deadline}});
  health_.StopServing();
  server_->StopTaking();
  const absl::Time deadline = absl::Now() + config_.drain_deadline;
  while (broker_.Consumable() && absl::Now() < deadline && !hurry()) {
    absl::SleepFor(kDrainPoll);
  }
  LogHeld();
  const bool over = server_->Shutdown(hurry() ? absl::ZeroDuration() : kPatience);
  log::Info("Server stopped");
  // Something still holds a call: nothing of it may be destroyed under it.
  if (!over) std::_Exit(0);
}

void Daemon::LogHeld() const {
  uint64_t held = 0;
  uint64_t scheduled = 0;
  for (const TopicPtr& topic : broker_.ListTopics("", std::numeric_limits<size_t>::max())) {
    const TopicStats stats = topic->Stats();
    scheduled += stats.scheduled_messages;
    held += stats.held_messages;
    if (stats.held_messages > 0) {
      log::Warn("Messages not consumed",
                {{"topic", topic->name()}, {"messages", stats.held_messages}});
    }
    if (stats.scheduled_messages > 0) {
      log::Warn("Messages scheduled for later",
                {{"topic", topic->name()}, {"messages", stats.scheduled_messages}});
    }
  }
  log::Info("Drained", {{"messages_not_consumed", held}, {"messages_scheduled", scheduled}});
}

}  // namespace estiba
