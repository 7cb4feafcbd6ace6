#include "broker/ops/health_command.h"

#include "tests/ops/ops_fixture.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::HasText;
using testing::PlainMachine;

HealthCommand ParseGood(const std::vector<std::string>& args, const Environment& environment = {}) {
  const auto command = ParseHealthCommand(args, environment, PlainMachine());
  INFO(command.status());
  REQUIRE(command.ok());
  return *command;
}

std::string ErrorOfHealth(const std::vector<std::string>& args,
                          const Environment& environment = {}) {
  const auto command = ParseHealthCommand(args, environment, PlainMachine());
  REQUIRE(command.status().code() == absl::StatusCode::kInvalidArgument);
  return std::string(command.status().message());
}

TEST_CASE("Without flags health asks the broker on this machine as a whole, for a second") {
  const HealthCommand command = ParseGood({});
  CHECK(command.server == "127.0.0.1:8085");
  CHECK(command.service.empty());
  CHECK(command.timeout == absl::Seconds(1));
  CHECK_FALSE(command.help);
}

TEST_CASE("Health asks where a broker with the same environment listens") {
  CHECK(ParseGood({}, {{"ESTIBA_PORT", "9000"}}).server == "127.0.0.1:9000");
  CHECK(ParseGood({}, {{"ESTIBA_LISTEN_ADDRESS", "10.1.2.3"}}).server == "10.1.2.3:8085");
  CHECK(ParseGood({}, {{"ESTIBA_LISTEN_ADDRESS", "::1"}}).server == "[::1]:8085");
  CHECK(ParseGood({}, {{"ESTIBA_PORT", "tcp://10.0.0.1:80"}}).server == "127.0.0.1:8085");
  testing::TempDir dir;
  const std::string file = dir.Write("estiba.yaml", "port: 7000\n");
  CHECK(ParseGood({}, {{"ESTIBA_CONFIG", file}}).server == "127.0.0.1:7000");
}

TEST_CASE("A broker that listens on all addresses is asked on the local one") {
  CHECK(ParseGood({}, {{"ESTIBA_LISTEN_ADDRESS", "0.0.0.0"}}).server == "127.0.0.1:8085");
  CHECK(ParseGood({}, {{"ESTIBA_LISTEN_ADDRESS", "::"}}).server == "127.0.0.1:8085");
}

TEST_CASE("A server that is named is asked, whatever the environment says") {
  CHECK(ParseGood({"--server=broker:1"}, {{"ESTIBA_PORT", "9000"}}).server == "broker:1");
  CHECK(ParseGood({"--server", "broker:1"}, {{"ESTIBA_PORT", "nonsense"}}).server == "broker:1");
}

TEST_CASE("Health takes a service and a time to wait") {
  const HealthCommand command = ParseGood({"--service=readiness", "--timeout", "250ms"});
  CHECK(command.service == "readiness");
  CHECK(command.timeout == absl::Milliseconds(250));
}

TEST_CASE("Wrong use of health is an error of one line that says what is wrong") {
  CHECK_THAT(ErrorOfHealth({"--sevice=x"}), HasText("--sevice"));
  CHECK_THAT(ErrorOfHealth({"readiness"}), HasText("readiness"));
  CHECK_THAT(ErrorOfHealth({"--server"}), HasText("--server"));
  CHECK_THAT(ErrorOfHealth({"--timeout=soon"}),
             HasText("--timeout 'soon' must be a duration from 1ms to 10m"));
  CHECK_THAT(ErrorOfHealth({"--timeout=0"}), HasText("must be"));
  CHECK_THAT(ErrorOfHealth({}, {{"ESTIBA_PORT", "nonsense"}}), HasText("ESTIBA_PORT"));
  CHECK_THAT(ErrorOfHealth({}, {{"ESTIBA_PORT", "0"}}), HasText("--server"));
}

TEST_CASE("The help of health names every flag and the exit codes") {
  CHECK(ParseGood({"--help"}, {{"ESTIBA_PORT", "nonsense"}}).help);
  for (const char* text : {"--server", "--service", "--timeout", "Exit code: 0"}) {
    CHECK_THAT(HealthHelpText(), HasText(text));
  }
}

}  // namespace
}  // namespace estiba
