// Shell completion, made from the command tree: whatever the tree knows, the shell offers.
//
// Thread-safe: free functions; `app` is the root and is only read.
#ifndef CLIENT_CLI_COMPLETION_SCRIPT_H_
#define CLIENT_CLI_COMPLETION_SCRIPT_H_

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace estiba::cli {

std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_COMPLETION_SCRIPT_H_
