// Reading a YAML document strictly: errors name the file, the line and the key. Used by the sources
// of this folder that read YAML; the only header here that shows yaml-cpp.
//
// yaml-cpp reports by exception: callers catch YAML::Exception at their own edge.
#ifndef BROKER_OPS_YAML_READER_H_
#define BROKER_OPS_YAML_READER_H_

#include <yaml-cpp/yaml.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace estiba {

// "/etc/estiba.yaml line 3".
std::string YamlOrigin(absl::string_view path, const YAML::Mark& mark);

// One mapping of the document whose keys have been checked.
class YamlMap {
 public:
  // `what` names the mapping in errors: "the file", "topics[2]". INVALID_ARGUMENT: not a mapping, a
  // key that is not in `known`, or a key twice.
  static absl::StatusOr<YamlMap> Read(absl::string_view path, std::string what,
                                      const YAML::Node& node,
                                      std::span<const absl::string_view> known);

  struct Entry {
    YAML::Node value;
    // Where the key stands; a missing value has no place of its own.
    std::string origin;
  };

  // What is there, by key.
  const std::map<std::string, Entry>& entries() const { return entries_; }

  // "topics[2].budget"; the bare key in the file's top level.
  std::string PathTo(absl::string_view key) const;
  std::string OriginOf(absl::string_view key) const;

  // The text of a plain value. No value if the key is missing; INVALID_ARGUMENT if it has none or
  // holds a list or a mapping.
  absl::StatusOr<std::optional<std::string>> Text(absl::string_view key) const;

  // The elements of a list; none if the key is missing or has no value.
  absl::StatusOr<std::vector<YAML::Node>> List(absl::string_view key) const;

 private:
  std::string path_;
  std::string what_;
  std::map<std::string, Entry> entries_;
  std::string origin_;
};

}  // namespace estiba

#endif  // BROKER_OPS_YAML_READER_H_
