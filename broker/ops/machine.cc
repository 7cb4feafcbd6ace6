#include "broker/ops/machine.h"

#include <unistd.h>

#include <string_view>
#include <system_error>

namespace estiba {

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

Machine Machine::Here(const Environment& environment, const std::filesystem::path& root) {
  std::error_code ignored;
  Machine machine;
  machine.memory = FindMemoryLimit(root);
  machine.in_container = std::filesystem::exists(root / ".dockerenv", ignored) ||
                         std::filesystem::exists(root / "run/.containerenv", ignored) ||
                         environment.contains("container") ||
                         environment.contains("KUBERNETES_SERVICE_HOST");
  machine.stderr_is_terminal = isatty(STDERR_FILENO) == 1;
  return machine;
}

}  // namespace estiba
