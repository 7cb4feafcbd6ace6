#include "broker/ops/config.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "broker/ops/byte_size.h"
#include "broker/ops/command_line.h"
#include "broker/ops/config_file.h"
#include "broker/ops/nearest_name.h"
#include "broker/ops/print_config.h"
#include "broker/ops/setting_table.h"

namespace estiba {
namespace {

// One setting's text and where it came from.
struct Given {
  std::string text;
  std::string origin;
};

// In a pod beside a Service named "estiba", Kubernetes itself sets ESTIBA_PORT=tcp://10.0.0.1:8085.
// That is the Service's address, not a setting.
bool IsServiceLink(absl::string_view text) {
  return absl::StartsWith(text, "tcp://") || absl::StartsWith(text, "udp://") ||
         absl::StartsWith(text, "sctp://");
}

// Decides where each setting comes from and notes what was odd on the way.
class Loader {
 public:
  Loader(const Flags& flags, const Environment& environment)
      : flags_(flags), environment_(environment) {}

  absl::StatusOr<LoadedConfig> Load(const Machine& machine) {
    NoteMistypedVariables();
    std::optional<ConfigFile> file;
    if (const Given path = Find("config", nullptr); !path.text.empty()) {
      absl::StatusOr<ConfigFile> read = ConfigFile::Read(path.text, path.origin);
      if (!read.ok()) return read.status();
      file = *std::move(read);
    }
    for (const Setting& setting : SettingTable()) {
      const Given given = Find(setting.name, file ? &*file : nullptr);
      const absl::Status status = SetByRule(setting.rule, given.text, machine, &loaded_.config);
      if (!status.ok()) {
        return SettingError(setting.name, given.origin, given.text, status.message());
      }
      origins_[std::string(setting.name)] = given.origin;
      NoteWorkedOut(setting, given);
    }
    if (file) {
      const absl::Status status = file->DeclareTopics(&loaded_.config);
      if (!status.ok()) return status;
    }
    loaded_.config.memory_limit_bytes = machine.memory.bytes;
    NoteLargeBudget(machine);
    if (flags_.print_config) {
      loaded_.action = LoadedConfig::Action::kPrint;
      loaded_.text = PrintConfig(loaded_.config, origins_);
    }
    return std::move(loaded_);
  }

 private:
  Given Find(absl::string_view name, const ConfigFile* file) {
    if (const auto flag = flags_.values.find(std::string(name)); flag != flags_.values.end()) {
      return {flag->second, absl::StrCat("flag --", name)};
    }
    const std::string variable = EnvironmentName(name);
    const auto entry = environment_.find(variable);
    if (entry != environment_.end() && !entry->second.empty()) {
      if (name != "port" || !IsServiceLink(entry->second)) {
        return {entry->second, absl::StrCat("environment variable ", variable)};
      }
      loaded_.notices.push_back(absl::StrCat("ignored ", variable, "=", entry->second,
                                             ": the address of a Kubernetes Service, not a port"));
    }
    if (file != nullptr) {
      const auto value = file->values().find(std::string(name));
      if (value != file->values().end()) return {value->second.text, value->second.origin};
    }
    return {std::string(FindSetting(name)->default_text), "default"};
  }

  // Variables that begin with ESTIBA_ need not be ours, so an unknown one is no error; one that is
  // almost the name of a setting is worth a warning.
  void NoteMistypedVariables() {
    std::vector<std::string> variables;
    for (absl::string_view name : SettingNames()) variables.push_back(EnvironmentName(name));
    const std::vector<absl::string_view> known(variables.begin(), variables.end());
    for (auto entry = environment_.lower_bound("ESTIBA_");
         entry != environment_.end() && absl::StartsWith(entry->first, "ESTIBA_"); ++entry) {
      const absl::string_view nearest = NearestName(entry->first, known);
      const size_t distance = EditDistance(entry->first, nearest);
      if (distance == 0 || distance > 2) continue;
      loaded_.notices.push_back(absl::StrCat("environment variable ", entry->first,
                                             " is no setting; the nearest is ", nearest));
    }
  }

  // Says in the origin what was asked for where the value in force reads differently.
  void NoteWorkedOut(const Setting& setting, const Given& given) {
    if (!std::holds_alternative<CustomRule>(setting.rule) || given.text.empty()) return;
    if (given.text == GetByRule(setting.rule, loaded_.config)) return;
    absl::StrAppend(&origins_[std::string(setting.name)], ": ", given.text);
  }

  void NoteLargeBudget(const Machine& machine) {
    const uint64_t budget = loaded_.config.memory_budget_bytes;
    if (budget <= machine.memory.bytes) return;
    loaded_.notices.push_back(absl::StrCat("memory-budget ", FormatByteSize(budget),
                                           " is more than the ", machine.memory.origin, ", ",
                                           FormatByteSize(machine.memory.bytes)));
  }

  const Flags& flags_;
  const Environment& environment_;
  LoadedConfig loaded_;
  std::map<std::string, std::string> origins_;
};

}  // namespace

std::string Config::ListenTarget() const {
  const bool ipv6 = absl::StrContains(listen_address, ':');
  return ipv6 ? absl::StrCat("[", listen_address, "]:", port)
              : absl::StrCat(listen_address, ":", port);
}

absl::StatusOr<LoadedConfig> LoadConfig(const std::vector<std::string>& args,
                                        const Environment& environment, const Machine& machine) {
  const absl::StatusOr<Flags> flags = ParseFlags(args);
  if (!flags.ok()) return flags.status();
  if (flags->help || flags->version) {
    LoadedConfig loaded;
    loaded.action = LoadedConfig::Action::kPrint;
    loaded.text = flags->help ? HelpText() : absl::StrCat("estibad ", Version(), "\n");
    return loaded;
  }
  return Loader(*flags, environment).Load(machine);
}

std::string Version() { return ESTIBA_VERSION; }

}  // namespace estiba
