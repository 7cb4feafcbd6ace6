#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/locale/utf.hpp>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/output.h"

namespace estiba::cli {
namespace {

absl::string_view Code(Style style) {
  switch (style) {
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
    case Style::kBlue:
      return "\x1b[34m";
    case Style::kCyan:
      return "\x1b[36m";
    case Style::kPlain:
      break;
  }
  return "";
}

void AppendEscaped(std::string& out, unsigned char byte) {
  switch (byte) {
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      absl::StrAppendFormat(&out, "\\x%02x", byte);
  }
}

// C0, DEL and the C1 range, which some terminals obey as well.
bool IsControl(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

}  // namespace

bool IsTerminal(int fd) { return isatty(fd) == 1; }

bool UsesColor(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || absl::string_view(term) != "dumb");
}

TerminalSize SizeOf(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

std::string Styled(absl::string_view text, Style style, bool color) {
  if (!color || style == Style::kPlain) return std::string(text);
  return absl::StrCat(Code(style), text, "\x1b[0m");
}

std::string Printable(absl::string_view bytes) {
  using Utf8 = boost::locale::utf::utf_traits<char>;
  std::string out;
  out.reserve(bytes.size());
  for (const char* at = bytes.begin(); at != bytes.end();) {
    const char* const begin = at;
    const uint32_t code_point = Utf8::decode(at, bytes.end());
    if (!boost::locale::utf::is_valid_codepoint(code_point)) {
      at = begin + 1;
      AppendEscaped(out, static_cast<unsigned char>(*begin));
    } else if (IsControl(code_point)) {
      for (const char* byte = begin; byte != at; ++byte) {
        AppendEscaped(out, static_cast<unsigned char>(*byte));
      }
    } else {
      out.append(begin, at);
    }
  }
  return out;
}

FullScreen::FullScreen(int fd) : fd_(fd) {
  if (tcgetattr(STDIN_FILENO, &saved_) == 0) {
    termios keys = saved_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    restore_ = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
  }
  WriteFully(fd_, "\x1b[?1049h\x1b[?25l\x1b[2J").IgnoreError();
}

FullScreen::~FullScreen() {
  WriteFully(fd_, "\x1b[?25h\x1b[?1049l").IgnoreError();
  if (restore_) tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
}

void FullScreen::Draw(absl::string_view lines) {
  const int rows = SizeOf(fd_).rows;
  std::string screen = "\x1b[H";
  for (int row = 0; row < rows && !lines.empty(); ++row) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    // Erase what the line before this one leaves; no newline after the last row, it would scroll.
    absl::StrAppend(&screen, row == 0 ? "" : "\r\n", lines.substr(0, end), "\x1b[K");
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  screen += "\x1b[J";
  WriteFully(fd_, screen).IgnoreError();
}

}  // namespace estiba::cli
