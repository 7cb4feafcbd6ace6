#include "broker/ops/config_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/ops/declared_topics.h"
#include "broker/ops/setting_table.h"
#include "broker/ops/yaml_reader.h"

namespace estiba {
namespace {

constexpr size_t kLargestFile = size_t{16} << 20;
constexpr absl::string_view kTopics = "topics";

absl::StatusOr<std::string> ReadWhole(const std::string& path, absl::string_view origin) {
  const auto wrong = [&](absl::string_view rule) {
    return SettingError("config", origin, path, rule);
  };
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return wrong(absl::StrCat("must be a readable file: ", std::strerror(errno)));
  std::string content;
  char buffer[16384];
  while (in.read(buffer, sizeof(buffer)) || in.gcount() > 0) {
    content.append(buffer, static_cast<size_t>(in.gcount()));
    if (content.size() > kLargestFile) return wrong("must be a file of at most 16MiB");
  }
  if (in.bad()) return wrong(absl::StrCat("must be a readable file: ", std::strerror(errno)));
  return content;
}

absl::Status FromYaml(const std::string& path, const YAML::Exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat(YamlOrigin(path, error.mark), ": not valid YAML: ", error.msg));
}

}  // namespace

struct ConfigFile::Document {
  YamlMap top;
};

ConfigFile::ConfigFile(std::string path) : path_(std::move(path)) {}
ConfigFile::ConfigFile(ConfigFile&&) noexcept = default;
ConfigFile& ConfigFile::operator=(ConfigFile&&) noexcept = default;
ConfigFile::~ConfigFile() = default;

absl::StatusOr<ConfigFile> ConfigFile::Read(const std::string& path, absl::string_view origin) {
  const absl::StatusOr<std::string> content = ReadWhole(path, origin);
  if (!content.ok()) return content.status();
  ConfigFile file(path);
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(*content);
    if (documents.size() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": must hold one YAML document"));
    }
    YAML::Node root = documents.empty() ? YAML::Node() : documents.front();
    if (root.IsNull()) root = YAML::Node(YAML::NodeType::Map);  // an empty file sets nothing
    std::vector<absl::string_view> known;
    for (absl::string_view name : SettingNames()) {
      if (name != "config") known.push_back(name);
    }
    known.push_back(kTopics);
    absl::StatusOr<YamlMap> top = YamlMap::Read(path, "", root, known);
    if (!top.ok()) return top.status();
    file.document_ = std::make_unique<Document>(Document{*std::move(top)});
    const absl::Status status = file.ReadTopLevel();
    if (!status.ok()) return status;
  } catch (const YAML::Exception& error) {
    return FromYaml(path, error);
  }
  return file;
}

absl::Status ConfigFile::ReadTopLevel() {
  const YamlMap& top = document_->top;
  for (const auto& [key, node] : top.entries()) {
    if (key == kTopics) continue;
    const absl::StatusOr<std::optional<std::string>> text = top.Text(key);
    if (!text.ok()) return text.status();
    values_[key] = Value{text->value_or(""), top.OriginOf(key)};
  }
  return absl::OkStatus();
}

absl::Status ConfigFile::DeclareTopics(Config* config) const {
  try {
    return ReadDeclaredTopics(path_, document_->top, config);
  } catch (const YAML::Exception& error) {
    return FromYaml(path_, error);
  }
}

}  // namespace estiba
