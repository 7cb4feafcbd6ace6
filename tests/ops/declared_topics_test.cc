#include <string>

#include "absl/strings/str_cat.h"
#include "tests/ops/ops_fixture.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::ErrorOf;
using testing::HasText;
using testing::LoadWithFile;

TEST_CASE("Declared topics and subscriptions come in the order of the file") {
  const auto loaded = LoadWithFile(R"(
topics:
  - name: orders
    full-policy: drop-oldest
    budget: 64MiB
    retention-age: 24h
    retention-bytes: 32MiB
    dedup-window: 90s
    subscriptions:
      - name: billing
        ack-deadline: 30s
        from: latest
        filter: attributes.kind = "new"
        ordered: true
        max-backoff: 5s
        dead-letter: dead
      - name: audit
  - {name: a/b.c~d+e%f_g-1}
)");
  INFO(loaded.status());
  REQUIRE(loaded.ok());
  const auto& topics = loaded->config.topics;
  REQUIRE(topics.size() == 2);
  CHECK(topics[0].name == "orders");
  CHECK(topics[0].full_policy == Config::FullPolicy::kDropOldest);
  CHECK(topics[0].budget_bytes == 64u << 20);
  CHECK(topics[0].retention_age == absl::Hours(24));
  CHECK(topics[0].retention_bytes == 32u << 20);
  CHECK(topics[0].dedup_window == absl::Seconds(90));
  REQUIRE(topics[0].subscriptions.size() == 2);
  CHECK(topics[0].subscriptions[0].name == "billing");
  CHECK(topics[0].subscriptions[0].ack_deadline == absl::Seconds(30));
  CHECK(topics[0].subscriptions[0].from == Config::StartFrom::kLatest);
  CHECK(topics[0].subscriptions[0].filter == "attributes.kind = \"new\"");
  CHECK(topics[0].subscriptions[0].min_backoff == absl::Seconds(5));
  CHECK(topics[0].subscriptions[0].max_backoff == absl::Seconds(5));
  CHECK(topics[0].subscriptions[0].dead_letter_topic == "dead");
  CHECK(topics[0].subscriptions[0].max_attempts == 5);
  CHECK(topics[0].subscriptions[1].name == "audit");
  CHECK(topics[0].subscriptions[0].ordered);
  CHECK(topics[0].subscriptions[1].filter.empty());
  CHECK_FALSE(topics[0].subscriptions[1].ordered);
  CHECK(topics[0].subscriptions[1].max_backoff == absl::ZeroDuration());
  CHECK(topics[0].subscriptions[1].from == Config::StartFrom::kEarliest);
  CHECK(topics[1].name == "a/b.c~d+e%f_g-1");
  CHECK(topics[1].subscriptions.empty());
}

TEST_CASE(
    "What a declaration leaves out is filled in from the settings, wherever those come from") {
  const auto loaded = LoadWithFile(R"(
topics:
  - name: plain
    subscriptions: [{name: s}]
  - {name: own, full-policy: reject, budget: 0, retention-age: 0, retention-bytes: 0}
retention-age: 1h
full-policy: block
)",
                                   {"--topic-budget=1MiB", "--ack-deadline=3s"},
                                   {{"ESTIBA_RETENTION_BYTES", "2MiB"}});
  REQUIRE(loaded.ok());
  const auto& plain = loaded->config.topics[0];
  CHECK(plain.full_policy == Config::FullPolicy::kBlock);
  CHECK(plain.budget_bytes == 1u << 20);
  CHECK(plain.retention_age == absl::Hours(1));
  CHECK(plain.retention_bytes == 2u << 20);
  CHECK(plain.subscriptions[0].ack_deadline == absl::Seconds(3));
  const auto& own = loaded->config.topics[1];
  CHECK(own.full_policy == Config::FullPolicy::kReject);
  CHECK(own.budget_bytes == 0);
  CHECK(own.retention_age == absl::ZeroDuration());
  CHECK(own.retention_bytes == 0);
}

