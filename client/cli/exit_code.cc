#include "client/cli/exit_code.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/context.h"
#include "client/cli/output.h"

namespace estiba::cli {

std::string ExitCodeHelp() {
  return "Exit codes:\n"
         "  0    done\n"
         "  1    failed, or bench found messages lost, doubled or out of order\n"
         "  2    wrong use: an unknown option, or a value outside its limits\n"
         "  3    no such topic, subscription or connection\n"
         "  4    the broker cannot be reached, is shutting down, or did not answer in time; nobody "
         "replied\n"
         "  5    refused for want of room: memory budget, or a limit on topics and the like\n"
         "  6    exists already\n"
         "  130  interrupted before the work was done\n";
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnavailable;
    case absl::StatusCode::kResourceExhausted:
      return kExitRefused;
    case absl::StatusCode::kAlreadyExists:
      return kExitExists;
    default:
      return kExitFailure;
  }
}

std::string HintFor(const absl::Status& status, absl::string_view server) {
  if (absl::StartsWith(status.message(), "no responders")) {
    return "see who is there: `estiba connections`; answer yourself: `estiba reply TOPIC --echo`";
  }
  if (status.message() == "nobody replied in time") return "";
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrCat("is estibad running at ", server,
                          "? Try `estiba health --wait 10s`, or give another --server HOST:PORT");
    case absl::StatusCode::kNotFound:
      return "see what there is: `estiba topic list`, `estiba subscription list`, `estiba "
             "connections`";
    case absl::StatusCode::kResourceExhausted:
      return "see what holds the memory: `estiba stats`; consume it, or give the topic another "
             "--full-policy";
    case absl::StatusCode::kAlreadyExists:
      return "`--if-missing` makes this a success";
    case absl::StatusCode::kUnimplemented:
      return absl::StrCat("is ", server, " an Estiba broker of this version?");
    default:
      return "";
  }
}

namespace {

// gRPC tells of every address and layer; the last of it says why.
absl::string_view Reason(const absl::Status& status) {
  const absl::string_view message = status.message();
  if (!absl::StrContains(message, "failed to connect to all addresses")) return message;
  const size_t colon = message.rfind(": ");
  return colon == absl::string_view::npos ? message : message.substr(colon + 2);
}

}  // namespace

int Fail(const Context& context, absl::string_view doing, const absl::Status& status) {
  const int code = ExitCodeOf(status);
  const std::string hint = HintFor(status, context.server);
  if (context.json) {
    nlohmann::ordered_json error;
    nlohmann::ordered_json& detail = error["error"];
    detail = {{"code", absl::StatusCodeToString(status.code())},
              {"message", absl::StrCat(doing, ": ", Reason(status))},
              {"exit_code", code}};
    if (!hint.empty()) detail["hint"] = hint;
    WriteFully(STDERR_FILENO, ToText(error) + "\n").IgnoreError();
    return code;
  }
  Warn(absl::StrCat(doing, ": ", Reason(status), hint.empty() ? "" : "\n  hint: ", hint));
  return code;
}

int FailUsage(const Context& context, absl::string_view what) {
  if (context.json) return Fail(context, "wrong use", absl::InvalidArgumentError(what));
  Warn(what);
  return kExitUsage;
}

void Warn(absl::string_view text) {
  WriteFully(STDERR_FILENO, absl::StrCat("estiba: ", text, "\n")).IgnoreError();
}

}  // namespace estiba::cli
