// The one list of estibad's settings. Flags, environment variables, keys of the configuration file,
// --help and --print-config are all made from it; a new setting is one entry in setting_table.cc
// and one field in config.h.
//
// Thread-safe: the table is constant.
#ifndef BROKER_OPS_SETTING_TABLE_H_
#define BROKER_OPS_SETTING_TABLE_H_

#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "broker/ops/setting_rule.h"

namespace estiba {

struct Setting {
  // A heading of --help; entries of one group stand together.
  absl::string_view group;
  // lower-case-with-hyphens: the flag without "--", and the key in the file.
  absl::string_view name;
  // As it would be written in the file. Empty: not set.
  absl::string_view default_text;
  SettingRule rule;
  absl::string_view help;
};

std::span<const Setting> SettingTable();

// nullptr: no such setting.
const Setting* FindSetting(absl::string_view name);

// "memory-budget" -> "ESTIBA_MEMORY_BUDGET".
std::string EnvironmentName(absl::string_view name);

// The names in the table, in its order.
std::span<const absl::string_view> SettingNames();

// INVALID_ARGUMENT with the message that every wrong value gets; `origin` reads "flag --port",
// "/etc/estiba.yaml line 3", and the like.
absl::Status SettingError(absl::string_view setting, absl::string_view origin,
                          absl::string_view value, absl::string_view rule);

}  // namespace estiba

#endif  // BROKER_OPS_SETTING_TABLE_H_
