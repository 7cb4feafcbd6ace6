// A line on the terminal that tells how far a long job is.
#ifndef CLIENT_CLI_PROGRESS_H_
#define CLIENT_CLI_PROGRESS_H_

#include <cstdint>

#include "absl/time/time.h"

namespace estiba::cli {

// Says nothing in the first two seconds, then twice a second. One thread.
class Progress {
 public:
  // Not `enabled`: never says anything.
  explicit Progress(bool enabled);
  // Wipes the line.
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Totals so far. Cheap enough for every block, not for every message.
  void Update(uint64_t messages, uint64_t bytes);
  // Before something else is written to standard error.
  void Clear();
  absl::Duration elapsed() const;

 private:
  const bool enabled_;
  const absl::Time start_;
  absl::Time next_;
  bool shown_ = false;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_PROGRESS_H_
