#include "broker/ops/config.h"

#include "absl/strings/str_cat.h"
#include "tests/ops/ops_fixture.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::ErrorOf;
using testing::HasText;
using testing::LoadWithFile;
using testing::PlainMachine;

Machine Container() {
  Machine machine;
  machine.memory = {uint64_t{128} << 20, "cgroup limit"};
  machine.in_container = true;
  return machine;
}

Config LoadGood(const std::vector<std::string>& args, const Environment& environment,
                const Machine& machine) {
  const auto loaded = LoadConfig(args, environment, machine);
  INFO(loaded.status());
  REQUIRE(loaded.ok());
  REQUIRE(loaded->action == LoadedConfig::Action::kServe);
  return loaded->config;
}

TEST_CASE("Outside a container the broker listens on the local address only and logs text") {
  Machine machine = PlainMachine();
  machine.stderr_is_terminal = false;
  const Config config = LoadGood({}, {}, machine);
  REQUIRE(config.ListenTarget() == "127.0.0.1:8085");
  REQUIRE(config.log_format == log::Format::kText);
}

TEST_CASE("In a container the broker listens on all addresses and logs JSON") {
  const Config config = LoadGood({}, {}, Container());
  REQUIRE(config.ListenTarget() == "[::]:8085");
  REQUIRE(config.log_format == log::Format::kJson);
  REQUIRE(config.memory_budget_bytes == uint64_t{64} << 20);
}

TEST_CASE("In a container with a terminal the log is text") {
  Machine machine = Container();
  machine.stderr_is_terminal = true;
  REQUIRE(LoadGood({}, {}, machine).log_format == log::Format::kText);
}

TEST_CASE("The listen target puts IPv6 addresses in brackets, and localhost is an address") {
  CHECK(LoadGood({"--listen-address=::1", "--port=1"}, {}, PlainMachine()).ListenTarget() ==
        "[::1]:1");
  CHECK(LoadGood({"--listen-address=0.0.0.0"}, {}, PlainMachine()).ListenTarget() ==
        "0.0.0.0:8085");
  CHECK(LoadGood({"--listen-address=localhost"}, {}, PlainMachine()).ListenTarget() ==
        "127.0.0.1:8085");
}

TEST_CASE("A budget in percent is a share of the memory there is") {
  CHECK(LoadGood({"--memory-budget=25%"}, {}, PlainMachine()).memory_budget_bytes == uint64_t{2}
                                                                                         << 30);
  CHECK(LoadGood({"--memory-budget=100%"}, {}, PlainMachine()).memory_budget_bytes == uint64_t{8}
                                                                                          << 30);
  CHECK(LoadGood({"--memory-budget=12.5%"}, {}, PlainMachine()).memory_budget_bytes == uint64_t{1}
                                                                                           << 30);
  CHECK(LoadGood({"--memory-budget=33%"}, {}, PlainMachine()).memory_budget_bytes % 1024 == 0);
}

TEST_CASE("A share that comes out too small is refused, saying of what") {
  Machine machine = Container();
  machine.memory.bytes = uint64_t{20} << 20;
  const std::string error = ErrorOf(LoadConfig({}, {}, machine));
  CHECK_THAT(error, HasText("setting 'memory-budget' from default: '50%' must be"));
  CHECK_THAT(error, HasText("of 20MiB cgroup limit, this is 10MiB"));
  // The default does not stand in the way of a value that is good.
  CHECK(LoadGood({"--memory-budget=16MiB"}, {}, machine).memory_budget_bytes == uint64_t{16} << 20);
}

TEST_CASE("A budget above the memory there is is taken, with a notice") {
  const auto loaded = LoadConfig({"--memory-budget=9GiB"}, {}, PlainMachine());
  REQUIRE(loaded.ok());
  REQUIRE(loaded->notices.size() == 1);
  CHECK_THAT(loaded->notices[0],
             HasText("memory-budget 9GiB is more than the physical memory, 8GiB"));
}

