// A broker of the test's own, and the command line pointed at it.
#ifndef TESTS_CLI_SHELL_H_
#define TESTS_CLI_SHELL_H_

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/daemon.h"
#include "tests/support/process.h"

namespace estiba::testing {

// Main thread only.
class Shell {
 public:
  // "estiba --server ... WORDS".
  std::vector<std::string> Command(std::vector<std::string> words) const {
    words.insert(words.begin(), {BuiltProgram("estiba"), "--server", daemon_.address()});
    return words;
  }

  Finished Estiba(std::vector<std::string> words, std::string_view input = "") const {
    return Run(Command(std::move(words)), input);
  }

  // Runs a line of bash in which `estiba` is the command line pointed at the broker.
  Finished Bash(const std::string& line) const {
    const std::string function =
        "estiba() { " + BuiltProgram("estiba") + " --server " + daemon_.address() + " \"$@\"; }\n";
    return Run({"/bin/bash", "-c", function + line});
  }

  // What the command prints with --json, which must succeed: one document, or one in each line.
  nlohmann::json Json(std::vector<std::string> words) const {
    return Lines(std::move(words)).at(0);
  }
  std::vector<nlohmann::json> Lines(std::vector<std::string> words) const {
    words.push_back("--json");
    const Finished run = Estiba(std::move(words));
    INFO(run.stderr_text);
    REQUIRE(run.status.code == 0);
    std::vector<nlohmann::json> lines;
    std::istringstream in(run.stdout_text);
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  Daemon& daemon() { return daemon_; }

 private:
  Daemon daemon_;
};

}  // namespace estiba::testing

#endif  // TESTS_CLI_SHELL_H_
