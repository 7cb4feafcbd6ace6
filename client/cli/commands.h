// The commands of `estiba`, one source file each. Every function adds its command, with options,
// help and examples, to `app`; when the command line chooses it, `context.run` is set to what runs
// it.
//
// `app` and `context` must outlive parsing and running.
#ifndef CLIENT_CLI_COMMANDS_H_
#define CLIENT_CLI_COMMANDS_H_

namespace CLI {
class App;
}  // namespace CLI

namespace estiba::cli {

struct Context;

void AddPub(CLI::App& app, Context& context);
void AddSub(CLI::App& app, Context& context);
void AddRequest(CLI::App& app, Context& context);
void AddReply(CLI::App& app, Context& context);
void AddTopic(CLI::App& app, Context& context);
void AddSubscription(CLI::App& app, Context& context);
void AddStats(CLI::App& app, Context& context);
void AddTop(CLI::App& app, Context& context);
void AddConnections(CLI::App& app, Context& context);
void AddHealth(CLI::App& app, Context& context);
void AddBench(CLI::App& app, Context& context);
void AddCompletion(CLI::App& app, Context& context);

// All of the above and the global options.
void AddEverything(CLI::App& app, Context& context);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_COMMANDS_H_
