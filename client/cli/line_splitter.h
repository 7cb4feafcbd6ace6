// Cuts a stream of bytes into records: lines, or records that end with NUL.
#ifndef CLIENT_CLI_LINE_SPLITTER_H_
#define CLIENT_CLI_LINE_SPLITTER_H_

#include <cstddef>
#include <string_view>
#include <vector>

namespace estiba::cli {

// Feeds on blocks and hands out views of whole records, without the separator. A record is any
// bytes but the separator, also none; what follows the last separator is a record of its own unless
// it is empty. Not thread-safe; owned by its reader.
//
//   while (true) {
//     LineSplitter::Space room = splitter.Room();
//     size_t got = read(fd, room.data, room.size);
//     if (got == 0) break;
//     Use(splitter.Take(got));      // views are valid until Room or Finish
//   }
//   Use(splitter.Finish());
class LineSplitter {
 public:
  explicit LineSplitter(char separator, size_t block_bytes = size_t{1} << 20);

  // Where to put the next bytes: at least one, block_bytes or more where no record is longer.
  struct Space {
    char* data;
    size_t size;
  };
  Space Room();
  // `got` bytes were put there. The whole records among all bytes so far, in order.
  const std::vector<std::string_view>& Take(size_t got);
  // There are no more bytes: the unfinished record, if there is one.
  const std::vector<std::string_view>& Finish();

  // Bytes of the record that is not finished yet.
  size_t pending_bytes() const { return end_ - begin_; }

 private:
  const char separator_;
  const size_t block_bytes_;
  std::vector<char> buffer_;
  // The unfinished record is buffer_[begin_, end_); no separator in its first `scanned_` bytes.
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t scanned_ = 0;
  std::vector<std::string_view> records_;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_LINE_SPLITTER_H_
