// Every setting from every source: one table here, checked against the table of the daemon.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "broker/ops/nearest_name.h"
#include "broker/ops/setting_table.h"
#include "tests/ops/ops_fixture.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::ErrorOf;
using testing::HasText;
using testing::LoadWithFile;
using testing::PlainMachine;

// Values are given as they are written and expected as GetByRule writes them.
struct Case {
  std::string name;
  std::string default_value;
  // Four different good values.
  std::vector<std::string> good;
  // {text, part of the rule in the error}.
  std::vector<std::pair<std::string, std::string>> bad;
};

const std::vector<Case>& Cases() {
  static const std::vector<std::pair<std::string, std::string>> kBadTopicBytes = {
      {"1", "0 or a size from 64KiB"},    {"65535", "0 or a size from 64KiB"},
      {"2048TiB", "0 or a size from"},    {"-1", "0 or a size from"},
      {"lots", "0 or a size from 64KiB"}, {"50%", "0 or a size from 64KiB"}};
  static const std::vector<Case> cases = {
      {"listen-address",
       "127.0.0.1",
       {"0.0.0.0", "::1", "10.1.2.3", "::"},
       {{"example.com", "IPv4 or IPv6"},
        {"1.2.3", "IPv4"},
        {"1.2.3.4:80", "IPv4"},
        {"[::]", "IPv4"}}},
      {"port",
       "8085",
       {"0", "1", "9000", "65535"},
       {{"65536", "from 0 to 65535"}, {"-1", "from 0"}, {"http", "from 0"}, {"80.0", "from 0"}}},
      {"min-ping-interval",
       "5s",
       {"1s", "10s", "1m", "1h"},
       {{"999ms", "from 1s to 1h"}, {"61m", "from 1s to 1h"}, {"0", "from 1s"}, {"10", "from 1s"}}},
      {"keepalive-time",
       "1m",
       {"0", "10s", "2h", "24h"},
       {{"9s", "0 or a duration from 10s to 24h"},
        {"25h", "0 or"},
        {"-1s", "0 or"},
        {"x", "0 or"}}},
      {"keepalive-timeout",
       "20s",
       {"1s", "5s", "1m", "10m"},
       {{"0", "from 1s to 10m"}, {"11m", "from 1s to 10m"}, {"soon", "from 1s to 10m"}}},
      {"max-connection-age",
       "0",
       {"10s", "30m", "24h", "744h"},
       {{"9s", "0 or a duration from 10s to 744h"}, {"745h", "0 or"}, {"inf", "0 or"}}},
      {"memory-budget",
       "4GiB",
       {"16MiB", "64MiB", "1GiB", "8GiB"},
       {{"15MiB", "16MiB or more"},
        {"0", "16MiB or more"},
        {"0%", "1% to 100%"},
        {"0.5%", "1% to 100%"},
        {"101%", "1% to 100%"},
        {"nan%", "1% to 100%"},
        {"%", "1% to 100%"},
        {"2048TiB", "16MiB or more"},
        {"much", "16MiB or more"}}},
      {"memory-reserve",
       "0",
       {"1", "64MiB", "4GiB", "1GiB"},  // of a budget of 4 GiB
       {{"4097MiB", "a size of 0 to memory-budget, 4GiB"}, {"-1", "a size"}, {"all", "a size"}}},
      {"full-policy",
       "reject",
       {"block", "drop-oldest", "reject", "block"},
       {{"Reject", "one of reject, block, drop-oldest"},
        {"drop", "one of reject"},
        {"1", "one of"}}},
      {"topic-budget", "0", {"64KiB", "1MiB", "1GiB", "64MiB"}, kBadTopicBytes},
      {"retention-age",
       "0",
       {"1s", "1m30s", "1h", "744h"},
       {{"999ms", "0 or a duration from 1s to 744h"},
        {"745h", "0 or"},
        {"-5s", "0 or"},
        {"1d", "0 or"}}},
      {"retention-bytes", "0", {"64KiB", "1MiB", "1GiB", "64MiB"}, kBadTopicBytes},
      {"auto-create-topics",
       "true",
       {"false", "true", "false", "true"},
       {{"maybe", "true or false"}, {"2", "true or false"}}},
      {"auto-create-subscriptions",
       "true",
       {"false", "true", "false", "true"},
       {{"maybe", "true or false"}, {"2", "true or false"}}},
      {"ack-deadline",
       "10s",
       {"100ms", "30s", "1m", "10m"},
       {{"99ms", "from 100ms to 10m"}, {"601s", "from 100ms to 10m"}, {"0", "from 100ms"}}},
      {"max-topics",
       "100000",
       {"1", "2", "3", "10000000"},
       {{"0", "from 1 to 10000000"}, {"10000001", "from 1"}, {"-1", "from 1"}, {"many", "from 1"}}},
      {"max-subscriptions",
       "100000",
       {"1", "2", "3", "10000000"},
       {{"0", "from 1 to 10000000"}, {"10000001", "from 1"}, {"4294967297", "from 1"}}},
      {"max-snapshots",
       "5000",
       {"1", "2", "3", "1000000"},
       {{"0", "from 1 to 1000000"}, {"1000001", "from 1"}}},
      {"max-streams",
       "10000",
       {"1", "2", "3", "1000000"},
       {{"0", "from 1 to 1000000"}, {"1000001", "from 1"}, {"1.5", "from 1"}}},
      {"max-pending-requests",
       "10000",
       {"1", "2", "3", "1000000"},
       {{"0", "from 1 to 1000000"}, {"1000001", "from 1"}, {"-1", "from 1"}}},
      {"frame-bytes",
       "128KiB",
       {"32KiB", "64KiB", "256KiB", "1MiB"},
       {{"0", "from 32KiB to 1MiB"}, {"32767", "from 32KiB"}, {"1048577", "from 32KiB"}}},
      {"rpc-threads", "0", {"1", "2", "3", "1024"}, {{"1025", "from 0 to 1024"}, {"-1", "from 0"}}},
      {"worker-threads",
       "0",
       {"1", "2", "3", "1024"},
       {{"1025", "from 0 to 1024"}, {"x", "from 0"}}},
      {"busy-poll",
       "50us",
       {"0", "1us", "100us", "1ms"},
       {{"1001us", "from 0 to 1ms"}, {"-1us", "from 0"}, {"50", "from 0"}}},
      {"drain-deadline",
       "20s",
       {"0", "500ms", "1m", "1h"},
       {{"61m", "from 0 to 1h"}, {"-1s", "from 0 to 1h"}, {"20", "from 0 to 1h"}}},
      {"log-level",
       "info",
       {"debug", "warn", "error", "info"},
       {{"INFO", "one of debug, info, warn, error"}, {"trace", "one of debug"}}},
      {"log-format",
       "text",
       {"json", "text", "json", "text"},
       {{"xml", "one of text, json, auto"}, {"JSON", "one of text, json, auto"}}},
  };
  return cases;
}

