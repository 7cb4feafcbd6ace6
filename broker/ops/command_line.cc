#include "broker/ops/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "broker/ops/nearest_name.h"
#include "broker/ops/setting_table.h"

namespace estiba {
namespace {

bool IsSwitch(const Setting& setting) { return std::holds_alternative<SwitchRule>(setting.rule); }

absl::Status UnknownArgument(const std::string& arg) {
  if (!absl::StartsWith(arg, "--") || arg == "--") {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected argument '", absl::CHexEscape(arg), "'; flags begin with --"));
  }
  std::vector<absl::string_view> names(SettingNames().begin(), SettingNames().end());
  names.insert(names.end(), {"help", "version", "print-config"});
  const std::string name = arg.substr(2, arg.find('=') - 2);
  return absl::InvalidArgumentError(absl::StrCat("unknown flag '--", absl::CHexEscape(name),
                                                 "'; the nearest is '--", NearestName(name, names),
                                                 "'"));
}

// `text` in lines of at most `width`, each after `indent`.
std::string Wrapped(absl::string_view text, absl::string_view indent, size_t width) {
  std::string out;
  std::string line;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (!line.empty() && indent.size() + line.size() + 1 + word.size() > width) {
      absl::StrAppend(&out, indent, line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  absl::StrAppend(&out, indent, line, "\n");
  return out;
}

constexpr char kRowFormat[] = "  %-34s  %-33s  %s\n";

std::string Row(const Setting& setting) {
  const std::string flag = IsSwitch(setting)
                               ? absl::StrCat("--[no-]", setting.name)
                               : absl::StrCat("--", setting.name, "=", TypeName(setting.rule));
  const absl::string_view default_text = setting.default_text.empty() ? "-" : setting.default_text;
  return absl::StrCat(
      absl::StrFormat(kRowFormat, flag, EnvironmentName(setting.name), default_text),
      Wrapped(setting.help, "      ", 100),
      Wrapped(absl::StrCat("Value: ", RuleText(setting.rule), "."), "      ", 100));
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& args) {
  try {
    Flags flags;
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    app.add_flag("--help,-h", flags.help);
    app.add_flag("--version", flags.version);
    app.add_flag("--print-config", flags.print_config);
    std::vector<std::pair<const Setting*, CLI::Option*>> options;
    for (const Setting& setting : SettingTable()) {
      const std::string name = absl::StrCat("--", setting.name);
      // CLI11 turns a bare --name into "true" and a bare --no-name into "false".
      CLI::Option* option =
          IsSwitch(setting) ? app.add_flag(absl::StrCat(name, ",--no-", setting.name, "{false}"))
                            : app.add_option(name);
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
      options.emplace_back(&setting, option);
    }
    std::vector<std::string> reversed(args.rbegin(), args.rend());  // as CLI11 wants them
    app.parse(reversed);
    const std::vector<std::string> unknown = app.remaining();
    if (!unknown.empty()) return UnknownArgument(unknown.front());
    for (const auto& [setting, option] : options) {
      if (option->count() > 0) flags.values[std::string(setting->name)] = option->results().back();
    }
    return flags;
  } catch (const CLI::ArgumentMismatch& error) {
    // Its text begins with the flag.
    const std::string text = error.what();
    return absl::InvalidArgumentError(
        absl::StrCat("flag ", text.substr(0, text.find(':')), " must have a value"));
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

std::string HelpText() {
  std::string text = absl::StrCat(
      "Usage: estibad [FLAG]...\n"
      "       estibad health [FLAG]...\n"
      "\n"
      "The Estiba broker: keeps every published message in memory until it is consumed.\n"
      "\n"
      "  -h, --help      print this and exit\n"
      "  --version       print the version and exit\n"
      "  --print-config  print the settings in force, as YAML that --config takes, and exit\n"
      "  health          ask a broker that runs for its health (estibad health --help), and exit\n"
      "\n"
      "Each setting below can be given as a flag, as an environment variable, or in the YAML file\n"
      "that --config names, under the flag's name without the hyphens in front. A flag beats the\n"
      "environment, which beats the file, which beats the default. An empty variable counts as\n"
      "not set. The file may also declare `topics`.\n"
      "\n"
      "Sizes: 1048576, 64MiB, 1.5GiB, 10MB. Durations: 500ms, 10s, 2m, 1h, 1h30m.\n"
      "\n",
      absl::StrFormat(kRowFormat, "Flag", "Environment", "Default"));
  absl::string_view group;
  for (const Setting& setting : SettingTable()) {
    if (setting.group != group) absl::StrAppend(&text, "\n", setting.group, "\n");
    group = setting.group;
    absl::StrAppend(&text, Row(setting));
  }
  return text;
}

}  // namespace estiba
