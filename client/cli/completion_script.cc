#include "client/cli/completion_script.h"

#include <CLI/CLI.hpp>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "client/cli/context.h"

namespace estiba::cli {
namespace {

// What may follow an option, or stand at a place.
struct Values {
  enum class Kind { kNone, kAny, kFile, kTopic, kSubscription, kChoice } kind = Kind::kNone;
  std::string choices;  // separated by spaces
};

struct OptionInfo {
  std::vector<std::string> names;  // with dashes; none: positional
  std::string help;
  Values values;
  bool repeats = false;
};

struct CommandInfo {
  std::string path;  // "estiba topic create"
  std::string help;
  std::vector<std::pair<std::string, std::string>> subcommands;  // name, help
  std::vector<OptionInfo> options;                               // its own
  std::vector<OptionInfo> positionals;
};

Values ValuesOf(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return {};
  const std::string& text = option.get_option_text();
  if (text.find('|') != std::string::npos) {
    return {Values::Kind::kChoice, absl::StrReplaceAll(text, {{"|", " "}})};
  }
  const std::string type = option.get_type_name();
  if (type == "FILE") return {Values::Kind::kFile, ""};
  if (type == "TOPIC") return {Values::Kind::kTopic, ""};
  if (type == "NAME" && option.get_name().find("subscription") != std::string::npos) {
    return {Values::Kind::kSubscription, ""};
  }
  return {Values::Kind::kAny, ""};
}

CommandInfo Inspect(const CLI::App& app) {
  CommandInfo info;
  info.path = CommandPath(app);
  info.help = app.get_description();
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    info.subcommands.emplace_back(command->get_name(), command->get_description());
  }
  for (const CLI::Option* option : app.get_options()) {
    OptionInfo item;
    for (const std::string& name : option->get_snames()) item.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) item.names.push_back("--" + name);
    item.help = option->get_description();
    item.values = ValuesOf(*option);
    item.repeats = option->get_items_expected_max() > 1 ||
                   option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    (item.names.empty() ? info.positionals : info.options).push_back(std::move(item));
  }
  return info;
}

// The root first, then every command with its subcommands behind it.
void InspectAll(const CLI::App& app, std::vector<CommandInfo>& all) {
  all.push_back(Inspect(app));
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    InspectAll(*command, all);
  }
}

std::vector<CommandInfo> InspectAll(const CLI::App& app) {
  std::vector<CommandInfo> all;
  InspectAll(app, all);
  return all;
}

// Single-quoted for the shell.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

constexpr char kTopics[] = "estiba topic list --timeout 1s 2>/dev/null | awk 'NR>1 {print $1}'";
constexpr char kSubscriptions[] =
    "estiba subscription list --timeout 1s 2>/dev/null | awk 'NR>1 {print $1}'";

// ---- bash

std::string BashValues(const Values& values) {
  switch (values.kind) {
    case Values::Kind::kFile:
      return "COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Values::Kind::kTopic:
      return "COMPREPLY=($(compgen -W \"$(_estiba_topics)\" -- \"$cur\"))";
    case Values::Kind::kSubscription:
      return "COMPREPLY=($(compgen -W \"$(_estiba_subscriptions)\" -- \"$cur\"))";
    case Values::Kind::kChoice:
      return absl::StrCat("COMPREPLY=($(compgen -W '", values.choices, "' -- \"$cur\"))");
    case Values::Kind::kAny:
    case Values::Kind::kNone:
      break;
  }
  return "COMPREPLY=()";
}

// One case of the list in which the word before the cursor decides.
std::string BashOptionCases(const CommandInfo& command, const std::string& path) {
  std::string cases;
  for (const OptionInfo& option : command.options) {
    if (option.values.kind == Values::Kind::kNone) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) {
      patterns.push_back(absl::StrCat(path, ":", name));
    }
    absl::StrAppend(&cases, "    ", absl::StrJoin(patterns, "|"), ") ", BashValues(option.values),
                    "; return ;;\n");
  }
  return cases;
}

std::string BashWords(const CommandInfo& command, const CommandInfo& root) {
  std::vector<std::string> words;
  for (const auto& [name, help] : command.subcommands) words.push_back(name);
  for (const CommandInfo* from : {&command, &root}) {
    if (from == &root && &command == &root) break;
    for (const OptionInfo& option : from->options) {
      if (from == &root && option.names.back() == "--help") continue;
      words.push_back(option.names.back());
    }
  }
  return absl::StrJoin(words, " ");
}

