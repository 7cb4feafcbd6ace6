// estiba as a program, without a broker: help, wrong use, exit codes, errors.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

// Nobody listens on port 1.
constexpr char kNobody[] = "127.0.0.1:1";

Finished Estiba(std::vector<std::string> args, std::string_view input = "") {
  args.insert(args.begin(), BuiltProgram("estiba"));
  return Run(std::move(args), input);
}

using Words = std::vector<std::string>;
const std::vector<Words> kCommands = {
    {},
    {"pub"},
    {"sub"},
    {"request"},
    {"reply"},
    {"topic"},
    {"topic", "create"},
    {"topic", "get"},
    {"topic", "list"},
    {"topic", "delete"},
    {"subscription"},
    {"subscription", "create"},
    {"subscription", "get"},
    {"subscription", "list"},
    {"subscription", "delete"},
    {"stats"},
    {"top"},
    {"connections"},
    {"connections", "list"},
    {"connections", "close"},
    {"health"},
    {"bench"},
    {"completion"},
};

TEST_CASE("every command has help, and it names the command") {
  for (Words words : kCommands) {
    std::string usage = "Usage: estiba";
    for (const std::string& word : words) usage += " " + word;
    words.push_back("--help");
    const Finished run = Estiba(words);
    INFO(usage);
    CHECK(run.status.code == 0);
    CHECK_THAT(run.stdout_text, HasText(usage));
    CHECK(run.stderr_text.empty());
  }
}

TEST_CASE("the help of the whole tells exit codes and first steps") {
  const std::string help = Estiba({"--help"}).stdout_text;
  CHECK_THAT(help, HasText("Exit codes:"));
  CHECK_THAT(help, HasText("estiba pub hello"));
  CHECK_THAT(help, HasText("ESTIBA_SERVER"));
}

TEST_CASE("the version is told") {
  const Finished run = Estiba({"--version"});
  CHECK(run.status.code == 0);
  CHECK_THAT(run.stdout_text, HasText("estiba 0."));
}

TEST_CASE("wrong use ends with 2, says what is wrong, and where to read on") {
  struct Wrong {
    Words words;
    std::string says;
  };
  const std::vector<Wrong> all = {
      {{}, "which command?"},
      {{"bogus"}, "no command 'bogus'"},
      {{"topic"}, "which command?"},
      {{"topic", "bogus"}, "no command 'bogus'"},
      {{"topic", "get"}, "topic is required"},
      {{"pub"}, "topic is required"},
      {{"sub", "t", "--frum", "1"}, "--frum"},
      {{"sub", "t", "--from", "0"}, "--from: '0' is not"},
      {{"sub", "t", "--count", "0"}, "'0' is not a count"},
      {{"sub", "t", "--ack", "maybe"}, "'maybe' is not one of: auto, explicit"},
      {{"sub", "t", "--follow", "--drain"}, "--drain"},
      {{"pub", "t", "x", "--rate", "fast"}, "'fast' is not a rate"},
      {{"topic", "create", "t", "--budget", "12q"}, "'12q' is not a size"},
      {{"topic", "create", "t", "--full-policy", "explode"}, "drop-oldest"},
      {{"health", "--wait", "soon"}, "'soon' is not a duration"},
      {{"completion", "tcsh"}, "'tcsh' is not one of: bash, zsh, fish"},
      {{"bench", "--count", "1", "--duration", "1s"}, "--count"},
  };
  for (const Wrong& wrong : all) {
    const Finished run = Estiba(wrong.words);
    INFO(wrong.says);
    CHECK(run.status.code == 2);
    CHECK(run.stdout_text.empty());
    CHECK_THAT(run.stderr_text, HasText(wrong.says));
    CHECK_THAT(run.stderr_text, HasText("--help`"));
  }
}

