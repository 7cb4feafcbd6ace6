// estiba topic, subscription, stats, top, connections and health against a real broker.
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/shell.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

using nlohmann::json;

TEST_CASE("a topic is created with all its settings, shown, listed and deleted") {
  const Shell shell;
  const json made = shell.Json({"topic", "create", "t", "--full-policy", "drop-oldest", "--budget",
                                "1MiB", "--retention-age", "1h", "--retention-bytes", "512KiB"});
  CHECK(made["name"] == "t");
  CHECK(made["config"]["full_policy"] == "drop-oldest");
  CHECK(made["config"]["budget_bytes"] == 1 << 20);
  CHECK(made["config"]["retention_age"] == 3600);
  CHECK(made["config"]["retention_bytes"] == 512 << 10);
  CHECK(shell.Json({"topic", "get", "t"})["config"] == made["config"]);
  CHECK(shell.Json({"topic", "list"})["topics"].size() == 1);
  CHECK_THAT(shell.Estiba({"topic", "list"}).stdout_text, HasText("drop-oldest"));
  CHECK_THAT(shell.Estiba({"topic", "get", "t"}).stdout_text, HasText("512.0 KiB"));

  REQUIRE(shell.Estiba({"pub", "t", "a", "b"}).status.code == 0);
  CHECK_THAT(shell.Estiba({"topic", "delete", "t"}).stdout_text,
             HasText("deleted topic 't' with 2 messages and 0 subscriptions"));
  CHECK_THAT(shell.Estiba({"topic", "list"}).stdout_text, HasText("no topics"));
}

TEST_CASE("what exists and what is missing have exit codes of their own, and ways around") {
  const Shell shell;
  REQUIRE(shell.Estiba({"topic", "create", "t"}).status.code == 0);
  CHECK(shell.Estiba({"topic", "create", "t"}).status.code == 6);
  CHECK(shell.Estiba({"topic", "create", "t", "--if-missing"}).status.code == 0);
  CHECK(shell.Estiba({"topic", "create", "u", "--budget", "1"}).status.code == 2);
  CHECK(shell.Estiba({"topic", "get", "nope"}).status.code == 3);
  CHECK(shell.Estiba({"topic", "delete", "nope"}).status.code == 3);
  CHECK(shell.Estiba({"topic", "delete", "nope", "--if-exists"}).status.code == 0);
  CHECK(shell.Estiba({"subscription", "create", "s", "nope"}).status.code == 3);
  CHECK(shell.Estiba({"subscription", "create", "s", "t"}).status.code == 0);
  CHECK(shell.Estiba({"subscription", "create", "s", "t"}).status.code == 6);
  CHECK(shell.Estiba({"subscription", "create", "s", "t", "--if-missing"}).status.code == 0);
  CHECK(shell.Estiba({"subscription", "delete", "nope"}).status.code == 3);
  CHECK(shell.Estiba({"subscription", "delete", "nope", "--if-exists"}).status.code == 0);
  CHECK(shell.Estiba({"connections", "close", "nobody"}).status.code == 3);
}

TEST_CASE("a subscription is created, shown, listed and deleted") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t", "a", "b", "c"}).status.code == 0);
  const json made =
      shell.Json({"subscription", "create", "s", "t", "--ack-deadline", "30s", "--from", "2"});
  CHECK(made["topic"] == "t");
  CHECK(made["config"]["ack_deadline"] == 30);
  CHECK(shell.Json({"subscription", "get", "s"})["stats"]["backlog_messages"] == 2);
  CHECK(shell.Json({"subscription", "list"})["subscriptions"].size() == 1);
  CHECK(shell.Json({"subscription", "list", "--topic", "t"})["subscriptions"].size() == 1);
  CHECK_THAT(shell.Estiba({"subscription", "delete", "s"}).stdout_text,
             HasText("which had 2 messages to consume"));
}

