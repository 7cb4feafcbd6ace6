// estiba subscription snapshot: create, list, delete.
#ifndef CLIENT_CLI_SNAPSHOT_H_
#define CLIENT_CLI_SNAPSHOT_H_

namespace CLI {
class App;
}  // namespace CLI

namespace estiba::cli {

struct Context;

// Adds it to `subscription`; see commands.h.
void AddSnapshot(CLI::App& subscription, Context& context);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_SNAPSHOT_H_
