// estiba request and estiba reply against a real broker.
#include <signal.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/shell.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

using nlohmann::json;

// A responder that is there when the constructor returns.
struct Replier {
  Replier(const Shell& shell, const std::string& topic, std::vector<std::string> words)
      : process(shell.Command([&] {
          words.insert(words.begin(), {"reply", topic});
          return words;
        }())) {
    REQUIRE(Eventually([&] {
      const Finished got = shell.Estiba({"subscription", "get", topic, "--json"});
      return got.status.code == 0 &&
             json::parse(got.stdout_text)["stats"]["consumers"].get<int>() > 0;
    }));
  }
  Process process;
};

TEST_CASE("a request through a shell command comes back, byte for byte") {
  const Shell shell;
  Replier replier(shell, "upper", {"--exec", "tr a-z A-Z"});
  const Finished asked = shell.Estiba({"request", "upper", "hello"});
  CHECK(asked.status.code == 0);
  CHECK(asked.stdout_text == "HELLO\n");
  const std::string bytes("a\0b\n\xff", 5);
  CHECK(shell.Estiba({"request", "upper", "--raw"}, bytes).stdout_text ==
        std::string("A\0B\n\xff", 5));
  // Larger than a pipe holds, in both directions.
  const std::string large(1'000'000, 'x');
  CHECK((shell.Estiba({"request", "upper", "--raw"}, large).stdout_text ==
         std::string(1'000'000, 'X')));
}

TEST_CASE("the command sees topic, key and attributes, and its failure is the caller's") {
  const Shell shell;
  Replier replier(shell, "env",
                  {"--exec",
                   "echo $ESTIBA_TOPIC $ESTIBA_KEY $ESTIBA_ATTRIBUTE_kind; "
                   "exit ${ESTIBA_ATTRIBUTE_code:-0}"});
  CHECK(shell.Estiba({"request", "env", "", "-k", "anna", "-a", "kind=new"}).stdout_text ==
        "env anna new\n");
  const Finished failed = shell.Estiba({"request", "env", "", "-a", "code=3"});
  CHECK(failed.status.code == 1);
  CHECK(failed.stdout_text.empty());
  CHECK_THAT(failed.stderr_text,
             HasText("the responder answered: UNKNOWN: the command ended with 3"));
}

TEST_CASE("echo and text reply by themselves, and --count ends") {
  const Shell shell;
  Replier echo(shell, "ping", {"--echo", "--count", "2", "--json"});
  const json reply = shell.Json({"request", "ping", "x", "-a", "a=b"});
  CHECK(reply["topic"] == "ping");
  CHECK(reply["data"] == "x");
  CHECK(reply["attributes"]["a"] == "b");
  CHECK(reply["seconds"].get<double>() > 0);
  CHECK(shell.Estiba({"request", "ping", "--", "-5"}).stdout_text == "-5\n");
  CHECK(echo.process.Wait()->code == 0);
  CHECK_THAT(echo.process.stdout_text(), HasText("\"data\":\"-5\""));
  Replier text(shell, "answer", {"--text", "42"});
  CHECK(shell.Estiba({"request", "answer", "?"}).stdout_text == "42\n");
}

TEST_CASE("nobody to reply, and nobody in time, end with 4 and say so") {
  const Shell shell;
  const Finished nobody = shell.Estiba({"request", "nowhere", "x"});
  CHECK(nobody.status.code == 4);
  CHECK_THAT(nobody.stderr_text, HasText("no responders"));
  CHECK_THAT(nobody.stderr_text, HasText("estiba reply"));
  Replier slow(shell, "slow", {"--exec", "sleep 5"});
  const Finished late = shell.Estiba({"request", "slow", "x", "--timeout", "200ms"});
  CHECK(late.status.code == 4);
  CHECK_THAT(late.stderr_text, HasText("nobody replied in time"));
}

TEST_CASE("a responder ends in order with SIGINT") {
  const Shell shell;
  Replier replier(shell, "ping", {"--echo"});
  replier.process.Signal(SIGINT);
  CHECK(replier.process.Wait()->code == 0);
}

}  // namespace
}  // namespace estiba::testing
