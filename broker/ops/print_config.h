// What --print-config writes.
#ifndef BROKER_OPS_PRINT_CONFIG_H_
#define BROKER_OPS_PRINT_CONFIG_H_

#include <map>
#include <string>

#include "broker/ops/config.h"

namespace estiba {

// The settings in force as YAML, each with its origin (by name, in `origins`) as a comment, and the
// declared topics. Given back as a configuration file it leads to the same Config.
std::string PrintConfig(const Config& config, const std::map<std::string, std::string>& origins);

}  // namespace estiba

#endif  // BROKER_OPS_PRINT_CONFIG_H_