TEST_CASE("options that do not fit together are refused before anything is sent") {
  const std::vector<Words> all = {
      {"sub"},
      {"sub", "t", "--count", "3", "--ack", "auto"},
      {"sub", "t", "--json", "--raw"},
      {"sub", "t", "--ack", "auto", "--ack-deadline", "5s"},
      {"pub", "t", "x", "--file", "f"},
      {"pub", "t", "--repeat", "2"},
      {"pub", "t", "x", "--attribute", "novalue"},
      {"pub", "t", "x", "--attribute", "=v"},
      {"connections", "close"},
      {"connections", "close", "bob", "--id", "3"},
      {"reply", "t"},
      {"reply", "t", "--echo", "--count", "0"},
      {"request", "t", "x", "-a", "novalue"},
      {"top"},
      {"top", "--json"},
      {"bench", "--one-at-a-time", "--publishers", "2"},
  };
  for (Words words : all) {
    words.insert(words.begin(), {"--server", kNobody});
    const Finished run = Estiba(words);
    INFO(words[2] << " " << (words.size() > 3 ? words[3] : ""));
    CHECK(run.status.code == 2);
    CHECK_FALSE(run.stderr_text.empty());
  }
}

TEST_CASE("a broker that is not there is told at once, with what to do") {
  const std::vector<Words> all = {{"pub", "t", "x"},
                                  {"sub", "t"},
                                  {"request", "t", "x"},
                                  {"reply", "t", "--echo"},
                                  {"topic", "list"},
                                  {"topic", "create", "t"},
                                  {"topic", "delete", "t"},
                                  {"subscription", "list"},
                                  {"stats"},
                                  {"stats", "--watch", "1s"},
                                  {"top", "--once"},
                                  {"connections"},
                                  {"connections", "close", "x"},
                                  {"health"},
                                  {"bench"}};
  for (Words words : all) {
    words.insert(words.end(), {"--server", kNobody, "--timeout", "5s"});
    const Finished run = Estiba(words);
    INFO(words[0]);
    CHECK(run.status.code == 4);
    CHECK_THAT(run.stderr_text, HasText("estibad running at 127.0.0.1:1"));
  }
}

TEST_CASE("with --json errors are JSON, wherever the option stands") {
  for (const Words& words : {Words{"--json", "topic", "list", "--server", kNobody},
                             Words{"topic", "list", "--server", kNobody, "--json"}}) {
    const Finished run = Estiba(words);
    CHECK(run.status.code == 4);
    const auto json = nlohmann::json::parse(run.stderr_text, nullptr, false);
    REQUIRE(json.is_object());
    CHECK(json["error"]["code"] == "UNAVAILABLE");
    CHECK(json["error"]["exit_code"] == 4);
  }
}

TEST_CASE("with --json wrong use is JSON, too") {
  for (const Words& words : {Words{"bogus", "--json"}, Words{"sub", "t", "--json", "--raw"}}) {
    const Finished run = Estiba(words);
    CHECK(run.status.code == 2);
    const auto json = nlohmann::json::parse(run.stderr_text, nullptr, false);
    REQUIRE(json.is_object());
    CHECK(json["error"]["code"] == "INVALID_ARGUMENT");
  }
}

TEST_CASE("the server comes from the environment, too") {
  Process process({BuiltProgram("estiba"), "topic", "list"}, {{"ESTIBA_SERVER", "127.0.0.1:2"}});
  REQUIRE(process.Wait()->code == 4);
  CHECK_THAT(process.stderr_text(), HasText("127.0.0.1:2"));
}

TEST_CASE("waiting for health ends when the time is over") {
  const absl::Time start = absl::Now();
  CHECK(Estiba({"health", "--wait", "300ms", "--server", kNobody}).status.code == 4);
  CHECK(absl::Now() - start >= absl::Milliseconds(300));
}

TEST_CASE("completion scripts are what their shells can read") {
  const Finished bash = Estiba({"completion", "bash"});
  REQUIRE(bash.status.code == 0);
  CHECK(Run({"/bin/bash", "-n"}, bash.stdout_text).status.code == 0);
  CHECK_THAT(Estiba({"completion", "zsh"}).stdout_text, HasText("#compdef estiba"));
  CHECK_THAT(Estiba({"completion", "fish"}).stdout_text, HasText("complete -c estiba"));
}

}  // namespace
}  // namespace estiba::testing
