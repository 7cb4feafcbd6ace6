#include "broker/ops/config_file.h"

#include "tests/ops/ops_fixture.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::ErrorOf;
using testing::HasText;
using testing::LoadWithFile;
using testing::PlainMachine;

TEST_CASE("An empty file, a file of comments and an empty mapping set nothing") {
  for (const char* yaml : {"", "\n\n", "# nothing\n", "---\n", "{}", "topics:\n", "topics: []\n"}) {
    INFO(yaml);
    const auto loaded = LoadWithFile(yaml);
    REQUIRE(loaded.ok());
    REQUIRE(loaded->config.port == 8085);
    REQUIRE(loaded->config.topics.empty());
  }
}

TEST_CASE("An unknown key is refused with its line and the nearest key") {
  const std::string error = ErrorOf(LoadWithFile("port: 1\n\nmemory-bugdet: 1GiB\n"));
  CHECK_THAT(error, HasText("estiba.yaml line 3: unknown key 'memory-bugdet'"));
  CHECK_THAT(error, HasText("the nearest is 'memory-budget'"));
  CHECK_THAT(ErrorOf(LoadWithFile("topic: []\n")), HasText("the nearest is 'topics'"));
}

TEST_CASE("The file cannot name a file") {
  CHECK_THAT(ErrorOf(LoadWithFile("config: other.yaml\n")), HasText("unknown key 'config'"));
}

TEST_CASE("A key that is there twice is refused with the line of the second") {
  CHECK_THAT(ErrorOf(LoadWithFile("port: 1\nlog-level: info\nport: 2\n")),
             HasText("estiba.yaml line 3: key 'port' is there twice"));
}

TEST_CASE("A setting without a plain value is refused") {
  for (const char* yaml : {"port:\n", "port: ~\n", "port: [1]\n", "port: {a: 1}\n"}) {
    INFO(yaml);
    CHECK_THAT(ErrorOf(LoadWithFile(yaml)),
               HasText("estiba.yaml line 1: key 'port' must have one plain value"));
  }
  CHECK_THAT(ErrorOf(LoadWithFile("port: ''\n")), HasText("'' must be a number from 0 to 65535"));
}

TEST_CASE("A file that is not a mapping is refused") {
  for (const char* yaml : {"- port\n", "port\n", "42\n"}) {
    INFO(yaml);
    CHECK_THAT(ErrorOf(LoadWithFile(yaml)), HasText("the file must be keys with values"));
  }
  CHECK_THAT(ErrorOf(LoadWithFile("[a, b]: 1\n")), HasText("a key must be a name"));
  CHECK_THAT(ErrorOf(LoadWithFile("port: 1\n---\nport: 2\n")),
             HasText("must hold one YAML document"));
}

TEST_CASE("A file that is not YAML is refused with the line") {
  CHECK_THAT(ErrorOf(LoadWithFile("port: 1\nlog-level: [info\n")), HasText("not valid YAML"));
  CHECK_THAT(ErrorOf(LoadWithFile("port: 1\n\tlog-level: x\n")), HasText("estiba.yaml line 2"));
  CHECK_THAT(ErrorOf(LoadWithFile("port: *nothing\n")), HasText("not valid YAML"));
  CHECK_THAT(ErrorOf(LoadWithFile(std::string(100'000, '['))), HasText("not valid YAML"));
  CHECK_FALSE(ErrorOf(LoadWithFile(std::string("port: 1\n\0\x01\xff", 11))).empty());
}

TEST_CASE("A file that cannot be read is refused with its name") {
  const std::string missing =
      ErrorOf(LoadConfig({"--config=/no/such/file.yaml"}, {}, PlainMachine()));
  CHECK_THAT(missing, HasText("setting 'config' from flag --config: '/no/such/file.yaml' must be"));
  CHECK_THAT(missing, HasText("No such file or directory"));
  testing::TempDir dir;
  CHECK_THAT(ErrorOf(LoadConfig({}, {{"ESTIBA_CONFIG", dir.path().string()}}, PlainMachine())),
             HasText("from environment variable ESTIBA_CONFIG"));
  const std::string huge = dir.Write("huge.yaml", std::string((16u << 20) + 1, '#'));
  CHECK_THAT(ErrorOf(LoadConfig({"--config", huge}, {}, PlainMachine())), HasText("at most 16MiB"));
}

TEST_CASE("A wrong value in the file that a flag overrides does not matter, a wrong key does") {
  CHECK(LoadWithFile("port: x\n", {"--port=1"}).ok());
  CHECK_FALSE(LoadWithFile("prot: 1\n", {"--port=1"}).ok());
}

}  // namespace
}  // namespace estiba
