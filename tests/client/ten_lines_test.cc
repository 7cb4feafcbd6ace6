#include "tests/support/catch.h"
#include "tests/support/daemon.h"
#include "tests/support/process.h"

namespace estiba::testing {
namespace {

TEST_CASE("The ten-line example publishes three messages and reads them back") {
  Daemon daemon;
  const Finished finished = Run({BuiltProgram("estiba_ten_lines"), daemon.address()});
  CAPTURE(finished.stderr_text);
  REQUIRE(finished.status.ok());
  REQUIRE(finished.stdout_text == "1 hello\n2 from\n3 memory\n");
}

}  // namespace
}  // namespace estiba::testing
