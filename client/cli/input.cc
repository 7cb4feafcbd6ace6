#include "client/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cli/interrupt.h"
#include "client/cli/line_splitter.h"

namespace estiba::cli {
namespace {

// An open input; standard input stays open.
class File {
 public:
  explicit File(const std::string& path)
      : fd_(path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    error_ = errno;
    struct stat info = {};
    regular_ = fd_ >= 0 && fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
  }
  ~File() {
    if (fd_ > STDIN_FILENO) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  absl::Status opened() const {
    return fd_ >= 0 ? absl::OkStatus() : absl::FailedPreconditionError(strerror(error_));
  }

  // Bytes read, 0 at the end. A pipe that gives nothing is left for a moment now and then, to see
  // whether the user has had enough.
  absl::StatusOr<size_t> Read(LineSplitter::Space room, const Interrupt& interrupt) const {
    while (true) {
      if (interrupt.interrupted()) return absl::CancelledError("interrupted");
      if (!regular_) {
        pollfd readable = {fd_, POLLIN, 0};
        if (poll(&readable, 1, 200) == 0) continue;
      }
      const ssize_t got = read(fd_, room.data, room.size);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return absl::FailedPreconditionError(strerror(errno));
    }
  }

 private:
  int fd_;
  int error_ = 0;
  bool regular_ = false;
};

absl::Status TooLong(uint64_t record) {
  return absl::InvalidArgumentError(absl::StrCat("record ", record, " is larger than ",
                                                 kMaxPayloadBytes,
                                                 " bytes, the most a message may have"));
}

absl::Status CheckSizes(absl::Span<const std::string_view> records, uint64_t first) {
  for (const std::string_view record : records) {
    if (record.size() > kMaxPayloadBytes) return TooLong(first);
    ++first;
  }
  return absl::OkStatus();
}

absl::Status ReadWhole(const File& file, const Interrupt& interrupt, const RecordSink& sink) {
  std::string content;
  std::vector<char> block(size_t{1} << 18);
  while (true) {
    const absl::StatusOr<size_t> got = file.Read({block.data(), block.size()}, interrupt);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    content.append(block.data(), *got);
    if (content.size() > kMaxPayloadBytes) return TooLong(1);
  }
  const std::string_view record = content;
  return sink({&record, 1}, 1);
}

}  // namespace

absl::Status ReadRecords(const std::string& path, const InputFormat& format,
                         const Interrupt& interrupt, const RecordSink& sink) {
  const File file(path);
  if (!file.opened().ok()) return file.opened();
  if (format.whole) return ReadWhole(file, interrupt, sink);

  LineSplitter splitter(format.separator);
  uint64_t first = 1;
  bool more = true;
  while (more) {
    const absl::StatusOr<size_t> got = file.Read(splitter.Room(), interrupt);
    if (!got.ok()) return got.status();
    more = *got > 0;
    const std::vector<std::string_view>& records = more ? splitter.Take(*got) : splitter.Finish();
    absl::Status status = CheckSizes(records, first);
    if (status.ok() && splitter.pending_bytes() > kMaxPayloadBytes) {
      status = TooLong(first + records.size());
    }
    if (status.ok() && !records.empty()) status = sink(records, first);
    if (!status.ok()) return status;
    first += records.size();
  }
  return absl::OkStatus();
}

}  // namespace estiba::cli