std::string ValueOf(const absl::StatusOr<LoadedConfig>& loaded, const std::string& name) {
  if (!loaded.ok()) return loaded.status().ToString();
  return GetByRule(FindSetting(name)->rule, loaded->config);
}

std::string Flag(const std::string& name, const std::string& value) {
  return absl::StrCat("--", name, "=", value);
}

TEST_CASE("Every setting of the daemon has a case here, and every case a setting") {
  std::vector<std::string> names{"config"};
  for (const Case& c : Cases()) names.push_back(c.name);
  const std::vector<std::string> table(SettingNames().begin(), SettingNames().end());
  REQUIRE(names == table);
}

TEST_CASE("A setting that is given nowhere has its default") {
  const auto loaded = LoadConfig({}, {}, PlainMachine());
  for (const Case& c : Cases()) {
    INFO(c.name);
    CHECK(ValueOf(loaded, c.name) == c.default_value);
  }
}

TEST_CASE("A flag, a variable and a line of the file set a setting, and nothing else") {
  const auto defaults = LoadConfig({}, {}, PlainMachine());
  for (const Case& c : Cases()) {
    for (const std::string& value : c.good) {
      INFO(c.name << " = " << value);
      const auto by_flag = LoadConfig({Flag(c.name, value)}, {}, PlainMachine());
      const auto by_two_arguments = LoadConfig({"--" + c.name, value}, {}, PlainMachine());
      const auto by_variable = LoadConfig({}, {{EnvironmentName(c.name), value}}, PlainMachine());
      const auto by_file = LoadWithFile(absl::StrCat(c.name, ": \"", value, "\"\n"));
      CHECK(ValueOf(by_flag, c.name) == value);
      CHECK(ValueOf(by_variable, c.name) == value);
      CHECK(ValueOf(by_file, c.name) == value);
      if (c.name.find("auto-create") == std::string::npos) {
        CHECK(ValueOf(by_two_arguments, c.name) == value);
      }
      for (const Case& other : Cases()) {
        if (other.name == c.name) continue;
        INFO("changed " << other.name);
        CHECK(ValueOf(by_flag, other.name) == ValueOf(defaults, other.name));
      }
    }
  }
}

TEST_CASE("A flag beats the environment, which beats the file, which beats the default") {
  for (const Case& c : Cases()) {
    INFO(c.name);
    const std::string flag = Flag(c.name, c.good[0]);
    const Environment environment{{EnvironmentName(c.name), c.good[1]}};
    const std::string file =
        absl::StrCat(c.name, ": ", c.good[2] == "::" ? "'::'" : c.good[2], "\n");
    CHECK(ValueOf(LoadWithFile(file, {flag}, environment), c.name) == c.good[0]);
    CHECK(ValueOf(LoadWithFile(file, {flag}), c.name) == c.good[0]);
    CHECK(ValueOf(LoadWithFile(file, {}, environment), c.name) == c.good[1]);
    CHECK(ValueOf(LoadWithFile(file), c.name) == c.good[2]);
  }
}

