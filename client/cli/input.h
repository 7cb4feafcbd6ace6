// Where the messages of `estiba pub` come from: files and standard input, one record after another.
#ifndef CLIENT_CLI_INPUT_H_
#define CLIENT_CLI_INPUT_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace estiba::cli {

class Interrupt;

struct InputFormat {
  char separator = '\n';
  // One file is one message.
  bool whole = false;
};

// The largest payload that can fit in a message (10 MiB with its few bytes of framing).
inline constexpr size_t kMaxPayloadBytes = (size_t{10} << 20) - 16;

// Consumes records in order; the views live during the call. `first` is the number, from 1, of the
// first of them in its file. A status that is not OK ends the reading and is returned.
using RecordSink =
    std::function<absl::Status(absl::Span<const std::string_view> records, uint64_t first)>;

// Reads `path` ("-": standard input) to its end, in big blocks; what has arrived on a pipe is
// handed on without waiting for more. Blocks; returns CANCELLED soon after an interrupt. NOT_FOUND
// and the like: what the file system said; INVALID_ARGUMENT: a record larger than a message may be.
absl::Status ReadRecords(const std::string& path, const InputFormat& format,
                         const Interrupt& interrupt, const RecordSink& sink);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_INPUT_H_
