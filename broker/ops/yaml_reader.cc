#include "broker/ops/yaml_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "broker/ops/nearest_name.h"
#include "broker/ops/setting_table.h"

namespace estiba {
namespace {

absl::Status Wrong(absl::string_view origin, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(origin, ": ", what));
}

}  // namespace

std::string YamlOrigin(absl::string_view path, const YAML::Mark& mark) {
  if (mark.is_null()) return std::string(path);
  return absl::StrCat(path, " line ", mark.line + 1);
}

absl::StatusOr<YamlMap> YamlMap::Read(absl::string_view path, std::string what,
                                      const YAML::Node& node,
                                      std::span<const absl::string_view> known) {
  YamlMap map;
  map.path_ = std::string(path);
  map.what_ = std::move(what);
  map.origin_ = YamlOrigin(path, node.Mark());
  const std::string name = map.what_.empty() ? "the file" : map.what_;
  if (!node.IsMap()) return Wrong(map.origin_, absl::StrCat(name, " must be keys with values"));
  for (const auto& entry : node) {
    const std::string origin = YamlOrigin(path, entry.first.Mark());
    if (!entry.first.IsScalar()) return Wrong(origin, "a key must be a name");
    const std::string key = entry.first.Scalar();
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return Wrong(origin, absl::StrCat("unknown key '", absl::CHexEscape(map.PathTo(key)),
                                        "'; the nearest is '", NearestName(key, known), "'"));
    }
    if (!map.entries_.emplace(key, Entry{entry.second, origin}).second) {
      return Wrong(origin, absl::StrCat("key '", map.PathTo(key), "' is there twice"));
    }
  }
  return map;
}

std::string YamlMap::PathTo(absl::string_view key) const {
  return what_.empty() ? std::string(key) : absl::StrCat(what_, ".", key);
}

std::string YamlMap::OriginOf(absl::string_view key) const {
  const auto entry = entries_.find(std::string(key));
  return entry == entries_.end() ? origin_ : entry->second.origin;
}

absl::StatusOr<std::optional<std::string>> YamlMap::Text(absl::string_view key) const {
  const auto entry = entries_.find(std::string(key));
  if (entry == entries_.end()) return std::nullopt;
  if (!entry->second.value.IsScalar()) {
    return Wrong(OriginOf(key), absl::StrCat("key '", PathTo(key), "' must have one plain value"));
  }
  return entry->second.value.Scalar();
}

absl::StatusOr<std::vector<YAML::Node>> YamlMap::List(absl::string_view key) const {
  std::vector<YAML::Node> elements;
  const auto entry = entries_.find(std::string(key));
  if (entry == entries_.end() || entry->second.value.IsNull()) return elements;
  if (!entry->second.value.IsSequence()) {
    return Wrong(OriginOf(key), absl::StrCat("key '", PathTo(key), "' must be a list"));
  }
  for (const YAML::Node& element : entry->second.value) elements.push_back(element);
  return elements;
}

}  // namespace estiba
