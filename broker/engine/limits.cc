#include "broker/engine/limits.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace estiba {

absl::Status CheckName(absl::string_view field, absl::string_view name) {
  const auto invalid = [&](absl::string_view rule) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": \"", absl::CEscape(name.substr(0, 64)), "\": ", rule));
  };
  if (name.empty()) return invalid("a name is required");
  if (name.size() > kMaxNameBytes) return invalid("a name has at most 255 characters");
  if (!absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) {
    return invalid("a name starts with a letter or a digit");
  }
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("-_.~+%/", c)) {
      return invalid("a name has only letters, digits and - _ . ~ + % /");
    }
  }
  return absl::OkStatus();
}

}  // namespace estiba