TEST_CASE("A wrong declaration is refused with its place, line, value and rule") {
  const std::string long_name(256, 'n');
  const std::pair<std::string, std::string> cases[] = {
      {"topics: 3", "key 'topics' must be a list"},
      {"topics: {name: a}", "key 'topics' must be a list"},
      {"topics: [a]", "topics[0] must be keys with values"},
      {"topics: [{}]", "setting 'topics[0].name'"},
      {"topics: [{name: }]", "key 'topics[0].name' must have one plain value"},
      {"topics: [{name: ''}]", "must be 1 to 255 letters"},
      {"topics: [{name: -a}]", "'-a' must be 1 to 255 letters"},
      {"topics: [{name: a b}]", "'a b' must be 1 to 255 letters"},
      {"topics: [{name: " + long_name + "}]", "must be 1 to 255 letters"},
      {"topics: [{name: \xc3\xa9}]", "must be 1 to 255 letters"},
      {"topics: [{name: a}, {name: a}]", "setting 'topics[1].name'"},
      {"topics: [{name: a}, {name: a}]", "must be unique in the file"},
      {"topics: [{name: a, bugdet: 1}]", "unknown key 'topics[0].bugdet'; the nearest is 'budget'"},
      {"topics: [{name: a, name: b}]", "key 'topics[0].name' is there twice"},
      {"topics: [{name: a, budget: 63KiB}]", "'63KiB' must be 0 or a size from 64KiB"},
      {"topics: [{name: a, budget: [1]}]", "key 'topics[0].budget' must have one plain value"},
      {"topics: [{name: a, retention-age: 1ms}]", "'1ms' must be 0 or a duration from 1s to 744h"},
      {"topics: [{name: a, retention-bytes: 1}]", "'1' must be 0 or a size from 64KiB"},
      {"topics: [{name: a, full-policy: drop}]",
       "'drop' must be one of reject, block, drop-oldest"},
      {"topics: [{name: a, subscriptions: s}]", "key 'topics[0].subscriptions' must be a list"},
      {"topics: [{name: a, subscriptions: [{name: '?'}]}]",
       "setting 'topics[0].subscriptions[0].name'"},
      {"topics: [{name: a, subscriptions: [{name: s, ack-deadline: 1ms}]}]",
       "'1ms' must be a duration from 100ms to 10m"},
      {"topics: [{name: a, subscriptions: [{name: s, from: first}]}]",
       "'first' must be one of earliest, latest"},
      {"topics: [{name: a, subscriptions: [{name: s, filter: kind = new}]}]",
       "is no filter: filter: column 1"},
      {"topics: [{name: a, subscriptions: [{name: s, max-backoff: 11m}]}]", "'11m' must be"},
      {"topics: [{name: a, subscriptions: [{name: s, min-backoff: 2s, max-backoff: 1s}]}]",
       "'2s' must not exceed max-backoff"},
      {"topics: [{name: a, subscriptions: [{name: s, dead-letter: a}]}]",
       "'a' must be another topic"},
      {"topics: [{name: a, subscriptions: [{name: s, max-attempts: 3}]}]",
       "'3' needs a dead-letter topic"},
      {"topics: [{name: a, subscriptions: [{name: s, retain-acked: maybe}]}]", "'maybe'"},
      {"topics: [{name: a, idle-expiry: 10ms}]", "'10ms'"},
      {"topics: [{name: a, subscriptions: [{name: s, idle-expiry: 400d}]}]", "'400d'"},
      {"topics: [{name: a, subscriptions: [{name: s, retain-acked: true}]}]",
       "'true' needs a topic with a retention-age or retention-bytes"},
      {"topics: [{name: a, subscriptions: [{name: s, form: latest}]}]",
       "unknown key 'topics[0].subscriptions[0].form'; the nearest is 'from'"},
      {"topics: [{name: a, subscriptions: [{name: s}]}, {name: b, subscriptions: [{name: s}]}]",
       "setting 'topics[1].subscriptions[0].name'"},
  };
  for (const auto& [yaml, part] : cases) {
    INFO(yaml);
    const std::string error = ErrorOf(LoadWithFile("\n\n" + yaml + "\n"));
    CHECK_THAT(error, HasText(part));
    CHECK_THAT(error, HasText("estiba.yaml line 3"));
  }
}

TEST_CASE("A name of 255 characters is taken") {
  const std::string name(255, 'n');
  const auto loaded = LoadWithFile("topics: [{name: " + name + "}]");
  REQUIRE(loaded.ok());
  REQUIRE(loaded->config.topics[0].name == name);
}

TEST_CASE("More topics or subscriptions than allowed are refused, as many as allowed are not") {
  const std::string yaml =
      "topics: [{name: a, subscriptions: [{name: s}, {name: t}]}, {name: b}]\n";
  CHECK(LoadWithFile(yaml, {"--max-topics=2", "--max-subscriptions=2"}).ok());
  CHECK_THAT(ErrorOf(LoadWithFile(yaml, {"--max-topics=1"})),
             HasText("more topics than setting 'max-topics' allows, 1"));
  CHECK_THAT(ErrorOf(LoadWithFile(yaml, {"--max-subscriptions=1"})),
             HasText("more subscriptions than setting 'max-subscriptions' allows, 1"));
}

TEST_CASE("Declared topics survive --print-config") {
  const auto printed = LoadWithFile(
      "topics: [{name: a, budget: 1MiB, retention-age: 1h, idle-expiry: 2h, subscriptions: [{name: "
      "'0', from: latest, retain-acked: true, idle-expiry: 3h, exactly-once: true}]}, {name: "
      "'true'}]",
      {"--print-config"});
  REQUIRE(printed.ok());
  const auto loaded = LoadWithFile(printed->text);
  INFO(printed->text);
  REQUIRE(loaded.ok());
  const auto& topics = loaded->config.topics;
  REQUIRE(topics.size() == 2);
  CHECK(topics[0].budget_bytes == 1u << 20);
  CHECK(topics[0].subscriptions[0].name == "0");
  CHECK(topics[0].subscriptions[0].from == Config::StartFrom::kLatest);
  CHECK(topics[0].subscriptions[0].retain_acked);
  CHECK(topics[0].subscriptions[0].exactly_once);
  CHECK(topics[0].idle_expiry == absl::Hours(2));
  CHECK(topics[0].subscriptions[0].idle_expiry == absl::Hours(3));
  CHECK(topics[1].name == "true");
}

TEST_CASE("Ten thousand topics can be declared") {
  std::string yaml = "topics:\n";
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&yaml, "  - name: topic-", i, "\n");
  const auto loaded = LoadWithFile(yaml);
  REQUIRE(loaded.ok());
  REQUIRE(loaded->config.topics.size() == 10'000);
  REQUIRE(loaded->config.topics.back().name == "topic-9999");
}

}  // namespace
}  // namespace estiba
