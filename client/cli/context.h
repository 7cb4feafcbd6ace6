// What all commands share: the global options, and the command that was chosen.
//
// Owner and lifetime: main() makes one; it outlives parsing and the command. One thread writes it
// (while parsing); afterwards it is only read.
#ifndef CLIENT_CLI_CONTEXT_H_
#define CLIENT_CLI_CONTEXT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "estiba/client.h"

namespace CLI {
class App;
}  // namespace CLI

namespace estiba::cli {

struct Context {
  std::string server = "localhost:8085";
  // Empty: "estiba-COMMAND-PID".
  std::string client_name;
  // How long one request, or one batch, may take.
  absl::Duration timeout = absl::Seconds(10);
  bool json = false;
  bool no_color = false;

  // Set by the chosen command while parsing; main() runs it and exits with what it returns.
  std::function<int()> run;

  ClientOptions MakeClientOptions(absl::string_view command) const;
  // May standard output (error) be coloured?
  bool ColorOut() const;
  bool ColorErr() const;
};

// Asks the broker for its health, so that a command which would otherwise wait and retry for long
// tells at once when nobody is there. OK also where the broker does not offer the health service.
absl::Status CheckReachable(const Client& client, const Context& context);
// The same, and it is not shutting down.
absl::Status CheckServing(const Client& client, const Context& context);

// The command as it is typed: "estiba topic create".
std::string CommandPath(const CLI::App& app);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_CONTEXT_H_
