// A broker process for tests.
#ifndef TESTS_SUPPORT_DAEMON_H_
#define TESTS_SUPPORT_DAEMON_H_

#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace estiba::testing {

// The estibad of this build, on a port that the kernel chose on 127.0.0.1, ready when the
// constructor returns (which throws std::runtime_error with the daemon's output where it does not
// get ready). The destructor kills it. Threads as for Process.
//
//   Daemon daemon({"--memory-budget=64MiB"});
//   Connect(daemon.address());
//   REQUIRE(daemon.Stop().code == 0);
class Daemon {
 public:
  explicit Daemon(std::vector<std::string> flags = {});

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }
  int port() const { return port_; }
  Process& process() { return process_; }

  // SIGTERM and wait for the end; SIGKILL (and signal 9 in the result) where it does not come.
  ExitStatus Stop(absl::Duration timeout = absl::Seconds(30));

 private:
  Process process_;
  int port_ = 0;
  std::string address_;
};

}  // namespace estiba::testing

#endif  // TESTS_SUPPORT_DAEMON_H_
