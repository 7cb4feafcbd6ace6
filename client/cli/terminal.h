// What standard output is connected to: colours, width, and the full-screen mode of `estiba top`.
#ifndef CLIENT_CLI_TERMINAL_H_
#define CLIENT_CLI_TERMINAL_H_

#include <termios.h>

#include <string>

#include "absl/strings/string_view.h"

namespace estiba::cli {

// A terminal, and neither NO_COLOR (no-color.org) is set nor TERM=dumb. Any thread.
bool UsesColor(int fd);
bool IsTerminal(int fd);

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};
// As the terminal says, or else 80 x 24. Any thread.
TerminalSize SizeOf(int fd);

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow, kBlue, kCyan };
// `text` in this style where `color`, otherwise as it is.
std::string Styled(absl::string_view text, Style style, bool color);

// What a terminal shows safely: control characters and bytes that are not UTF-8 become \n, \t,
// \xNN.
std::string Printable(absl::string_view bytes);

// The terminal taken over: alternate screen, no cursor, keys without Enter and without echo. The
// destructor gives it back as it was. One thread, one object at a time; `fd` must be a terminal.
class FullScreen {
 public:
  explicit FullScreen(int fd);
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  // Replaces the screen's content without flicker; what is too much for it is cut off at the
  // bottom.
  void Draw(absl::string_view lines);

 private:
  int fd_;
  bool restore_ = false;
  termios saved_ = {};
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_TERMINAL_H_
