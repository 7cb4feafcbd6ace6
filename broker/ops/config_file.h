// The YAML file that --config names.
//
//   memory-budget: 1GiB            # any setting, by its name
//   full-policy: block
//   topics:                        # exist before the broker says ready
//     - name: orders               # required; the rest is filled in from the settings
//       full-policy: reject
//       budget: 64MiB
//       retention-age: 24h
//       retention-bytes: 0
//       subscriptions:
//         - name: billing          # required
//           ack-deadline: 30s
//           from: earliest         # or latest
//
// A key that is not known, a key given twice and a value of the wrong form are INVALID_ARGUMENT,
// naming the file, the line, and for an unknown key the nearest known one.
#ifndef BROKER_OPS_CONFIG_FILE_H_
#define BROKER_OPS_CONFIG_FILE_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "broker/ops/config.h"

namespace estiba {

// A file that has been read and whose top-level keys have been checked. Used by one thread.
class ConfigFile {
 public:
  struct Value {
    std::string text;
    // "/etc/estiba.yaml line 3".
    std::string origin;
  };

  // `origin` says where the name of the file came from. The file may have up to 16 MiB.
  static absl::StatusOr<ConfigFile> Read(const std::string& path, absl::string_view origin);

  ConfigFile(ConfigFile&&) noexcept;
  ConfigFile& operator=(ConfigFile&&) noexcept;
  ~ConfigFile();

  // The settings that the file has, by name. Their values have not been checked yet.
  const std::map<std::string, Value>& values() const { return values_; }

  // Checks the declared topics and adds them to config->topics. The settings in *config must be
  // final: they fill in what a declaration leaves out, and limit how many there may be.
  absl::Status DeclareTopics(Config* config) const;

 private:
  struct Document;
  explicit ConfigFile(std::string path);

  absl::Status ReadTopLevel();

  std::string path_;
  std::unique_ptr<Document> document_;
  std::map<std::string, Value> values_;
};

}  // namespace estiba

#endif  // BROKER_OPS_CONFIG_FILE_H_