TEST_CASE("Every field holds what was given") {
  const Config config = LoadGood({"--port=1",
                                  "--min-ping-interval=2s",
                                  "--keepalive-time=30s",
                                  "--keepalive-timeout=4s",
                                  "--max-connection-age=50s",
                                  "--memory-budget=16MiB",
                                  "--full-policy=drop-oldest",
                                  "--topic-budget=70KiB",
                                  "--retention-age=8s",
                                  "--retention-bytes=90KiB",
                                  "--no-auto-create-topics",
                                  "--no-auto-create-subscriptions",
                                  "--ack-deadline=12s",
                                  "--max-topics=13",
                                  "--max-subscriptions=14",
                                  "--max-snapshots=16",
                                  "--max-streams=15",
                                  "--max-pending-requests=21",
                                  "--frame-bytes=160KiB",
                                  "--rpc-threads=17",
                                  "--worker-threads=18",
                                  "--busy-poll=22us",
                                  "--drain-deadline=19s",
                                  "--log-level=error",
                                  "--log-format=json"},
                                 {}, PlainMachine());
  CHECK(config.port == 1);
  CHECK(config.min_ping_interval == absl::Seconds(2));
  CHECK(config.keepalive_time == absl::Seconds(30));
  CHECK(config.keepalive_timeout == absl::Seconds(4));
  CHECK(config.max_connection_age == absl::Seconds(50));
  CHECK(config.memory_budget_bytes == 16 * 1024 * 1024);
  CHECK(config.full_policy == Config::FullPolicy::kDropOldest);
  CHECK(config.topic_budget_bytes == 70 * 1024);
  CHECK(config.retention_age == absl::Seconds(8));
  CHECK(config.retention_bytes == 90 * 1024);
  CHECK_FALSE(config.auto_create_topics);
  CHECK_FALSE(config.auto_create_subscriptions);
  CHECK(config.ack_deadline == absl::Seconds(12));
  CHECK(config.max_topics == 13);
  CHECK(config.max_subscriptions == 14);
  CHECK(config.max_snapshots == 16);
  CHECK(config.max_streams == 15);
  CHECK(config.max_pending_requests == 21);
  CHECK(config.frame_bytes == 160 * 1024);
  CHECK(config.rpc_threads == 17);
  CHECK(config.worker_threads == 18);
  CHECK(config.busy_poll == absl::Microseconds(22));
  CHECK(config.drain_deadline == absl::Seconds(19));
  CHECK(config.log_level == log::Level::kError);
  CHECK(config.log_format == log::Format::kJson);
}

TEST_CASE("An unknown flag is refused, naming the nearest") {
  CHECK(ErrorOf(LoadConfig({"--prot=1"}, {}, PlainMachine())) ==
        "unknown flag '--prot'; the nearest is '--port'");
  CHECK(ErrorOf(LoadConfig({"--memory_budget", "1GiB"}, {}, PlainMachine())) ==
        "unknown flag '--memory_budget'; the nearest is '--memory-budget'");
  CHECK(ErrorOf(LoadConfig({"--print-confg"}, {}, PlainMachine())) ==
        "unknown flag '--print-confg'; the nearest is '--print-config'");
  CHECK(ErrorOf(LoadConfig({"--no-port"}, {}, PlainMachine())) ==
        "unknown flag '--no-port'; the nearest is '--port'");
}

TEST_CASE("An argument that is no flag is refused") {
  for (const std::string arg : {"serve", "-p", "--", "-", ""}) {
    INFO(arg);
    CHECK_THAT(ErrorOf(LoadConfig({arg}, {}, PlainMachine())),
               HasText("unexpected argument '" + arg + "'"));
  }
}

TEST_CASE("A flag without its value is refused") {
  CHECK(ErrorOf(LoadConfig({"--port"}, {}, PlainMachine())) == "flag --port must have a value");
  CHECK(ErrorOf(LoadConfig({"--port="}, {}, PlainMachine())) == "flag --port must have a value");
  CHECK_THAT(ErrorOf(LoadConfig({"--port", "--log-level=info"}, {}, PlainMachine())),
             HasText("setting 'port' from flag --port: '--log-level=info' must be"));
}

