// Everything that estibad can be told: the settings, where they come from, and the topics declared
// in the configuration file.
//
// A setting comes from a flag (--memory-budget=64MiB), else from the environment
// (ESTIBA_MEMORY_BUDGET), else from the YAML file that --config names (memory-budget: 64MiB), else
// from its default. setting_table.cc declares them all, once: names, ranges, defaults, help.
//
// Plain values, made once at the start, immutable afterwards, read from any thread.
#ifndef BROKER_OPS_CONFIG_H_
#define BROKER_OPS_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/ops/log.h"
#include "broker/ops/machine.h"

namespace estiba {

// The settings in force. What each one means, its range and its default: `estibad --help`. Values
// that depend on the machine ("50%", "auto") are worked out here already.
struct Config {
  enum class FullPolicy { kReject, kBlock, kDropOldest };
  enum class StartFrom { kEarliest, kLatest };

  struct SubscriptionDeclaration {
    std::string name;
    absl::Duration ack_deadline;
    StartFrom from = StartFrom::kEarliest;
    std::string filter = {};  // one that compiles; empty: every message
    bool ordered = false;
    bool exactly_once = false;
    // How long a message waits to be delivered again. max_backoff 0: not at all.
    absl::Duration min_backoff;
    absl::Duration max_backoff;
    // Where messages go that failed so often; empty: nowhere.
    std::string dead_letter_topic = {};
    uint32_t max_attempts = 0;
    bool retain_acked = false;
    absl::Duration idle_expiry;  // 0: never
  };

  // A topic that exists before the broker says ready. What the file leaves out is filled in from
  // the settings. 0 means as in the settings of the same name: no limit.
  struct TopicDeclaration {
    std::string name;
    FullPolicy full_policy = FullPolicy::kReject;
    uint64_t budget_bytes = 0;
    absl::Duration retention_age;
    uint64_t retention_bytes = 0;
    absl::Duration idle_expiry;  // 0: never
    absl::Duration dedup_window = absl::Minutes(2);
    std::vector<SubscriptionDeclaration> subscriptions;
  };

  std::string config_file;

  std::string listen_address;
  uint32_t port = 0;
  absl::Duration min_ping_interval;
  absl::Duration keepalive_time;
  absl::Duration keepalive_timeout;
  absl::Duration max_connection_age;

  // What the whole process may use: the cgroup's limit, or physical memory.
  uint64_t memory_limit_bytes = 0;
  uint64_t memory_budget_bytes = 0;
  uint64_t memory_reserve_bytes = 0;
  FullPolicy full_policy = FullPolicy::kReject;
  uint64_t topic_budget_bytes = 0;
  absl::Duration retention_age;
  uint64_t retention_bytes = 0;

  bool auto_create_topics = false;
  bool auto_create_subscriptions = false;
  absl::Duration ack_deadline;
  uint32_t max_topics = 0;
  uint32_t max_subscriptions = 0;
  uint32_t max_snapshots = 0;
  uint32_t max_streams = 0;
  uint32_t max_pending_requests = 0;

  uint64_t frame_bytes = 0;
  uint32_t rpc_threads = 0;
  uint32_t worker_threads = 0;
  absl::Duration busy_poll;
  absl::Duration drain_deadline;

  log::Level log_level = log::Level::kInfo;
  log::Format log_format = log::Format::kText;

  std::vector<TopicDeclaration> topics;

  // What to listen on, as gRPC takes it: "127.0.0.1:8085", "[::]:8085".
  std::string ListenTarget() const;
};

struct LoadedConfig {
  enum class Action {
    // Run the broker with `config`.
    kServe,
    // --help, --version, --print-config: write `text` to stdout and exit with 0.
    kPrint,
  };
  Action action = Action::kServe;
  Config config;
  std::string text;
  // Oddities to log as warnings once logging is set up.
  std::vector<std::string> notices;
};

// `args` without the program's name. Anything wrong is INVALID_ARGUMENT with a message of one line:
// the setting, where it came from, the value, the rule.
absl::StatusOr<LoadedConfig> LoadConfig(const std::vector<std::string>& args,
                                        const Environment& environment, const Machine& machine);

// "0.1.0".
std::string Version();

}  // namespace estiba

#endif  // BROKER_OPS_CONFIG_H_
