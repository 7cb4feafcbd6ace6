#include "client/cli/terminal.h"

#include <unistd.h>

#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

TEST_CASE("what could steer a terminal is shown as text") {
  CHECK(Printable("plain h\xc3\xa9") == "plain h\xc3\xa9");
  CHECK(Printable("a\nb\tc\r") == "a\\nb\\tc\\r");
  CHECK(Printable("\x1b[31m") == "\\x1b[31m");
  CHECK(Printable("\x7f") == "\\x7f");
  CHECK(Printable("\xc2\x9b") == "\\xc2\\x9b");
  CHECK(Printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(Printable({"\0", 1}) == "\\x00");
}

TEST_CASE("styles need colour") {
  CHECK(Styled("x", Style::kRed, false) == "x");
  CHECK(Styled("x", Style::kPlain, true) == "x");
  CHECK(Styled("x", Style::kRed, true) == "\x1b[31mx\x1b[0m");
}

TEST_CASE("a pipe is no terminal and has the size of a usual one") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK_FALSE(IsTerminal(ends[1]));
  CHECK_FALSE(UsesColor(ends[1]));
  CHECK(SizeOf(ends[1]).columns == 80);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace estiba::cli
