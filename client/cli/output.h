// Writing to standard output: in big blocks, and calm about a reader that has gone.
#ifndef CLIENT_CLI_OUTPUT_H_
#define CLIENT_CLI_OUTPUT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace estiba::cli {

// Writes everything, however many calls it takes. CANCELLED: nobody reads any more (EPIPE, which
// needs SIGPIPE to be ignored); otherwise what errno says. Any thread.
absl::Status WriteFully(int fd, absl::string_view text);

// The other end of the pipe `fd` is closed. False for anything but a pipe. Any thread.
bool ReaderGone(int fd);

// JSON in one line. Strings that are not UTF-8 get replacement characters.
std::string ToText(const nlohmann::ordered_json& value);

// Prints the command's result: one JSON document in a line, or text as it is. Returns the exit
// code: 0 also when the reader has gone.
int PrintJson(const nlohmann::ordered_json& value);
int PrintText(absl::string_view text);

// Collects output. Not thread-safe; owned by the command that writes. After a failed Flush the
// object is only good for destruction. Nothing is flushed by the destructor.
class OutputBuffer {
 public:
  explicit OutputBuffer(int fd) : fd_(fd) {}

  std::string& text() { return text_; }
  // Worth writing out although more is coming.
  bool full() const { return text_.size() >= kBlockBytes; }
  // As WriteFully.
  absl::Status Flush();

 private:
  static constexpr size_t kBlockBytes = size_t{256} << 10;

  int fd_;
  std::string text_;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_OUTPUT_H_
