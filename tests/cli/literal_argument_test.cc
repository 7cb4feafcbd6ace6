#include "client/cli/literal_argument.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

// What CLI11 makes of a command line with any number of messages.
std::vector<std::string> Parsed(std::vector<const char*> messages) {
  messages.insert(messages.begin(), "program");
  CLI::App app;
  std::vector<std::string> parsed;
  app.add_option("message", parsed);
  std::vector<std::string> arguments =
      MarkLiterals(static_cast<int>(messages.size()), messages.data());
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  Unmark(parsed);
  return parsed;
}

TEST_CASE("messages that look like lists come through as they are") {
  const std::vector<const char*> messages = {"[1,2]", "[]", "{}",      "%%", "plain",
                                             "[x",    "y]", "\x1f[1]", "",   "[a][b]"};
  CHECK(Parsed(messages) == std::vector<std::string>(messages.begin(), messages.end()));
}

}  // namespace
}  // namespace estiba::cli
