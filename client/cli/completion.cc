// estiba completion: prints the script that teaches a shell these commands.
#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/completion_script.h"
#include "client/cli/context.h"
#include "client/cli/options.h"
#include "client/cli/output.h"

namespace estiba::cli {
namespace {

constexpr char kHelp[] =
    R"(Names of topics and subscriptions are completed too, by asking the broker.

  source <(estiba completion bash)                                     in ~/.bashrc
  estiba completion zsh > ~/.zfunc/_estiba                             with ~/.zfunc in fpath
  estiba completion fish > ~/.config/fish/completions/estiba.fish)";

}  // namespace

void AddCompletion(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for your shell");
  command->footer(kHelp);
  using Script = std::string (*)(const CLI::App&);
  auto script = std::make_shared<Script>(nullptr);
  AddChoice<Script>(*command, "shell", *script,
                    {{"bash", BashCompletion}, {"zsh", ZshCompletion}, {"fish", FishCompletion}},
                    "For which shell")
      ->required();
  command->callback([&app, &context, script] {
    context.run = [&app, script] { return PrintText((*script)(app)); };
  });
}

}  // namespace estiba::cli
