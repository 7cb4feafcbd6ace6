// What the manifests say to and of estibad, held against this build's estibad.
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "tests/k8s/manifests.h"
#include "tests/support/catch.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"

namespace estiba::testing {
namespace {

// The longest that the end may take after the drain deadline: broker/daemon.cc and
// broker/rpc/server.cc, kPatience and kLastCalls.
constexpr absl::Duration kAfterDrain = absl::Seconds(6);

YAML::Node Container() {
  return At(Find(BaseObjects(), "StatefulSet/estiba"), "spec.template.spec.containers[0]");
}

std::string SettingsFile() {
  return TextAt(Find(BaseObjects(), "ConfigMap/estiba"), "data.'estibad.yaml'");
}

// estibad with the container's arguments, its settings file replaced by one with this text.
Finished PrintConfig(const std::string& settings) {
  TempDir folder;
  const std::string file = folder.Write("estibad.yaml", settings);
  std::vector<std::string> args = {BuiltProgram("estibad"), "--print-config"};
  for (const YAML::Node& arg : Container()["args"]) {
    args.push_back(absl::StrReplaceAll(arg.Scalar(), {{"/etc/estiba/estibad.yaml", file}}));
  }
  return Run(args);
}

TEST_CASE("estibad takes the container's arguments and every key of the ConfigMap") {
  const Finished good = PrintConfig(SettingsFile());
  INFO(good.stderr_text);
  CHECK(good.status.ok());
  CHECK(PrintConfig(SettingsFile() + "drain-dedline: 10s\n").status.code == 2);
}

TEST_CASE("The topics that the ConfigMap shows as comments can be declared so") {
  std::string text;
  bool topics = false;
  for (const absl::string_view line : absl::StrSplit(SettingsFile(), '\n')) {
    topics |= line == "# topics:";
    absl::StrAppend(&text, topics && absl::StartsWith(line, "# ") ? line.substr(2) : line, "\n");
  }
  REQUIRE(topics);
  const Finished good = PrintConfig(text);
  INFO(good.stderr_text);
  REQUIRE(good.status.ok());
  const YAML::Node settings = YAML::Load(good.stdout_text);
  CHECK(TextAt(settings, "topics[0].subscriptions[0].name") == "billing");
}

TEST_CASE("The pod's grace is longer than the drain and all that follows, with 10 s to spare") {
  const YAML::Node settings = YAML::Load(PrintConfig(SettingsFile()).stdout_text);
  absl::Duration drain;
  REQUIRE(absl::ParseDuration(TextAt(settings, "drain-deadline"), &drain));
  const int grace = At(Find(BaseObjects(), "StatefulSet/estiba"),
                       "spec.template.spec.terminationGracePeriodSeconds")
                        .as<int>();
  CHECK(absl::Seconds(grace) >= drain + kAfterDrain + absl::Seconds(10));
  // The figures of that sum are those of the sources.
  std::ifstream daemon(Repository() / "broker/daemon.cc");
  std::ifstream server(Repository() / "broker/rpc/server.cc");
  const std::string sources = std::string(std::istreambuf_iterator<char>(daemon), {}) +
                              std::string(std::istreambuf_iterator<char>(server), {});
  CHECK_THAT(sources, HasText("kPatience = absl::Seconds(1);"));
  CHECK_THAT(sources, HasText("kLastCalls = absl::Seconds(5);"));
}

TEST_CASE("The settings and the container agree on the port, and the budget follows the limit") {
  const YAML::Node settings = YAML::Load(SettingsFile());
  CHECK(TextAt(settings, "port") == TextAt(Container(), "ports[0].containerPort"));
  CHECK(TextAt(settings, "memory-budget") == "50%");
}

TEST_CASE("The pod's image is the broker's, with the version of this build") {
  const std::string version = Run({BuiltProgram("estibad"), "--version"}).stdout_text;
  const std::vector<std::string> image = absl::StrSplit(TextAt(Container(), "image"), ':');
  REQUIRE(image.size() == 2);
  CHECK(image[0] == "estiba");
  CHECK(version == absl::StrCat("estibad ", image[1], "\n"));
}

TEST_CASE("The services that the probes ask for are those that estibad serves") {
  Daemon daemon;
  const auto ask = [&](const std::string& service) {
    return Run({BuiltProgram("estiba"), "--server", daemon.address(), "health", service}).status;
  };
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    INFO(probe);
    CHECK(ask(TextAt(Container(), absl::StrCat(probe, ".grpc.service"))).ok());
  }
  CHECK_FALSE(ask("started").ok());
}

}  // namespace
}  // namespace estiba::testing