std::string BashPlaces(const CommandInfo& command) {
  if (!command.positionals.empty()) {
    const Values& values = command.positionals.front().values;
    if (values.kind == Values::Kind::kTopic) return "$(_estiba_topics)";
    if (values.kind == Values::Kind::kSubscription) return "$(_estiba_subscriptions)";
    if (values.kind == Values::Kind::kChoice) return values.choices;
  }
  return "";
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  const std::vector<CommandInfo> all = InspectAll(app);
  const CommandInfo& root = all.front();
  std::vector<std::string> paths;
  std::string option_cases, word_cases;
  for (const CommandInfo& command : all) {
    const std::string path = absl::StrReplaceAll(command.path, {{" ", "_"}});
    if (&command != &root) paths.push_back(path);
    option_cases += BashOptionCases(command, &command == &root ? "*" : path);
    absl::StrAppend(&word_cases, "    ", path, ") words=\"", BashWords(command, root),
                    "\"; places=\"", absl::StrReplaceAll(BashPlaces(command), {{"\"", "\\\""}}),
                    "\" ;;\n");
  }
  return absl::Substitute(
      R"(# bash completion for estiba. Use it with:  source <(estiba completion bash)
_estiba_topics() { $0; }
_estiba_subscriptions() { $1; }
_estiba() {
  local cur="$${COMP_WORDS[COMP_CWORD]}" prev="$${COMP_WORDS[COMP_CWORD-1]}"
  local path=estiba word words places
  COMPREPLY=()
  for word in "$${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$${path}_$${word}" in
    $2) path="$${path}_$${word}" ;;
    esac
  done
  case "$$path:$$prev" in
$3  esac
  case "$$path" in
$4  esac
  if [[ "$$cur" == -* ]]; then places=""; fi
  COMPREPLY=($$(compgen -W "$$words $$places" -- "$$cur"))
}
complete -o default -F _estiba estiba
)",
      kTopics, kSubscriptions, absl::StrJoin(paths, "|"), option_cases, word_cases);
}

// ---- zsh

namespace {

std::string ZshAction(const Values& values) {
  switch (values.kind) {
    case Values::Kind::kFile:
      return "_files";
    case Values::Kind::kTopic:
      return "_estiba_topics";
    case Values::Kind::kSubscription:
      return "_estiba_subscriptions";
    case Values::Kind::kChoice:
      return absl::StrCat("(", values.choices, ")");
    case Values::Kind::kAny:
    case Values::Kind::kNone:
      break;
  }
  return " ";
}

std::string ZshText(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
}

std::string ZshArguments(const CommandInfo& command) {
  std::vector<std::string> lines;
  for (const OptionInfo& option : command.options) {
    for (const std::string& name : option.names) {
      std::string spec =
          absl::StrCat(option.repeats ? "*" : "", name, "[", ZshText(option.help), "]");
      if (option.values.kind != Values::Kind::kNone) {
        absl::StrAppend(&spec, ":value:", ZshAction(option.values));
      }
      lines.push_back(Quoted(spec));
    }
  }
  for (const OptionInfo& option : command.positionals) {
    lines.push_back(Quoted(absl::StrCat(option.repeats ? "*" : "", ":", ZshText(option.help), ":",
                                        ZshAction(option.values))));
  }
  return absl::StrJoin(lines, " ");
}

// A function for each command: its options, and for a group its commands.
std::string ZshFunction(const CommandInfo& command, bool is_root) {
  const std::string name = absl::StrReplaceAll(command.path, {{" ", "_"}});
  if (command.subcommands.empty()) {
    return absl::StrCat("_", name, "() { _arguments -s ", ZshArguments(command),
                        " \"${_estiba_globals[@]}\"; }\n");
  }
  std::vector<std::string> described, cases;
  for (const auto& [sub, help] : command.subcommands) {
    described.push_back(Quoted(absl::StrCat(sub, ":", help)));
    cases.push_back(absl::StrCat("    ", sub, ") _", name, "_", sub, " ;;"));
  }
  return absl::Substitute(R"(_$0() {
  local state line
  local -a commands=($1)
  _arguments -C $2 "$${_estiba_globals[@]}" '1:command:->command' '*::arg:->args'
  case $$state in
  command) _describe command commands ;;
  args) case $$line[1] in
$3
    esac ;;
  esac
}
)",
                          name, absl::StrJoin(described, " "), is_root ? "" : ZshArguments(command),
                          absl::StrJoin(cases, "\n"));
}

}  // namespace

