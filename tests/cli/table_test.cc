#include "client/cli/table.h"

#include "client/cli/describe.h"
#include "tests/support/catch.h"

namespace estiba::cli {
namespace {

TEST_CASE("a table without rows is its titles") {
  CHECK(Table({{"NAME"}, {"SIZE", Align::kRight}}).Render(false) == "NAME  SIZE\n");
}

TEST_CASE("columns are as wide as what is in them, numbers to the right, no spaces at the end") {
  Table table({{"NAME"}, {"N", Align::kRight}, {"NOTE"}});
  table.AddRow({"a", "1", "x"});
  table.AddRow({"longer", "1,000", ""});
  CHECK(table.Render(false) ==
        "NAME        N  NOTE\n"
        "a           1  x\n"
        "longer  1,000\n");
}

TEST_CASE("letters beyond ASCII take one place each") {
  CHECK(DisplayWidth("h\xc3\xa9") == 2);
  Table table({{"A"}, {"B"}});
  table.AddRow({"h\xc3\xa9", "1"});
  table.AddRow({"abc", "2"});
  CHECK(table.Render(false) == "A    B\nh\xc3\xa9   1\nabc  2\n");
}

TEST_CASE("colours change no widths") {
  Table table({{"A"}, {"B"}});
  table.AddRow({Cell("x", Style::kRed), "1"});
  CHECK(table.Render(true) == "\x1b[1mA\x1b[0m  \x1b[1mB\x1b[0m\n\x1b[31mx\x1b[0m  1\n");
}

TEST_CASE("fields line up") {
  CHECK(RenderFields({{"a", "1"}, {"long", "2"}}, false) == "a     1\nlong  2\n");
}

TEST_CASE("a bar shows a share, also of nothing and beyond all") {
  CHECK(Bar(0, 100, 4) == "[....] 0 %");
  CHECK(Bar(50, 100, 4) == "[##..] 50 %");
  CHECK(Bar(100, 100, 4) == "[####] 100 %");
  CHECK(Bar(200, 100, 4) == "[####] 200 %");
  CHECK(Bar(5, 0, 4) == "[....] 0 %");
}

}  // namespace
}  // namespace estiba::cli
