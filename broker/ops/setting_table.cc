#include "broker/ops/setting_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "broker/ops/byte_size.h"

namespace estiba {
namespace {

constexpr absl::string_view kAuto = "auto";

constexpr absl::string_view kAddressRule =
    "auto, localhost or an IPv4 or IPv6 address; auto: 127.0.0.1, or all addresses in a container";

absl::Status SetAddress(absl::string_view text, const Machine& machine, Config* config) {
  if (text == kAuto) {
    config->listen_address = machine.in_container ? "::" : "127.0.0.1";
    return absl::OkStatus();
  }
  std::string address(text);
  if (address == "localhost") address = "127.0.0.1";
  in6_addr parsed;
  if (inet_pton(AF_INET, address.c_str(), &parsed) != 1 &&
      inet_pton(AF_INET6, address.c_str(), &parsed) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("must be ", kAddressRule));
  }
  config->listen_address = address;
  return absl::OkStatus();
}

constexpr uint64_t kSmallestBudget = uint64_t{16} << 20;
constexpr absl::string_view kBudgetRule =
    "a size of 16MiB or more, or 1% to 100% of the cgroup's limit (without one: of physical "
    "memory)";

absl::Status SetBudget(absl::string_view text, const Machine& machine, Config* config) {
  absl::string_view number = text;
  uint64_t bytes = 0;
  std::string explanation;
  if (absl::ConsumeSuffix(&number, "%")) {
    double percent = 0;
    const bool in_range = absl::SimpleAtod(number, &percent) && percent >= 1.0 && percent <= 100.0;
    if (in_range) {
      bytes = static_cast<uint64_t>(static_cast<double>(machine.memory.bytes) * percent / 100.0);
      // Whole KiB, so that it can be said and read.
      bytes -= bytes % 1024;
      explanation = absl::StrCat(" (of ", FormatByteSize(machine.memory.bytes), " ",
                                 machine.memory.origin, ", this is ", FormatByteSize(bytes), ")");
    }
  } else {
    bytes = ParseByteSize(text).value_or(0);
  }
  if (bytes < kSmallestBudget || bytes > kLargestByteSize) {
    return absl::InvalidArgumentError(absl::StrCat("must be ", kBudgetRule, explanation));
  }
  config->memory_budget_bytes = bytes;
  return absl::OkStatus();
}

constexpr absl::string_view kReserveRule = "a size of 0 to memory-budget";

absl::Status SetReserve(absl::string_view text, const Machine&, Config* config) {
  const std::optional<uint64_t> bytes = ParseByteSize(text);
  if (!bytes || *bytes > config->memory_budget_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be ", kReserveRule, ", ", FormatByteSize(config->memory_budget_bytes)));
  }
  config->memory_reserve_bytes = *bytes;
  return absl::OkStatus();
}

constexpr absl::string_view kLogFormatRule =
    "one of text, json, auto; auto: json in a container unless stderr is a terminal, else text";

absl::Status SetLogFormat(absl::string_view text, const Machine& machine, Config* config) {
  if (text == kAuto) {
    const bool json = machine.in_container && !machine.stderr_is_terminal;
    config->log_format = json ? log::Format::kJson : log::Format::kText;
  } else if (text == "text") {
    config->log_format = log::Format::kText;
  } else if (text == "json") {
    config->log_format = log::Format::kJson;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("must be ", kLogFormatRule));
  }
  return absl::OkStatus();
}

constexpr absl::string_view kLogLevels[] = {"debug", "info", "warn", "error"};

constexpr uint64_t kKiB = 1024;
constexpr TimeRange kOffOrUpToADay{absl::Seconds(10), absl::Hours(24), true};

