#include "client/cli/progress.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/output.h"
#include "client/cli/terminal.h"
#include "client/cli/units.h"

namespace estiba::cli {

Progress::Progress(bool enabled)
    : enabled_(enabled), start_(absl::Now()), next_(start_ + absl::Seconds(2)) {}

absl::Duration Progress::elapsed() const { return absl::Now() - start_; }

void Progress::Update(uint64_t messages, uint64_t bytes) {
  if (!enabled_) return;
  const absl::Time now = absl::Now();
  if (now < next_) return;
  next_ = now + absl::Milliseconds(500);
  const double seconds = absl::ToDoubleSeconds(now - start_);
  const std::string text = absl::StrCat(
      HumanCount(messages), " messages, ", HumanBytes(static_cast<double>(bytes)), ", ",
      ShortNumber(static_cast<double>(messages) / seconds), "/s, ", HumanDuration(now - start_));
  // On a terminal the line is written over itself; a log file gets one line each time.
  const bool terminal = IsTerminal(STDERR_FILENO);
  WriteFully(STDERR_FILENO, terminal ? absl::StrCat("\r", text, "\x1b[K") : text + "\n")
      .IgnoreError();
  shown_ = terminal;
}

void Progress::Clear() {
  if (shown_) WriteFully(STDERR_FILENO, "\r\x1b[K").IgnoreError();
  shown_ = false;
}

}  // namespace estiba::cli
