// The flags of estibad, made from the table of settings, and its --help.
//
// Thread-safe: free functions without state.
#ifndef BROKER_OPS_COMMAND_LINE_H_
#define BROKER_OPS_COMMAND_LINE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace estiba {

struct Flags {
  bool help = false;
  bool version = false;
  bool print_config = false;
  // The settings given, by name, with their text. Given twice: the last counts.
  std::map<std::string, std::string> values;
};

// `args` without the program's name: --name=value or --name value; a switch also as --name and
// --no-name. INVALID_ARGUMENT: a flag that does not exist (the message names the nearest), a
// missing value, an argument that is no flag.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& args);

std::string HelpText();

}  // namespace estiba

#endif  // BROKER_OPS_COMMAND_LINE_H_
