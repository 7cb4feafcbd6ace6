#include "tests/support/daemon.h"

#include <signal.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

constexpr std::string_view kReady = "Server started, listening on ";

std::vector<std::string> CommandLine(std::vector<std::string> flags) {
  std::vector<std::string> args = {BuiltProgram("estibad"), "--listen-address=127.0.0.1",
                                   "--port=0", "--log-format=text"};
  for (std::string& flag : flags) args.push_back(std::move(flag));
  return args;
}

// The port in the ready line, or 0 while there is none.
int ReadyPort(const Process& process) {
  for (const std::string& text : {process.stderr_text(), process.stdout_text()}) {
    const size_t at = text.find(kReady);
    if (at == std::string::npos || text.find('\n', at) == std::string::npos) continue;
    return std::atoi(text.c_str() + at + kReady.size());
  }
  return 0;
}

}  // namespace

Daemon::Daemon(std::vector<std::string> flags) : process_(CommandLine(std::move(flags))) {
  const bool settled =
      Eventually([&] { return (port_ = ReadyPort(process_)) != 0 || !process_.running(); });
  if (!settled || port_ == 0) {
    throw std::runtime_error(absl::StrCat("estibad did not get ready:\n", process_.stdout_text(),
                                          process_.stderr_text()));
  }
  address_ = absl::StrCat("127.0.0.1:", port_);
}

ExitStatus Daemon::Stop(absl::Duration timeout) {
  process_.Signal(SIGTERM);
  if (const auto status = process_.Wait(timeout)) return *status;
  process_.Signal(SIGKILL);
  return *process_.Wait(absl::InfiniteDuration());
}

}  // namespace estiba::testing