TEST_CASE("Of a flag given twice the last counts") {
  REQUIRE(LoadGood({"--port=1", "--port=2"}, {}, PlainMachine()).port == 2);
}

TEST_CASE("An empty variable counts as not set") {
  REQUIRE(LoadGood({}, {{"ESTIBA_PORT", ""}}, PlainMachine()).port == 8085);
}

TEST_CASE("A Kubernetes Service named estiba does not set the port") {
  const auto loaded = LoadConfig({},
                                 {{"ESTIBA_PORT", "tcp://10.0.0.1:80"},
                                  {"ESTIBA_PORT_8085_TCP", "tcp://10.0.0.1:8085"},
                                  {"ESTIBA_PORT_8085_TCP_PORT", "8085"},
                                  {"ESTIBA_SERVICE_HOST", "10.0.0.1"},
                                  {"ESTIBA_SERVICE_PORT", "80"}},
                                 PlainMachine());
  REQUIRE(loaded.ok());
  REQUIRE(loaded->config.port == 8085);
  REQUIRE(loaded->notices.size() == 1);
  CHECK_THAT(loaded->notices[0], HasText("ignored ESTIBA_PORT=tcp://10.0.0.1:80"));
}

TEST_CASE("A variable that is almost a setting's gets a notice, others of the prefix none") {
  const auto loaded = LoadConfig({},
                                 {{"ESTIBA_MEMORY_BUGDET", "1GiB"},
                                  {"ESTIBA_TEST_SEED", "7"},
                                  {"ESTIBA_LOG_LEVEL", "warn"},
                                  {"ESTIBB", ""}},
                                 PlainMachine());
  REQUIRE(loaded.ok());
  REQUIRE(loaded->notices ==
          std::vector<std::string>{"environment variable ESTIBA_MEMORY_BUGDET is no setting; the "
                                   "nearest is ESTIBA_MEMORY_BUDGET"});
}

TEST_CASE("A long or unprintable value is shown cut and escaped") {
  const std::string error =
      ErrorOf(LoadConfig({"--log-level=\n" + std::string(5000, 'x')}, {}, PlainMachine()));
  CHECK_THAT(error, HasText("'\\nxxx"));
  CHECK_THAT(error, HasText("...' must be one of"));
  CHECK(error.size() < 300);
}

TEST_CASE("--version prints the version, --help wins over it and over wrong values") {
  const auto version = LoadConfig({"--version", "--port=x"}, {}, PlainMachine());
  REQUIRE(version.ok());
  CHECK(version->action == LoadedConfig::Action::kPrint);
  CHECK(version->text == absl::StrCat("estibad ", Version(), "\n"));
  const auto help = LoadConfig({"-h", "--version"}, {{"ESTIBA_PORT", "x"}}, PlainMachine());
  REQUIRE(help.ok());
  CHECK_THAT(help->text, HasText("Usage: estibad"));
}

TEST_CASE("--print-config shows what was worked out and from what") {
  const auto loaded =
      LoadConfig({"--print-config"}, {{"ESTIBA_MEMORY_BUDGET", "25%"}}, Container());
  REQUIRE(loaded.ok());
  CHECK_THAT(loaded->text,
             HasText("memory-budget: 32MiB  # environment variable ESTIBA_MEMORY_BUDGET: 25%\n"));
  CHECK_THAT(loaded->text, HasText("listen-address: \"::\"  # default: auto\n"));
  CHECK_THAT(loaded->text, HasText("port: 8085  # default\n"));
  CHECK_THAT(loaded->text, !HasText("config:"));
}

TEST_CASE("The environment may name the file, and the flag wins") {
  testing::TempDir dir;
  const std::string one = dir.Write("one.yaml", "port: 1\n");
  const std::string two = dir.Write("two.yaml", "port: 2\n");
  CHECK(LoadGood({}, {{"ESTIBA_CONFIG", one}}, PlainMachine()).port == 1);
  const Config config = LoadGood({"--config", two}, {{"ESTIBA_CONFIG", one}}, PlainMachine());
  CHECK(config.port == 2);
  CHECK(config.config_file == two);
}

}  // namespace
}  // namespace estiba
