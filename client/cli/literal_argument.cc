#include "client/cli/literal_argument.h"

#include "absl/strings/string_view.h"

namespace estiba::cli {
namespace {

constexpr char kMark = '\x1f';

bool Misread(absl::string_view argument) {
  if (argument.empty()) return false;
  return argument.front() == kMark || (argument.front() == '[' && argument.back() == ']') ||
         argument == "{}" || argument == "%%";
}

}  // namespace

std::vector<std::string> MarkLiterals(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string& argument = arguments.emplace_back(argv[i]);
    if (Misread(argument)) argument.insert(argument.begin(), kMark);
  }
  return arguments;
}

void Unmark(std::string& argument) {
  if (!argument.empty() && argument.front() == kMark) argument.erase(0, 1);
}

void Unmark(std::vector<std::string>& arguments) {
  for (std::string& argument : arguments) Unmark(argument);
}

}  // namespace estiba::cli
