// How the command line ends: exit codes, and errors that say what to do next.
//
// Thread-safe: free functions without state.
#ifndef CLIENT_CLI_EXIT_CODE_H_
#define CLIENT_CLI_EXIT_CODE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace estiba::cli {

struct Context;

// The same for every command; `estiba --help` lists them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitUnavailable = 4,
  kExitRefused = 5,
  kExitExists = 6,
  kExitInterrupted = 130,
};

// The table of exit codes, for --help.
std::string ExitCodeHelp();

// kExitOk for an OK status.
ExitCode ExitCodeOf(const absl::Status& status);

// What a person could try next after `status` from `server`; empty where there is nothing to say.
std::string HintFor(const absl::Status& status, absl::string_view server);

// Writes the error to standard error, with a hint, and returns its exit code. With --json the error
// is one JSON object. `doing` says what failed: "cannot publish to 'orders'".
int Fail(const Context& context, absl::string_view doing, const absl::Status& status);

// A wrong use that only shows after parsing: writes it and returns kExitUsage.
int FailUsage(const Context& context, absl::string_view what);

// A line on standard error, "estiba: ...".
void Warn(absl::string_view text);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_EXIT_CODE_H_