TEST_CASE("a subscription has the filter and the back-off it was made with") {
  const Shell shell;
  REQUIRE(shell
              .Estiba({"pub", "t", "--json-lines"},
                      "{\"data\":\"a\",\"attributes\":{\"kind\":\"new\"}}\n{\"data\":\"b\"}\n"
                      "{\"data\":\"c\",\"attributes\":{\"kind\":\"new\"}}\n")
              .status.code == 0);
  const std::string filter = "attributes.kind = \"new\"";
  const json made = shell.Json({"subscription", "create", "s", "t", "--filter", filter,
                                "--min-backoff", "2s", "--max-backoff", "1m", "--dead-letter",
                                "dead", "--max-attempts", "3", "--ordered"});
  CHECK(made["config"]["ordered"] == true);
  CHECK(made["config"]["dead_letter"] == "dead");
  CHECK(made["config"]["max_attempts"] == 3);
  CHECK(made["config"]["filter"] == filter);
  CHECK(made["config"]["min_backoff"] == 2);
  CHECK(made["config"]["max_backoff"] == 60);
  CHECK(shell.Estiba({"sub", "t", "--filter", "attributes:kind", "--until-idle", "300ms"})
            .stdout_text == "a\nc\n");
  CHECK(shell.Estiba({"sub", "--subscription", "s", "--until-idle", "300ms"}).stdout_text ==
        "a\nc\n");
  CHECK(shell.Json({"subscription", "get", "s"})["stats"]["filtered_messages"] == 1);
  const Finished wrong = shell.Estiba({"sub", "t", "--filter", "kind = new"});
  CHECK(wrong.status.code == 2);
  CHECK_THAT(wrong.stderr_text, HasText("filter: column 1"));
}

TEST_CASE("a subscription is paused, resumed, sought and purged") {
  const Shell shell;
  REQUIRE(shell.Estiba({"topic", "create", "t", "--retention-age", "1h"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "t", "a", "b", "c"}).status.code == 0);
  REQUIRE(shell.Estiba({"subscription", "create", "s", "t", "--retain-acked"}).status.code == 0);
  CHECK_THAT(shell.Estiba({"subscription", "pause", "s"}).stdout_text,
             HasText("paused subscription 's', which has 3 messages"));
  CHECK(shell.Json({"subscription", "get", "s"})["stats"]["paused"] == true);
  CHECK_THAT(shell.Estiba({"subscription", "get", "s"}).stdout_text, HasText("it is paused"));
  CHECK(shell.Json({"subscription", "resume", "s"})["stats"]["paused"] == false);
  const json sought = shell.Json({"subscription", "seek", "s", "--to", "3"});
  CHECK(sought["next_sequence"] == 3);
  CHECK(sought["skipped_messages"] == 2);
  CHECK(shell.Estiba({"sub", "t", "--subscription", "s", "--count", "1"}).stdout_text == "c\n");
  CHECK(shell.Estiba({"subscription", "seek", "s", "--to", "earliest"}).status.code == 0);
  CHECK(shell.Estiba({"sub", "t", "--subscription", "s", "--count", "2"}).stdout_text == "a\nb\n");
  CHECK_THAT(shell.Estiba({"subscription", "purge", "s"}).stdout_text,
             HasText("purged subscription 's' of 1 messages"));
  CHECK(shell.Estiba({"subscription", "seek", "s"}).status.code == 2);
  CHECK(shell.Estiba({"subscription", "seek", "s", "--to", "nowhere"}).status.code == 2);
  CHECK(shell.Estiba({"subscription", "purge", "nope"}).status.code == 3);
}

TEST_CASE("a snapshot is taken, listed, sought to and deleted; a subscription is detached") {
  const Shell shell;
  REQUIRE(shell.Estiba({"topic", "create", "t", "--retention-age", "1h"}).status.code == 0);
  REQUIRE(shell.Estiba({"pub", "t", "a", "b", "c"}).status.code == 0);
  const json made = shell.Json({"subscription", "create", "s", "t", "--retain-acked"});
  CHECK(made["config"]["retain_acked"] == true);
  const json snapshot = shell.Json({"subscription", "snapshot", "create", "snap", "s",
                                    "--expire-after", "1h", "--label", "a=1", "--label", "b=2"});
  CHECK(snapshot["labels"]["a"] == "1");
  CHECK(snapshot["labels"]["b"] == "2");
  CHECK(shell.Estiba({"sub", "t", "--subscription", "s", "--count", "3"}).stdout_text ==
        "a\nb\nc\n");
  CHECK_THAT(shell.Estiba({"subscription", "snapshot", "list"}).stdout_text, HasText("a=1,b=2"));
  CHECK(shell.Json({"subscription", "snapshot", "list", "--topic", "t"})["snapshots"].size() == 1);
  CHECK_THAT(shell.Estiba({"subscription", "seek", "s", "--to-snapshot", "snap"}).stdout_text,
             HasText("goes on from sequence 1"));
  CHECK(shell.Estiba({"subscription", "seek", "s", "--to", "1", "--to-snapshot", "snap"})
            .status.code == 2);
  CHECK(shell.Estiba({"sub", "t", "--subscription", "s", "--count", "3"}).stdout_text ==
        "a\nb\nc\n");
  CHECK(
      shell.Estiba({"subscription", "snapshot", "create", "x", "s", "--label", "y"}).status.code ==
      2);
  CHECK(shell.Estiba({"subscription", "snapshot", "delete", "snap"}).status.code == 0);
  CHECK(shell.Estiba({"subscription", "snapshot", "delete", "snap"}).status.code == 3);
  CHECK(shell.Estiba({"subscription", "snapshot", "delete", "snap", "--if-exists"}).status.code ==
        0);
  CHECK(shell.Estiba({"subscription", "detach", "s"}).status.code == 0);
  CHECK_THAT(shell.Estiba({"subscription", "get", "s"}).stdout_text, HasText("it is detached"));
  CHECK(shell.Estiba({"sub", "t", "--subscription", "s", "--count", "1"}).status.code == 1);
}

