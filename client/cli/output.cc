#include "client/cli/output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"

namespace estiba::cli {

absl::Status WriteFully(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      return absl::CancelledError("nobody reads the output any more");
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "cannot write");
    }
  }
  return absl::OkStatus();
}

bool ReaderGone(int fd) {
  pollfd ask = {fd, 0, 0};
  return poll(&ask, 1, 0) == 1 && (ask.revents & POLLERR) != 0;
}

std::string ToText(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

int PrintJson(const nlohmann::ordered_json& value) {
  return PrintText(absl::StrCat(ToText(value), "\n"));
}

int PrintText(absl::string_view text) {
  const absl::Status written = WriteFully(STDOUT_FILENO, text);
  if (written.ok() || absl::IsCancelled(written)) return kExitOk;
  Warn(absl::StrCat("standard output: ", written.message()));
  return kExitFailure;
}

absl::Status OutputBuffer::Flush() {
  absl::Status written = WriteFully(fd_, text_);
  text_.clear();
  return written;
}

}  // namespace estiba::cli
