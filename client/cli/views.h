// Between the two string views: abseil's functions take absl::string_view, which Debian builds as a
// type of its own; the client library speaks std::string_view.
#ifndef CLIENT_CLI_VIEWS_H_
#define CLIENT_CLI_VIEWS_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace estiba::cli {

inline absl::string_view AsAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view AsStd(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace estiba::cli

#endif  // CLIENT_CLI_VIEWS_H_
