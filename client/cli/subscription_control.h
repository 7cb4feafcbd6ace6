// estiba subscription purge, pause, resume, seek, detach.
#ifndef CLIENT_CLI_SUBSCRIPTION_CONTROL_H_
#define CLIENT_CLI_SUBSCRIPTION_CONTROL_H_

namespace CLI {
class App;
}  // namespace CLI

namespace estiba::cli {

struct Context;

// Adds them to `subscription`; see commands.h.
void AddSubscriptionControl(CLI::App& subscription, Context& context);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_SUBSCRIPTION_CONTROL_H_
