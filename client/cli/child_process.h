// Runs a command with some input and takes its output.
#ifndef CLIENT_CLI_CHILD_PROCESS_H_
#define CLIENT_CLI_CHILD_PROCESS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace estiba::cli {

struct ChildResult {
  std::string output;
  // As a shell counts: the exit code, or 128 and the signal.
  int exit_code = 0;
};

// Runs `command` with /bin/sh -c, `input` on its standard input (it need not be read) and `extra`
// in its environment; standard error is ours. Blocks until it has ended. Signals that are blocked
// or ignored here are not in the child. An error: it could not be started. Any thread.
absl::StatusOr<ChildResult> RunShell(const std::string& command, std::string_view input,
                                     const std::vector<std::pair<std::string, std::string>>& extra);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_CHILD_PROCESS_H_
