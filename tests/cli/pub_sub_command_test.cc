// estiba pub and estiba sub against a real broker.
#include <signal.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/cli/shell.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/seed.h"
#include "tests/support/temp_dir.h"

namespace estiba::testing {
namespace {

using nlohmann::json;

std::string RandomLines(uint64_t seed, int lines) {
  std::mt19937_64 random(seed);
  std::string text;
  for (int i = 0; i < lines; ++i) {
    std::string line(random() % 40, '\0');
    for (char& c : line) c = static_cast<char>(random());
    for (char& c : line) c = c == '\n' ? '\0' : c;
    text += line + "\n";
  }
  return text;
}

TEST_CASE("a file of any bytes comes back as it was") {
  const Shell shell;
  const TempDir dir;
  const std::string content = RandomLines(Seed(), 20'000);
  const Finished pub = shell.Estiba({"pub", "t", "--json", "--file", dir.Write("in", content)});
  REQUIRE(pub.status.code == 0);
  const json summary = json::parse(pub.stdout_text);
  CHECK(summary["messages"] == 20'000);
  CHECK(summary["bytes"] == content.size() - 20'000);
  CHECK(summary["first_sequence"] == 1);
  CHECK(summary["last_sequence"] == 20'000);
  const Finished sub = shell.Estiba({"sub", "t", "--count", "20000", "--raw"});
  CHECK(sub.status.code == 0);
  CHECK((sub.stdout_text == content));
}

TEST_CASE("lines of standard input go the same way, the last without its newline") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t"}, "a\n\n\r\nlast").status.code == 0);
  CHECK(shell.Estiba({"sub", "t", "--count", "4"}).stdout_text == "a\n\n\r\nlast\n");
}

TEST_CASE("with a dedup id, messages are published once") {
  const Shell shell;
  REQUIRE(shell.Estiba({"topic", "create", "t", "--dedup-window", "1m"}).status.code == 0);
  CHECK(shell.Json({"topic", "get", "t"})["config"]["dedup_window"] == 60);
  const json first = shell.Json({"pub", "t", "--dedup-id", "4711", "--key", "k", "a", "b"});
  CHECK(first["duplicate"] == false);
  CHECK(first["last_sequence"] == 2);
  const json again = shell.Json({"pub", "t", "--dedup-id", "4711", "--key", "k", "a", "b"});
  CHECK(again["duplicate"] == true);
  CHECK(again["first_sequence"] == 1);
  CHECK_THAT(shell.Estiba({"pub", "t", "--dedup-id", "4711", "a"}).stderr_text,
             HasText("was published before, sequences 1..2"));
  CHECK(shell.Json({"pub", "t", "--dedup-id", "4711", "--producer", "p", "c"})["first_sequence"] ==
        3);
  CHECK(shell.Lines({"sub", "t", "--count", "3"})[0]["ordering_key"] == "k");
  CHECK(shell.Json({"topic", "get", "t"})["stats"]["duplicate_batches"] == 2);
  CHECK(shell.Estiba({"pub", "t", "--dedup-id", "x"}, "line\n").status.code == 2);
  CHECK(shell.Estiba({"pub", "t", "--producer", "p", "x"}).status.code == 2);
  CHECK_THAT(shell.Estiba({"pub", "t", "--dedup-id", std::string(129, 'x'), "x"}).stderr_text,
             HasText("dedup_id: 129 bytes: at most 128"));
}

TEST_CASE("messages are published later, and outlive their time") {
  const Shell shell;
  REQUIRE(shell.Estiba({"subscription", "create", "s", "t"}).status.code == 3);
  REQUIRE(shell.Estiba({"topic", "create", "t"}).status.code == 0);
  REQUIRE(shell.Estiba({"subscription", "create", "s", "t"}).status.code == 0);
  const Finished pub = shell.Estiba({"pub", "t", "--delay", "300ms", "--ttl", "1h", "later"});
  CHECK(pub.status.code == 0);
  CHECK_THAT(pub.stderr_text, HasText("; scheduled for later: 1"));
  CHECK(shell.Json({"topic", "get", "t"})["stats"]["scheduled_messages"].get<int>() <= 1);
  const json over = shell.Json({"pub", "t", "--at", "2001-01-01T00:00:00Z", "over"});
  CHECK(over["scheduled"] == 1);
  CHECK_FALSE(over.contains("first_sequence"));
  REQUIRE(shell.Estiba({"pub", "t", "--ttl", "1ms", "gone"}).status.code == 0);
  CHECK(shell
            .Estiba({"pub", "t", "--json-lines",
                     R"({"data": "json", "deliver_after_ms": 400, "time_to_live_ms": 60000})"})
            .status.code == 0);
  const std::vector<json> lines = shell.Lines({"sub", "t", "--subscription", "s", "--count", "3"});
  REQUIRE(lines.size() == 3);
  CHECK(lines[0]["data"] == "over");
  CHECK(lines[1]["data"] == "later");
  CHECK(lines[1]["time_to_live_ms"] == 3'600'000);
  CHECK(lines[2]["data"] == "json");
  CHECK(shell.Json({"subscription", "get", "s"})["stats"]["expired_messages"] == 1);
  CHECK(shell.Estiba({"pub", "t", "--delay", "1s", "--at", "2001-01-01T00:00:00Z", "x"})
            .status.code == 2);
  CHECK(shell.Estiba({"pub", "t", "--at", "tomorrow", "x"}).status.code == 2);
  CHECK_THAT(shell.Estiba({"pub", "t", "--ttl", "367d", "x"}).stderr_text,
             HasText("time_to_live_ms"));
}

TEST_CASE("a consumer may begin with the last message, or the last one of each key") {
  const Shell shell;
  REQUIRE(shell.Estiba({"topic", "create", "t"}).status.code == 0);
  REQUIRE(shell.Estiba({"subscription", "create", "keeps-everything", "t"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "t", "--key", "anna", "1", "2"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "t", "--key", "bert", "3"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "t", "4"}).status.code == 0);
  CHECK(shell.Estiba({"sub", "--last", "t", "--until-idle", "300ms"}).stdout_text == "4\n");
  CHECK(shell.Estiba({"sub", "--last=key", "t", "--count", "2"}).stdout_text == "2\n3\n");
  CHECK(shell.Estiba({"subscription", "create", "named", "t", "--last"}).status.code == 0);
  CHECK(shell.Estiba({"sub", "t", "--subscription", "named", "--count", "1"}).stdout_text == "4\n");
  CHECK(shell.Estiba({"subscription", "create", "x", "t", "--last=week"}).status.code == 2);
  CHECK(shell.Estiba({"sub", "t", "--last=week"}).status.code == 2);
  CHECK(shell.Estiba({"sub", "t", "--last", "--from", "latest"}).status.code == 2);
}

TEST_CASE("records may end with NUL, or be whole files") {
  const Shell shell;
  const TempDir dir;
  const std::string records("a\nb\0\0c\0", 7);
  REQUIRE(shell.Estiba({"pub", "nul", "--null"}, records).status.code == 0);
  CHECK(shell.Estiba({"sub", "nul", "--count", "3", "--null"}).stdout_text == records);

  const std::string content = RandomLines(Seed() + 1, 30'000);
  REQUIRE(shell.Estiba({"pub", "whole", "--whole", "--file", dir.Write("x", content)}).status.ok());
  CHECK((shell.Estiba({"sub", "whole", "--count", "1", "--no-newline"}).stdout_text == content));
}

TEST_CASE("arguments are messages, whatever they look like") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t", "one", "[1,2]", "{}", "", "stats", "-5"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "t", "--", "--help", "-x"}).status.code == 0);
  CHECK(shell.Estiba({"sub", "t", "--count", "8"}).stdout_text ==
        "one\n[1,2]\n{}\n\nstats\n-5\n--help\n-x\n");
}

TEST_CASE("JSON lines carry key and attributes, and what was consumed can be published again") {
  const Shell shell;
  const std::string lines =
      "{\"data\":\"h\xc3\xa9\",\"attributes\":{\"kind\":\"new\"},\"ordering_key\":\"anna\"}\n"
      "{\"data_base64\":\"AP8=\"}\n";
  REQUIRE(shell
              .Estiba({"pub", "a", "--json-lines", "-a", "kind=old", "-a", "from=test", "-k", "k"},
                      lines)
              .status.code == 0);
  const Finished first = shell.Estiba({"sub", "a", "--count", "2", "--json"});
  REQUIRE(first.status.code == 0);
  REQUIRE(shell.Estiba({"pub", "b", "--json-lines"}, first.stdout_text).status.code == 0);
  const std::vector<json> copied = shell.Lines({"sub", "b", "--count", "2"});
  REQUIRE(copied.size() == 2);
  CHECK(copied[0]["topic"] == "b");
  CHECK(copied[0]["sequence"] == 1);
  CHECK(copied[0]["attempt"] == 1);
  CHECK(copied[0]["data"] == "h\xc3\xa9");
  CHECK(copied[0]["ordering_key"] == "anna");
  CHECK(copied[0]["attributes"] == json({{"kind", "new"}, {"from", "test"}}));
  CHECK(copied[1]["data_base64"] == "AP8=");
  CHECK(copied[1]["ordering_key"] == "k");
  CHECK_FALSE(copied[1].contains("data"));
}

TEST_CASE("a JSON line that is wrong is named, and those before it are published") {
  const Shell shell;
  const Finished pub = shell.Estiba({"pub", "t", "--json-lines"}, "{\"data\":\"x\"}\nnonsense\n");
  CHECK(pub.status.code == 2);
  CHECK_THAT(pub.stderr_text, HasText("standard input:2: not JSON"));
  CHECK(shell.Estiba({"sub", "t", "--count", "1"}).stdout_text == "x\n");
}

TEST_CASE("a count takes exactly that many, the next consumer gets the next") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t"}, "1\n2\n3\n4\n5\n").status.code == 0);
  const auto take = [&](const char* count) {
    return shell.Estiba({"sub", "t", "--subscription", "s", "--count", count}).stdout_text;
  };
  CHECK(take("1") == "1\n");
  CHECK(take("3") == "2\n3\n4\n");
  CHECK(take("1") == "5\n");
  CHECK(shell.Json({"subscription", "get", "s"})["stats"]["acked_messages"] == 5);
}

TEST_CASE("draining takes what is there and ends") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t", "a", "b"}).status.code == 0);
  const Finished sub = shell.Estiba({"sub", "t", "--until-idle", "300ms"});
  CHECK(sub.status.code == 0);
  CHECK(sub.stdout_text == "a\nb\n");
}

TEST_CASE("a subscription starts where it is told") {
  const Shell shell;
  REQUIRE(shell.Estiba({"subscription", "create", "keep", "t"}).status.code == 3);
  REQUIRE(shell.Estiba({"pub", "t", "a", "b", "c"}).status.code == 0);
  REQUIRE(shell.Estiba({"subscription", "create", "keep", "t"}).status.code == 0);
  const auto from = [&](const char* where) {
    return shell.Estiba({"sub", "t", "--from", where, "--until-idle", "300ms"}).stdout_text;
  };
  CHECK(from("earliest") == "a\nb\nc\n");
  CHECK(from("2") == "b\nc\n");
  CHECK(from("latest").empty());
  CHECK(from("1h ago") == "a\nb\nc\n");
}

TEST_CASE("Ctrl-C while following ends in order, with everything acked") {
  const Shell shell;
  Process sub(shell.Command({"sub", "t", "--subscription", "s"}));
  REQUIRE(Eventually([&] { return shell.Estiba({"subscription", "get", "s"}).status.ok(); }));
  REQUIRE(shell.Estiba({"pub", "t", "a", "b"}).status.code == 0);
  REQUIRE(Eventually([&] { return sub.stdout_text() == "a\nb\n"; }));
  sub.Signal(SIGINT);
  CHECK(sub.Wait()->code == 0);
  CHECK(sub.stderr_text().empty());
  CHECK(Eventually([&] {
    return shell.Json({"subscription", "get", "s"})["stats"]["acked_messages"] == 2;
  }));
}

TEST_CASE("Ctrl-C before the count is reached says so") {
  const Shell shell;
  Process sub(shell.Command({"sub", "t", "--subscription", "s", "--count", "2"}));
  REQUIRE(shell.Estiba({"pub", "t", "a"}).status.code == 0);
  REQUIRE(Eventually([&] { return sub.stdout_text() == "a\n"; }));
  sub.Signal(SIGINT);
  CHECK(sub.Wait()->code == 130);
}

TEST_CASE("a reader that goes away ends it quietly, and what it did not take stays") {
  const Shell shell;
  const std::string content = RandomLines(Seed() + 2, 50'000);
  REQUIRE(shell.Estiba({"pub", "t"}, content).status.code == 0);
  const Finished piped =
      shell.Bash("estiba sub t --subscription s | head -c 10000; echo rc=${PIPESTATUS[0]}");
  CHECK(piped.stderr_text.empty());
  REQUIRE(piped.stdout_text.size() == 10'005);
  CHECK(piped.stdout_text.substr(10'000) == "rc=0\n");
  // At least once: the next reader begins where the first had stopped acking, or before.
  const Finished rest = shell.Estiba({"sub", "t", "--subscription", "s", "--until-idle", "1s"});
  const uint64_t acked = shell.Json({"subscription", "get", "s"})["stats"]["acked_messages"];
  CHECK(acked == 50'000);
  REQUIRE(rest.stdout_text.size() <= content.size());
  CHECK((content.substr(content.size() - rest.stdout_text.size()) == rest.stdout_text));
}

TEST_CASE("nothing comes twice when the output stands still beyond the ack deadline") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t", "--repeat", "20000", "0123456789"}).status.code == 0);
  const Finished counted = shell.Bash(
      "estiba sub t --subscription s --ack-deadline 200ms --count 20000 | (sleep 1; wc -l)");
  CHECK(counted.stdout_text == "20000\n");
}

TEST_CASE("a bad name is the broker's to refuse, and ends with 2") {
  const Shell shell;
  const Finished pub = shell.Estiba({"pub", "!bad", "x"});
  CHECK(pub.status.code == 2);
  CHECK_THAT(pub.stderr_text, HasText("!bad"));
}

TEST_CASE("a full topic refuses, and ends with 5") {
  const Shell shell;
  REQUIRE(shell.Estiba({"topic", "create", "t", "--budget", "64KiB"}).status.code == 0);
  const std::string line(10'000, 'x');
  std::string input;
  for (int i = 0; i < 20; ++i) input += line + "\n";
  const Finished pub =
      shell.Estiba({"pub", "t", "--retry", "100ms", "--batch-count", "1", "--json"}, input);
  CHECK(pub.status.code == 5);
  const json summary = json::parse(pub.stdout_text);
  CHECK(summary["messages"].get<int>() >= 4);
  CHECK(summary["messages"].get<int>() <= 6);
}

TEST_CASE("messages given up are told as gaps, in JSON and on standard error") {
  const Shell shell;
  REQUIRE(
      shell.Estiba({"topic", "create", "t", "--budget", "64KiB", "--full-policy", "drop-oldest"})
          .status.code == 0);
  REQUIRE(shell.Estiba({"subscription", "create", "s", "t"}).status.code == 0);
  const std::string line(1'000, 'x');
  std::string input;
  for (int i = 0; i < 200; ++i) input += line + "\n";
  REQUIRE(shell.Estiba({"pub", "t", "--batch-count", "1"}, input).status.code == 0);
  const Finished sub =
      shell.Estiba({"sub", "t", "--subscription", "s", "--until-idle", "500ms", "--json"});
  REQUIRE(sub.status.code == 0);
  const json gap = json::parse(sub.stdout_text.substr(0, sub.stdout_text.find('\n')));
  CHECK(gap["gap"]["first"] == 1);
  CHECK(gap["gap"]["last"].get<int>() > 100);
  CHECK_THAT(sub.stderr_text, HasText("estiba: gap: messages 1.."));
}

TEST_CASE("a broker that ends while someone follows is told, and the follower comes back") {
  Shell shell;
  Process sub(shell.Command({"sub", "t", "--subscription", "s"}));
  REQUIRE(Eventually([&] { return shell.Estiba({"subscription", "get", "s"}).status.ok(); }));
  REQUIRE(shell.daemon().Stop().code == 0);
  CHECK(Eventually([&] { return sub.stderr_text().find("connection lost") != std::string::npos; }));
  CHECK(sub.running());
  sub.Signal(SIGINT);
  CHECK(sub.Wait()->code == 0);
}

TEST_CASE("a pattern prints what matches with its topic, and acks it there") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "orders.eu", "a", "b"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "orders.us", "c"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "other", "x"}).status.code == 0);
  std::vector<std::string> got;
  for (const json& line : shell.Lines({"sub", "orders.*", "-s", "all", "--count", "3"})) {
    got.push_back(line["topic"].get<std::string>() + ":" + line["data"].get<std::string>());
  }
  std::sort(got.begin(), got.end());
  CHECK(got == std::vector<std::string>{"orders.eu:a", "orders.eu:b", "orders.us:c"});
  const json subscription = shell.Json({"subscription", "get", "all"});
  CHECK(subscription["topic"] == "orders.*");
  CHECK(subscription["stats"]["acked_messages"] == 3);
}

TEST_CASE("a consumer whose output stood still is told that its late acks were refused") {
  const Shell shell;
  const std::string line(2'000, 'x');
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += line + "\n";
  REQUIRE(shell.Estiba({"pub", "t"}, lines).status.code == 0);
  // More than a pipe holds; what has expired waits, so that nobody holds it.
  const Finished run = shell.Bash(
      "estiba sub t --subscription s --exactly-once --ack-deadline 100ms --min-backoff 10m "
      "--max-backoff 10m --drain --raw | { until estiba subscription get s --json | "
      "grep -q '\"expired_leases\":[1-9]'; do :; done; cat > /dev/null; }; "
      "exit ${PIPESTATUS[0]}");
  CHECK(run.status.code == 0);
  CHECK_THAT(run.stderr_text, HasText("refused: what they were for comes again"));
  const json stats = shell.Json({"subscription", "get", "s"})["stats"];
  const uint64_t refused = stats["refused_acks"];
  CHECK(refused > 0);
  CHECK(stats["acked_messages"] == 100 - refused);
}

TEST_CASE("sub goes on with a broker that is restarted, and takes its messages for new ones") {
  auto broker = std::make_unique<Daemon>();
  const int port = broker->port();
  const std::string address = broker->address();
  const auto estiba = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {BuiltProgram("estiba"), "--server", address});
    return words;
  };
  REQUIRE(Run(estiba({"pub", "t", "a", "b", "c"})).status.code == 0);
  Process sub(estiba({"sub", "t", "--subscription", "s"}));
  REQUIRE(Eventually([&] { return sub.stdout_text() == "a\nb\nc\n"; }));

  sub.Signal(SIGSTOP);
  broker->process().Signal(SIGKILL);
  REQUIRE(broker->process().Wait().has_value());
  broker = std::make_unique<Daemon>(std::vector<std::string>{absl::StrCat("--port=", port)});
  REQUIRE(Run(estiba({"pub", "t", "d", "e", "f"})).status.code == 0);
  // Somebody has them and cannot write them, so that they come again: of the numbers that `sub` has
  // written, as their second attempt.
  const std::string full = absl::StrCat(BuiltProgram("estiba"), " --server ", address,
                                        " sub t --subscription s --count 3 > /dev/full");
  REQUIRE(Run({"/bin/bash", "-c", full}).status.code != 0);
  sub.Signal(SIGCONT);
  CHECK(Eventually([&] { return sub.stdout_text() == "a\nb\nc\nd\ne\nf\n"; }));
  CHECK_THAT(sub.stderr_text(), HasText("'t' begins anew: the broker was restarted"));
  sub.Signal(SIGINT);
  CHECK(sub.Wait()->code == 0);
}

}  // namespace
}  // namespace estiba::testing
