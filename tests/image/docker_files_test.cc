// What docker/Dockerfile and docker/compose.yaml say of the programs, held against this build's.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "tests/k8s/manifests.h"
#include "tests/support/catch.h"
#include "tests/support/daemon.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

// The most that follows the drain deadline, as tests/k8s/binary_test.cc adds it up.
constexpr absl::Duration kAfterDrain = absl::Seconds(6);

std::vector<std::string> DockerfileLines() {
  std::ifstream in(Repository() / "docker/Dockerfile");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  REQUIRE_FALSE(text.empty());
  return absl::StrSplit(text, '\n');
}

// What stands behind `prefix` in the lines that begin with it.
std::vector<std::string> AfterEach(const std::string& prefix) {
  std::vector<std::string> found;
  for (const std::string& line : DockerfileLines()) {
    if (absl::StartsWith(line, prefix)) found.push_back(line.substr(prefix.size()));
  }
  return found;
}

YAML::Node Compose() { return YAML::LoadFile(Repository() / "docker/compose.yaml"); }

// The settings in force with these environment variables.
YAML::Node Settings(const std::map<std::string, std::string>& environment) {
  Process estibad({BuiltProgram("estibad"), "--print-config"}, environment);
  const auto status = estibad.Wait();
  INFO(estibad.stderr_text());
  REQUIRE(status.has_value());
  REQUIRE(status->ok());
  return YAML::Load(estibad.stdout_text());
}

TEST_CASE("The Dockerfile exposes the default port, and labels both images with this version") {
  CHECK(AfterEach("EXPOSE ") == std::vector<std::string>{TextAt(Settings({}), "port")});
  const std::string version = Run({BuiltProgram("estibad"), "--version"}).stdout_text;
  const std::vector<std::string> labels = AfterEach("      org.opencontainers.image.version=");
  REQUIRE(labels.size() == 2);
  for (const std::string& label : labels) {
    CHECK(version == absl::StrCat("estibad ", YAML::Load(label).Scalar(), "\n"));
  }
}

TEST_CASE("Both images run as the user that the pod of the StatefulSet has") {
  const YAML::Node pod =
      At(Find(BaseObjects(), "StatefulSet/estiba"), "spec.template.spec.securityContext");
  const std::string user = absl::StrCat(TextAt(pod, "runAsUser"), ":", TextAt(pod, "runAsGroup"));
  CHECK(AfterEach("USER ") == std::vector<std::string>{user, user});
}

TEST_CASE("The Dockerfile's HEALTHCHECK is a command that knows a broker that serves") {
  std::vector<std::string> found;
  for (const std::string& line : AfterEach("HEALTHCHECK ")) {
    const size_t at = line.find("CMD ");
    REQUIRE(at != std::string::npos);
    // In exec form, which is YAML, too: without a shell.
    for (const YAML::Node& word : YAML::Load(line.substr(at + 4))) found.push_back(word.Scalar());
  }
  REQUIRE(found.size() >= 2);
  CHECK(found[0] == "/usr/bin/estibad");
  found[0] = BuiltProgram("estibad");
  Daemon daemon;
  Process health(found, {{"ESTIBA_LISTEN_ADDRESS", "127.0.0.1"},
                         {"ESTIBA_PORT", absl::StrCat(daemon.port())}});
  const auto status = health.Wait();
  INFO(health.stderr_text());
  REQUIRE(status.has_value());
  CHECK(status->code == 0);
  CHECK(health.stdout_text() == "SERVING\n");
}

TEST_CASE("compose.yaml builds stages that the Dockerfile has") {
  for (const auto& service : Compose()["services"]) {
    INFO(service.first.Scalar());
    const YAML::Node build = service.second["build"];
    const auto context = Repository() / "docker" / TextAt(build, "context");
    CHECK(std::filesystem::equivalent(context / TextAt(build, "dockerfile"),
                                      Repository() / "docker/Dockerfile"));
    const std::vector<std::string> stages = AfterEach("FROM scratch AS ");
    CHECK(std::count(stages.begin(), stages.end(), TextAt(build, "target")) == 1);
  }
}

TEST_CASE("compose.yaml sets what the broker knows, publishes its port, and waits for its drain") {
  const YAML::Node broker = Compose()["services"]["broker"];
  const std::string help = Run({BuiltProgram("estibad"), "--help"}).stdout_text;
  std::map<std::string, std::string> environment;
  for (const auto& variable : broker["environment"]) {
    const std::string name = variable.first.Scalar();
    CHECK_THAT(help, HasText(absl::StrCat(" ", name, " ")));
    environment[name] = variable.second.Scalar();
  }
  const YAML::Node settings = Settings(environment);
  const std::string port = TextAt(settings, "port");
  REQUIRE(broker["ports"].size() == 1);
  CHECK(TextAt(broker, "ports[0]") ==
        absl::StrCat("127.0.0.1:${ESTIBA_HOST_PORT:-", port, "}:", port));

  absl::Duration drain;
  absl::Duration grace;
  REQUIRE(absl::ParseDuration(TextAt(settings, "drain-deadline"), &drain));
  REQUIRE(absl::ParseDuration(TextAt(broker, "stop_grace_period"), &grace));
  CHECK(grace > drain + kAfterDrain);
  // The command line beside it asks the same broker.
  CHECK(TextAt(Compose(), "services.cli.environment.ESTIBA_SERVER") ==
        absl::StrCat("broker:", port));
}

}  // namespace
}  // namespace estiba::testing