TEST_CASE("an exactly-once subscription says so, and what it refused") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t", "a", "b"}).status.code == 0);
  const json made = shell.Json({"subscription", "create", "s", "t", "--exactly-once"});
  CHECK(made["config"]["exactly_once"] == true);
  CHECK(shell.Estiba({"sub", "t", "--subscription", "s", "--count", "2"}).stdout_text == "a\nb\n");
  const json stats = shell.Json({"subscription", "get", "s"})["stats"];
  CHECK(stats["acked_messages"] == 2);
  CHECK(stats["refused_acks"] == 0);
  CHECK_THAT(shell.Estiba({"subscription", "get", "s"}).stdout_text,
             HasText("yes: 0 acks refused"));
  const Finished automatic =
      shell.Estiba({"sub", "t", "--subscription", "s", "--ack", "auto", "--drain"});
  CHECK(automatic.status.code == 1);
  CHECK_THAT(automatic.stderr_text, HasText("ACK_MODE_EXPLICIT"));
  CHECK(shell.Estiba({"sub", "t", "--exactly-once", "--ack", "auto"}).status.code == 2);
}

TEST_CASE("figures come once, again and again, and as rates") {
  const Shell shell;
  REQUIRE(shell.Estiba({"pub", "t", "a", "b"}).status.code == 0);
  const json stats = shell.Json({"stats"});
  CHECK(stats["published_messages"] == 2);
  CHECK(stats["topics"][0]["name"] == "t");
  CHECK(stats["budget_bytes"].get<uint64_t>() > 0);
  CHECK_THAT(shell.Estiba({"stats"}).stdout_text, HasText("estibad"));

  Process watch(shell.Command({"stats", "--watch", "100ms", "--json"}));
  REQUIRE(Eventually([&] {
    const std::string text = watch.stdout_text();
    return std::count(text.begin(), text.end(), '\n') >= 2;
  }));
  watch.Signal(SIGINT);
  CHECK(watch.Wait()->code == 0);

  const json top = shell.Json({"top", "--once", "--interval", "100ms"});
  CHECK(top["topics"][0]["name"] == "t");
  CHECK(top["topics"][0]["held_messages"] == 2);
  const Finished table = shell.Estiba({"top", "--once", "--interval", "100ms"});
  CHECK(table.status.code == 0);
  CHECK_THAT(table.stdout_text, HasText("SHARE OF BUDGET"));
  CHECK(table.stdout_text.find('\x1b') == std::string::npos);
}

TEST_CASE("a connection is seen by its client's name, and closed") {
  const Shell shell;
  Process sub(shell.Command({"sub", "t", "--client-name", "bob"}));
  json connections;
  REQUIRE(Eventually([&] {
    connections = shell.Json({"connections"})["connections"];
    return connections.size() == 1 && connections[0]["topic"] == "t";
  }));
  CHECK(connections[0]["client_name"] == "bob");
  CHECK(connections[0]["method"] == "Subscribe");
  CHECK_THAT(shell.Estiba({"connections", "close", "bob"}).stdout_text,
             HasText("closed 1 connection\n"));
  CHECK(sub.Wait()->code == 1);
  CHECK_THAT(sub.stderr_text(), HasText("cannot consume 't'"));
}

TEST_CASE("health is 0 only where it is SERVING") {
  const Shell shell;
  const Finished health = shell.Estiba({"health", "--wait", "10s"});
  CHECK(health.status.code == 0);
  CHECK(health.stdout_text == "SERVING\n");
  CHECK(shell.Json({"health"})["status"] == "SERVING");
  CHECK(shell.Estiba({"health", "no.such.Service"}).status.code == 3);
}

}  // namespace
}  // namespace estiba::testing