const Setting kSettings[] = {
    {"Configuration", "config", "",
     CustomRule{"FILE", "a YAML file",
                [](absl::string_view text, const Machine&, Config* config) {
                  config->config_file = std::string(text);
                  return absl::OkStatus();
                },
                [](const Config& config) { return config.config_file; }},
     "File with these same settings and with the topics to declare. Not allowed inside the file."},

    {"Network", "listen-address", "auto",
     CustomRule{"ADDRESS", kAddressRule, SetAddress,
                [](const Config& config) { return config.listen_address; }},
     "Address to listen on; 0.0.0.0 or :: for all."},
    {"Network", "port", "8085", CountRule{&Config::port, {0, 65535}},
     "Port for everything. 0: the kernel picks one; the log says which."},
    {"Network", "min-ping-interval", "5s",
     TimeRule{&Config::min_ping_interval, {absl::Seconds(1), absl::Hours(1)}},
     "Clients may send keepalive pings this often, also without calls; those that ping more often "
     "are disconnected. The default leaves clients that ping every 10s room for jitter."},
    {"Network", "keepalive-time", "1m", TimeRule{&Config::keepalive_time, kOffOrUpToADay},
     "Ping a connection after it has been silent this long. 0: never."},
    {"Network", "keepalive-timeout", "20s",
     TimeRule{&Config::keepalive_timeout, {absl::Seconds(1), absl::Minutes(10)}},
     "Close a connection whose client has not answered a ping for this long; what it held is then "
     "redelivered."},
    {"Network", "max-connection-age", "0",
     TimeRule{&Config::max_connection_age, {absl::Seconds(10), absl::Hours(24 * 31), true}},
     "Ask clients to reconnect after this long, so that connections spread over new brokers. "
     "0: never."},

    {"Memory", "memory-budget", "50%",
     CustomRule{"SIZE|PERCENT", kBudgetRule, SetBudget,
                [](const Config& config) { return FormatByteSize(config.memory_budget_bytes); }},
     "Hard limit on all that messages cost, payload and bookkeeping."},
    {"Memory", "memory-reserve", "0",
     CustomRule{"SIZE", kReserveRule, SetReserve,
                [](const Config& config) { return FormatByteSize(config.memory_reserve_bytes); }},
     "Part of memory-budget that is taken before the broker is ready (in 0.3s to 3s for 1GiB) and "
     "never given back, so that messages wait for no new pages: for backlogs that grow fast. "
     "0: none."},
    {"Memory", "full-policy", "reject",
     ChoiceRule{kFullPolicyNames,
                [](int i, Config* c) { c->full_policy = static_cast<Config::FullPolicy>(i); },
                [](const Config& c) { return static_cast<int>(c.full_policy); }},
     "What a publish meets when a budget is full: RESOURCE_EXHAUSTED (reject), waiting (block), or "
     "the topic gives up its oldest messages (drop-oldest). Default for topics that do not say."},
    {"Memory", "topic-budget", "0", BytesRule{&Config::topic_budget_bytes, kTopicBytesRange},
     "Most memory one topic may hold. 0: only memory-budget limits it. Default for topics that do "
     "not say."},
    {"Memory", "retention-age", "0", TimeRule{&Config::retention_age, kRetentionAgeRange},
     "Messages older than this are given up, consumed or not. 0: never. Default for topics that do "
     "not say."},
    {"Memory", "retention-bytes", "0", BytesRule{&Config::retention_bytes, kTopicBytesRange},
     "A topic's oldest messages beyond this many bytes are given up, consumed or not. 0: never. "
     "Default for topics that do not say."},

    {"Topics and subscriptions", "auto-create-topics", "true",
     SwitchRule{&Config::auto_create_topics},
     "Create a missing topic on first use; otherwise that is NOT_FOUND."},
    {"Topics and subscriptions", "auto-create-subscriptions", "true",
     SwitchRule{&Config::auto_create_subscriptions},
     "Create a missing named subscription on first use; otherwise that is NOT_FOUND."},
    {"Topics and subscriptions", "ack-deadline", "10s",
     TimeRule{&Config::ack_deadline, kAckDeadlineRange},
     "A delivered message that is not acked within this time is redelivered. Default for "
     "subscriptions that do not say."},
    {"Topics and subscriptions", "max-topics", "100000",
     CountRule{&Config::max_topics, {1, 10'000'000}},
     "Most topics at a time; beyond, creating one is RESOURCE_EXHAUSTED."},
    {"Topics and subscriptions", "max-subscriptions", "100000",
     CountRule{&Config::max_subscriptions, {1, 10'000'000}},
     "Most named subscriptions at a time; beyond: RESOURCE_EXHAUSTED. Private ones are as many as "
     "max-streams allows."},
    {"Topics and subscriptions", "max-snapshots", "5000",
     CountRule{&Config::max_snapshots, {1, 1'000'000}},
     "Most snapshots at a time; beyond: RESOURCE_EXHAUSTED."},
    {"Topics and subscriptions", "max-streams", "10000",
     CountRule{&Config::max_streams, {1, 1'000'000}},
     "Most open Publish and Subscribe streams; beyond: RESOURCE_EXHAUSTED."},
    {"Topics and subscriptions", "max-pending-requests", "10000",
     CountRule{&Config::max_pending_requests, {1, 1'000'000}},
     "Most requests waiting for a reply; beyond: RESOURCE_EXHAUSTED."},

    {"Performance", "frame-bytes", "128KiB",
     BytesRule{&Config::frame_bytes, {32 * kKiB, 1024 * kKiB}},
     "Most bytes of messages in one delivery frame; a single larger message travels alone."},
    {"Performance", "rpc-threads", "0", CountRule{&Config::rpc_threads, {0, 1024}},
     "Threads that serve gRPC. 0: as many as suit the processors."},
    {"Performance", "worker-threads", "0", CountRule{&Config::worker_threads, {0, 1024}},
     "Threads that run timers and long turns of topics. 0: as many as suit the processors."},
    {"Performance", "busy-poll", "50us",
     TimeRule{&Config::busy_poll, {absl::ZeroDuration(), absl::Milliseconds(1)}},
     "How long the thread that serves gRPC, where there is one (rpc-threads), looks for its next "
     "event before it sleeps, while messages below 4KiB come that soon after one another. Being "
     "woken can take longer than all the rest that a message needs. Others are offered the "
     "processor meanwhile, but it counts as used: where there is a limit on processor time, 0 may "
     "be better. 0: not at all, as with one processor."},

    {"Operation", "drain-deadline", "20s",
     TimeRule{&Config::drain_deadline, {absl::ZeroDuration(), absl::Hours(1)}},
     "After SIGTERM, consumers have this long to take what is held."},
    {"Operation", "log-level", "info",
     ChoiceRule{kLogLevels, [](int i, Config* c) { c->log_level = static_cast<log::Level>(i); },
                [](const Config& c) { return static_cast<int>(c.log_level); }},
     "Least level that is logged."},
    {"Operation", "log-format", "auto",
     CustomRule{"CHOICE", kLogFormatRule, SetLogFormat,
                [](const Config& config) {
                  return std::string(config.log_format == log::Format::kJson ? "json" : "text");
                }},
     "How the log lines on stderr look."},
};

}  // namespace

std::span<const Setting> SettingTable() { return kSettings; }

const Setting* FindSetting(absl::string_view name) {
  for (const Setting& setting : kSettings) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

std::string EnvironmentName(absl::string_view name) {
  return absl::StrCat("ESTIBA_", absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}})));
}

std::span<const absl::string_view> SettingNames() {
  static const std::vector<absl::string_view>* const names = [] {
    auto* list = new std::vector<absl::string_view>;
    for (const Setting& setting : kSettings) list->push_back(setting.name);
    return list;
  }();
  return *names;
}

absl::Status SettingError(absl::string_view setting, absl::string_view origin,
                          absl::string_view value, absl::string_view rule) {
  constexpr size_t kShown = 120;
  const absl::string_view cut = value.size() > kShown ? "..." : "";
  return absl::InvalidArgumentError(absl::StrCat("setting '", setting, "' from ", origin, ": '",
                                                 absl::CHexEscape(value.substr(0, kShown)), cut,
                                                 "' ", rule));
}

}  // namespace estiba