std::string ZshCompletion(const CLI::App& app) {
  const std::vector<CommandInfo> all = InspectAll(app);
  std::string functions;
  for (const CommandInfo& command : all) {
    functions += ZshFunction(command, &command == &all.front());
  }
  CommandInfo globals = all.front();
  std::erase_if(globals.options, [](const OptionInfo& option) {
    return option.names.back() == "--help" || option.names.back() == "--version";
  });
  return absl::Substitute(R"--(#compdef estiba
# zsh completion for estiba. Put it into a directory of your fpath as _estiba:
#   estiba completion zsh > ~/.zfunc/_estiba
typeset -ga _estiba_globals=($0)
_estiba_topics() { local -a names=($${(f)"$$($1)"}); compadd -a names; }
_estiba_subscriptions() { local -a names=($${(f)"$$($2)"}); compadd -a names; }
$3
if [ "$$funcstack[1]" = _estiba ]; then _estiba "$$@"; else compdef _estiba estiba; fi
)--",
                          ZshArguments(globals), kTopics, kSubscriptions, functions);
}

// ---- fish

namespace {

std::string FishValues(const Values& values) {
  switch (values.kind) {
    case Values::Kind::kFile:
      return " -r -F";
    case Values::Kind::kTopic:
      return " -x -a '(__estiba_topics)'";
    case Values::Kind::kSubscription:
      return " -x -a '(__estiba_subscriptions)'";
    case Values::Kind::kChoice:
      return absl::StrCat(" -x -a '", values.choices, "'");
    case Values::Kind::kAny:
      return " -x";
    case Values::Kind::kNone:
      break;
  }
  return "";
}

// The condition under which lines of this command apply.
std::string FishCondition(const CommandInfo& command) {
  const std::vector<std::string> words = absl::StrSplit(command.path, ' ');
  std::vector<std::string> terms;
  for (size_t i = 1; i < words.size(); ++i) {
    terms.push_back(absl::StrCat("__fish_seen_subcommand_from ", words[i]));
  }
  if (!command.subcommands.empty()) {
    std::vector<std::string> names;
    for (const auto& [name, help] : command.subcommands) names.push_back(name);
    terms.push_back(absl::StrCat("not __fish_seen_subcommand_from ", absl::StrJoin(names, " ")));
  }
  return absl::StrJoin(terms, "; and ");
}

std::string FishLines(const CommandInfo& command, bool is_root) {
  // Global options are offered everywhere.
  const std::string condition = absl::StrCat(" -n ", Quoted(FishCondition(command)));
  std::string lines;
  for (const auto& [name, help] : command.subcommands) {
    absl::StrAppend(&lines, "complete -c estiba", condition, " -a ", name, " -d ", Quoted(help),
                    "\n");
  }
  for (const OptionInfo& option : command.options) {
    absl::StrAppend(&lines, "complete -c estiba", is_root ? "" : condition);
    for (const std::string& name : option.names) {
      absl::StrAppend(&lines, absl::StartsWith(name, "--") ? " -l " : " -s ",
                      name.substr(name.find_first_not_of('-')));
    }
    absl::StrAppend(&lines, " -d ", Quoted(option.help), FishValues(option.values), "\n");
  }
  if (!command.positionals.empty()) {
    const std::string values = FishValues(command.positionals.front().values);
    const size_t words = values.find("-a ");
    if (words != std::string::npos) {
      absl::StrAppend(&lines, "complete -c estiba", condition, " ", values.substr(words), "\n");
    }
  }
  return lines;
}

}  // namespace

std::string FishCompletion(const CLI::App& app) {
  const std::vector<CommandInfo> all = InspectAll(app);
  std::string lines;
  for (const CommandInfo& command : all) lines += FishLines(command, &command == &all.front());
  return absl::StrCat(
      "# fish completion for estiba. Put it where fish looks:\n"
      "#   estiba completion fish > ~/.config/fish/completions/estiba.fish\n"
      "function __estiba_topics; ",
      kTopics, "; end\nfunction __estiba_subscriptions; ", kSubscriptions,
      "; end\ncomplete -c estiba -f\n", lines);
}

}  // namespace estiba::cli
