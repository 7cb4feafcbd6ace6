// The one list of estibad's settings. Flags, environment variables, keys of the configuration file,
// --help and --print-config are all made from it; a new setting is one entry in setting_table.cc and
// one field in config.h.
//
// Thread-safe: the table is constant.
#ifndef BROKER_OPS_SETTING_TABLE_H_
#define BROKER_OPS_SETTING_TABLE_H_

#include <span>
#include <string>
#include <string_view>

#include "broker/ops/setting_rule.h"

namespace estiba {

struct Setting {
  // A heading of --help; entries of one group stand together.
  std::string_view group;
  // lower-case-with-hyphens: the flag without "--", and the key in the file.
  std::string_view name;
  // As it would be written in the file. Empty: not set.
  std::string_view default_text;
  SettingRule rule;
  std::string_view help;
};

std::span<const Setting> SettingTable();

// nullptr: no such setting.
const Setting* FindSetting(std::string_view name);

// "memory-budget" -> "ESTIBA_MEMORY_BUDGET".
std::string EnvironmentName(std::string_view name);

// The names in the table, in its order.
std::span<const std::string_view> SettingNames();

// INVALID_ARGUMENT with the message that every wrong value gets; `origin` reads "flag --port",
// "/etc/estiba.yaml line 3", and the like.
absl::Status SettingError(std::string_view setting, std::string_view origin, std::string_view value,
                          std::string_view rule);

}  // namespace estiba

#endif  // BROKER_OPS_SETTING_TABLE_H_
