#include "client/cli/completion_script.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace estiba::cli {
namespace {

std::unique_ptr<CLI::App> SmallTree() {
  auto app = std::make_unique<CLI::App>("A program", "estiba");
  app->add_flag_callback(
      "--json", [] {}, "As JSON");
  CLI::App* pub = app->add_subcommand("pub", "Publish it's messages");
  static std::string value;
  pub->add_option("-f,--file", value, "A file")->type_name("FILE");
  pub->add_option("--ack", value, "How")->option_text("auto|explicit");
  CLI::App* topic = app->add_subcommand("topic", "Topics");
  topic->add_subcommand("create", "Create one");
  topic->add_subcommand("delete", "Delete one");
  return app;
}

// What bash offers for the last word of a command line.
std::string BashOffers(const std::string& words, int index) {
  const testing::TempDir dir;
  const std::string script = dir.Write("completion", BashCompletion(*SmallTree()));
  const testing::Finished run = testing::Run({"/bin/bash", "-c",
                                              "source " + script + "; COMP_WORDS=(" + words +
                                                  "); COMP_CWORD=" + std::to_string(index) +
                                                  "; _estiba; echo \"${COMPREPLY[*]}\""});
  CHECK(run.stderr_text.empty());
  return run.stdout_text;
}

TEST_CASE("bash completes commands, options and values where they belong") {
  CHECK(BashOffers("estiba p", 1) == "pub\n");
  CHECK(BashOffers("estiba topic ''", 2) == "create delete --help --json\n");
  CHECK(BashOffers("estiba --json topic c", 3) == "create\n");
  CHECK(BashOffers("estiba pub --f", 2) == "--file\n");
  CHECK(BashOffers("estiba pub --ack ''", 3) == "auto explicit\n");
  CHECK(BashOffers("estiba pub --ack e", 3) == "explicit\n");
  CHECK(BashOffers("estiba pub --file /etc/host.con", 3) == "/etc/host.conf\n");
}

TEST_CASE("zsh and fish get every command and option, with quotes kept safe") {
  for (const std::string& script : {ZshCompletion(*SmallTree()), FishCompletion(*SmallTree())}) {
    for (const char* word : {"pub", "topic", "create", "delete", "file", "json", "auto explicit"}) {
      CHECK_THAT(script, testing::HasText(word));
    }
    CHECK_THAT(script, testing::HasText("'\\''"));
  }
}

}  // namespace
}  // namespace estiba::cli
