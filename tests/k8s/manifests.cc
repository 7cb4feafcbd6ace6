#include "tests/k8s/manifests.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace estiba::testing {
namespace {

// "a.'b.c'[0]" is a, b.c, 0.
std::vector<std::string> Steps(const std::string& place) {
  std::vector<std::string> steps(1);
  bool quoted = false;
  for (const char c : place) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (!quoted && (c == '.' || c == '[')) {
      steps.emplace_back();
    } else if (quoted || c != ']') {
      steps.back() += c;
    }
  }
  return steps;
}

YAML::Node Step(const YAML::Node& node, const std::string& step) {
  if (node.IsSequence()) return node[std::strtoul(step.c_str(), nullptr, 10)];
  if (node.IsMap()) return node[step];
  return YAML::Node(YAML::NodeType::Undefined);
}

}  // namespace

std::filesystem::path Repository() { return ESTIBA_REPOSITORY; }

Objects ObjectsOf(const std::string& yaml) {
  Objects objects;
  for (const YAML::Node& object : YAML::LoadAll(yaml)) {
    if (!object.IsNull()) objects.push_back(object);
  }
  return objects;
}

Objects ObjectsIn(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Objects objects;
  for (const auto& file : files) {
    for (const YAML::Node& object : YAML::LoadAllFromFile(file)) objects.push_back(object);
  }
  return objects;
}

Objects BaseObjects() { return ObjectsIn(Repository() / "k8s"); }

Objects AllObjects() {
  Objects objects = BaseObjects();
  for (const char* variant : {"nodeport", "loadbalancer"}) {
    for (const YAML::Node& object : ObjectsIn(Repository() / "k8s" / variant)) {
      objects.push_back(object);
    }
  }
  return objects;
}

YAML::Node At(YAML::Node node, const std::string& place) {
  for (const std::string& step : Steps(place)) {
    const YAML::Node next = Step(node, step);
    if (!next.IsDefined()) return YAML::Node(YAML::NodeType::Undefined);
    node.reset(next);
  }
  return node;
}

std::string TextAt(const YAML::Node& node, const std::string& place) {
  const YAML::Node found = At(node, place);
  return found.IsDefined() && found.IsScalar() ? found.Scalar() : "";
}

void Set(YAML::Node node, const std::string& place, const std::string& yaml) {
  std::vector<std::string> steps = Steps(place);
  const std::string last = steps.back();
  steps.pop_back();
  for (const std::string& step : steps) {
    const YAML::Node next = Step(node, step);
    if (!next.IsDefined()) throw std::runtime_error(absl::StrCat("no ", step, " in ", place));
    node.reset(next);
  }
  if (yaml.empty()) {
    node.IsSequence() ? node.remove(std::strtoul(last.c_str(), nullptr, 10)) : node.remove(last);
  } else if (node.IsSequence()) {
    node[std::strtoul(last.c_str(), nullptr, 10)] = YAML::Load(yaml);
  } else {
    node[last] = YAML::Load(yaml);
  }
}

std::string NameOf(const YAML::Node& object) {
  return absl::StrCat(TextAt(object, "kind"), "/", TextAt(object, "metadata.name"));
}

YAML::Node Find(const Objects& objects, const std::string& kind_and_name) {
  for (const YAML::Node& object : objects) {
    if (NameOf(object) == kind_and_name) return object;
  }
  throw std::runtime_error(absl::StrCat("no ", kind_and_name));
}

Objects Copy(const Objects& objects) {
  Objects copy;
  for (const YAML::Node& object : objects) copy.push_back(YAML::Clone(object));
  return copy;
}

std::string Canonical(const YAML::Node& node) {
  if (node.IsSequence()) {
    std::vector<std::string> items;
    for (const YAML::Node& item : node) items.push_back(Canonical(item));
    return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
  }
  if (node.IsMap()) {
    std::map<std::string, std::string> items;
    for (const auto& item : node) items[item.first.Scalar()] = Canonical(item.second);
    return absl::StrCat("{", absl::StrJoin(items, ", ", absl::PairFormatter(": ")), "}");
  }
  return node.IsNull() ? "null" : absl::StrCat("\"", node.Scalar(), "\"");
}

std::vector<std::string> Canonical(const Objects& objects) {
  std::vector<std::string> texts;
  for (const YAML::Node& object : objects) texts.push_back(Canonical(object));
  std::sort(texts.begin(), texts.end());
  return texts;
}

double Bytes(const std::string& quantity) {
  char* unit = nullptr;
  const double number = std::strtod(quantity.c_str(), &unit);
  static const std::map<std::string, double> kUnits = {
      {"", 1}, {"Ki", 1024.0}, {"Mi", 1024.0 * 1024}, {"Gi", 1024.0 * 1024 * 1024}};
  const auto found = kUnits.find(unit);
  if (quantity.empty() || found == kUnits.end()) {
    throw std::runtime_error(absl::StrCat("'", quantity, "' is no amount of memory"));
  }
  return number * found->second;
}

double MilliCpus(const std::string& quantity) {
  char* unit = nullptr;
  const double number = std::strtod(quantity.c_str(), &unit);
  const std::string name = unit;
  if (quantity.empty() || (!name.empty() && name != "m")) {
    throw std::runtime_error(absl::StrCat("'", quantity, "' is no amount of processors"));
  }
  return name.empty() ? number * 1000 : number;
}

}  // namespace estiba::testing
