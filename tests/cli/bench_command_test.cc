// estiba bench against a real broker: short runs of every kind, which must find nothing amiss.
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

TEST_CASE("every kind of run loses, doubles and disorders nothing, and leaves no topic") {
  struct Kind {
    std::vector<std::string> words;
    int published;
    int delivered;
    bool verified;
  };
  const std::vector<Kind> kinds = {
      {{}, 20'000, 20'000, true},
      {{"--size", "8"}, 20'000, 20'000, false},
      {{"--ack", "explicit"}, 20'000, 20'000, true},
      {{"--subscribers", "3"}, 20'000, 60'000, true},
      {{"--subscribers", "3", "--shared", "--ack", "explicit"}, 20'000, 20'000, true},
      {{"--topics", "2", "--publishers", "2", "--subscribers", "2"}, 20'000, 40'000, true},
      {{"--rate", "100k/s"}, 20'000, 20'000, true},
      {{"--batch", "7", "--size", "1KiB"}, 20'000, 20'000, true},
      {{"--batch", "1", "--max-answer-delay", "50ms"}, 20'000, 20'000, true},
  };
  const Shell shell;
  for (Kind kind : kinds) {
    kind.words.insert(kind.words.begin(), {"bench", "--count", "20k", "--warmup", "1k", "--json"});
    const Finished run = shell.Estiba(kind.words);
    INFO(kind.words.back() << "\n" << run.stdout_text << run.stderr_text);
    REQUIRE(run.status.code == 0);
    const json result = json::parse(run.stdout_text);
    CHECK(result["published"]["messages"] == kind.published);
    CHECK(result["delivered"]["messages"] == kind.delivered);
    CHECK(result["verified"] == kind.verified);
    CHECK(result["lost"] == 0);
    CHECK(result["duplicated"] == 0);
    CHECK(result["out_of_order"] == 0);
    CHECK(result["changed"] == 0);
    CHECK(result.contains("latency_us") == kind.verified);
  }
  CHECK(shell.Estiba({"topic", "list"}).stdout_text == "no topics\n");
}

TEST_CASE("one at a time measures each round trip") {
  const Shell shell;
  const Finished run =
      shell.Estiba({"bench", "--one-at-a-time", "--count", "200", "--warmup", "10", "--json"});
  REQUIRE(run.status.code == 0);
  const json latency = json::parse(run.stdout_text)["latency_us"];
  CHECK(latency["p50"].get<double>() > 0);
  CHECK(latency["p50"].get<double>() <= latency["p99"].get<double>());
  CHECK(latency["p99"].get<double>() <= latency["max"].get<double>());
}

TEST_CASE("people get the same in words") {
  const Shell shell;
  const Finished run = shell.Estiba({"bench", "--count", "1000", "--warmup", "0"});
  REQUIRE(run.status.code == 0);
  CHECK_THAT(run.stdout_text, HasText("nothing lost, doubled, out of order or changed"));
}

TEST_CASE("an interrupted run cleans up and says so") {
  const Shell shell;
  Process bench(shell.Command({"bench", "--duration", "1h", "--rate", "100/s"}));
  REQUIRE(Eventually([&] {
    return shell.Estiba({"topic", "list"}).stdout_text.find("bench/") != std::string::npos;
  }));
  bench.Signal(SIGINT);
  CHECK(bench.Wait()->code == 130);
  CHECK(shell.Estiba({"topic", "list"}).stdout_text == "no topics\n");
}

}  // namespace
}  // namespace estiba::testing
