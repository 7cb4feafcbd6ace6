#include "client/cli/line_splitter.h"

#include <string.h>

namespace estiba::cli {

LineSplitter::LineSplitter(char separator, size_t block_bytes)
    : separator_(separator), block_bytes_(block_bytes) {}

LineSplitter::Space LineSplitter::Room() {
  records_.clear();
  if (begin_ > 0) {
    memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // A record longer than a block doubles the buffer, so that it is not moved once for every block.
  if (buffer_.size() - end_ < block_bytes_) {
    buffer_.resize(end_ + (end_ > block_bytes_ ? end_ : block_bytes_));
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

const std::vector<std::string_view>& LineSplitter::Take(size_t got) {
  records_.clear();
  end_ += got;
  const char* const data = buffer_.data();
  size_t from = begin_ + scanned_;
  while (from < end_) {
    const void* const found = memchr(data + from, separator_, end_ - from);
    if (found == nullptr) break;
    const size_t at = static_cast<size_t>(static_cast<const char*>(found) - data);
    records_.emplace_back(data + begin_, at - begin_);
    from = begin_ = at + 1;
  }
  scanned_ = end_ - begin_;
  return records_;
}

const std::vector<std::string_view>& LineSplitter::Finish() {
  records_.clear();
  if (end_ > begin_) records_.emplace_back(buffer_.data() + begin_, end_ - begin_);
  begin_ = end_ = scanned_ = 0;
  return records_;
}

}  // namespace estiba::cli
