// The `topics` list of the configuration file. See config_file.h for its form.
#ifndef BROKER_OPS_DECLARED_TOPICS_H_
#define BROKER_OPS_DECLARED_TOPICS_H_

#include "absl/status/status.h"
#include "broker/ops/config.h"
#include "broker/ops/yaml_reader.h"

namespace estiba {

// Appends what `file` (the top level of the document at `path`) declares to config->topics, in the
// order of the file. Names follow proto/estiba/v1/message.proto and are unique, those of
// subscriptions in the whole broker; at most max-topics and max-subscriptions.
absl::Status ReadDeclaredTopics(const std::string& path, const YamlMap& file, Config* config);

}  // namespace estiba

#endif  // BROKER_OPS_DECLARED_TOPICS_H_