TEST_CASE("A value outside its rule is refused, with setting, origin, value and rule") {
  for (const Case& c : Cases()) {
    for (const auto& [value, rule] : c.bad) {
      INFO(c.name << " = " << value);
      const std::string by_flag = ErrorOf(LoadConfig({Flag(c.name, value)}, {}, PlainMachine()));
      const std::string by_variable =
          ErrorOf(LoadConfig({}, {{EnvironmentName(c.name), value}}, PlainMachine()));
      const std::string by_file =
          ErrorOf(LoadWithFile(absl::StrCat("\n", c.name, ": '", value, "'")));
      for (const std::string& error : {by_flag, by_variable, by_file}) {
        CHECK_THAT(error, HasText("setting '" + c.name + "'"));
        CHECK_THAT(error, HasText("'" + value + "' must be "));
        CHECK_THAT(error, HasText(rule));
      }
      CHECK_THAT(by_flag, HasText("from flag --" + c.name));
      CHECK_THAT(by_variable, HasText("from environment variable " + EnvironmentName(c.name)));
      CHECK_THAT(by_file, HasText("estiba.yaml line 2"));
    }
  }
}

TEST_CASE("Every setting stands in --help with flag, variable, default and rule") {
  const auto loaded = LoadConfig({"--help"}, {}, PlainMachine());
  REQUIRE(loaded.ok());
  REQUIRE(loaded->action == LoadedConfig::Action::kPrint);
  for (const Setting& setting : SettingTable()) {
    INFO(setting.name);
    const std::string name(setting.name);
    const bool is_switch = std::holds_alternative<SwitchRule>(setting.rule);
    CHECK_THAT(loaded->text, HasText((is_switch ? "  --[no-]" + name + " " : "  --" + name + "=")));
    CHECK_THAT(loaded->text, HasText("  " + EnvironmentName(name) + " "));
    CHECK_THAT(loaded->text, HasText(std::string(setting.help.substr(0, 30))));
    CHECK(setting.help.back() == '.');
  }
  for (size_t start = 0; start < loaded->text.size();) {
    const size_t end = loaded->text.find('\n', start);
    CHECK(end - start <= 100);
    start = end + 1;
  }
}

TEST_CASE("Every default in the table is one that the rule takes and writes back") {
  for (const Setting& setting : SettingTable()) {
    INFO(setting.name);
    Config config;
    REQUIRE(SetByRule(setting.rule, setting.default_text, PlainMachine(), &config).ok());
    const std::string written = GetByRule(setting.rule, config);
    Config again;
    REQUIRE(SetByRule(setting.rule, written, PlainMachine(), &again).ok());
    REQUIRE(GetByRule(setting.rule, again) == written);
  }
}

TEST_CASE("What --print-config writes leads to the same settings as a file") {
  for (const Case& c : Cases()) {
    INFO(c.name);
    const auto printed =
        LoadConfig({Flag(c.name, c.good[0]), "--print-config"}, {}, PlainMachine());
    REQUIRE(printed.ok());
    REQUIRE(printed->action == LoadedConfig::Action::kPrint);
    CHECK_THAT(printed->text, HasText("  # flag --" + c.name));
    const auto loaded = LoadWithFile(printed->text);
    for (const Case& any : Cases()) CHECK(ValueOf(loaded, any.name) == ValueOf(printed, any.name));
  }
}

TEST_CASE("A switch is also a flag without a value, and one with no- in front") {
  for (const std::string name : {"auto-create-topics", "auto-create-subscriptions"}) {
    INFO(name);
    const Environment off{{EnvironmentName(name), "off"}};
    CHECK(ValueOf(LoadConfig({"--" + name}, off, PlainMachine()), name) == "true");
    CHECK(ValueOf(LoadConfig({"--no-" + name}, {}, PlainMachine()), name) == "false");
    for (const std::string yes : {"true", "yes", "on", "1", "True"}) {
      CHECK(ValueOf(LoadConfig({}, {{EnvironmentName(name), yes}}, PlainMachine()), name) ==
            "true");
    }
    for (const std::string no : {"false", "no", "off", "0", "FALSE"}) {
      CHECK(ValueOf(LoadConfig({}, {{EnvironmentName(name), no}}, PlainMachine()), name) ==
            "false");
      CHECK(ValueOf(LoadWithFile(name + ": " + no), name) == "false");
    }
  }
}

TEST_CASE("The edit distance counts insertions, deletions and replacements") {
  CHECK(EditDistance("", "") == 0);
  CHECK(EditDistance("port", "port") == 0);
  CHECK(EditDistance("", "port") == 4);
  CHECK(EditDistance("prt", "port") == 1);
  CHECK(EditDistance("ports", "port") == 1);
  CHECK(EditDistance("post", "port") == 1);
  CHECK(EditDistance("kitten", "sitting") == 3);
  CHECK(EditDistance(std::string(100'000, 'a'), "b") == 64);
}

}  // namespace
}  // namespace estiba
