#include "broker/ops/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace estiba {
namespace {

using log::FormatLine;
using log::Level;
using testing::HasText;

const absl::Time kTime = absl::FromUnixMillis(1795317044123);  // 2026-11-22 03:10:44.123 UTC
constexpr char kStarted[] = "Server started, listening on 8085";

std::string Text(std::string_view event, log::Fields fields = {}, Level level = Level::kInfo) {
  return FormatLine(log::Format::kText, kTime, level, event, fields);
}

nlohmann::json Json(std::string_view event, log::Fields fields = {}, Level level = Level::kInfo) {
  return nlohmann::json::parse(FormatLine(log::Format::kJson, kTime, level, event, fields));
}

// What the body writes to stderr, in lines.
template <typename Body>
std::vector<std::string> LinesOnStderr(Body body) {
  testing::TempDir dir;
  const std::string file = dir.Write("stderr", "");
  const int saved = dup(STDERR_FILENO);
  const int fd = open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  dup2(fd, STDERR_FILENO);
  body();
  dup2(saved, STDERR_FILENO);
  close(fd);
  close(saved);
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("A text line has time, level, event and fields") {
  CHECK(Text(kStarted) == "2026-11-22T03:10:44.123Z INFO  Server started, listening on 8085");
  CHECK(Text("topic made",
             {{"topic", "orders"},
              {"count", 3},
              {"share", 0.5},
              {"on", true},
              {"after", absl::Milliseconds(1500)}},
             Level::kWarn) ==
        "2026-11-22T03:10:44.123Z WARN  topic made topic=orders count=3 share=0.5 on=true "
        "after=1.5s");
  CHECK_THAT(Text("x", {}, Level::kDebug), HasText("Z DEBUG x"));
  CHECK_THAT(Text("x", {}, Level::kError), HasText("Z ERROR x"));
}

TEST_CASE("A text line quotes and escapes what could be mistaken for something else") {
  const auto value_of = [](std::string_view value) {
    const std::string line = Text("e", {{"k", value}});
    return line.substr(line.find("k=") + 2);
  };
  CHECK(value_of("plain-1.2:3/4") == "plain-1.2:3/4");
  CHECK(value_of("") == R"("")");
  CHECK(value_of("two words") == R"("two words")");
  CHECK(value_of("a=b") == R"("a=b")");
  CHECK(value_of("say \"hi\"") == R"("say \"hi\"")");
  CHECK(value_of("it's \xc3\xa9") == "\"it's \xc3\xa9\"");
  CHECK(value_of("forged\n2026-11-22 INFO x") == R"("forged\n2026-11-22 INFO x")");
  CHECK(value_of("\x1b[2J") == R"("\u001b[2J")");
  CHECK_THAT(Text("two\nlines"), HasText(R"(two\nlines)"));
}

TEST_CASE("A JSON line is one object with time, level, message and typed fields") {
  const nlohmann::json line = Json(kStarted, {{"port", 8085},
                                              {"negative", -1},
                                              {"large", std::numeric_limits<uint64_t>::max()},
                                              {"share", 0.5},
                                              {"on", false},
                                              {"after", absl::Seconds(90)},
                                              {"text", std::string("a\"b\\c\n")}});
  CHECK(line == nlohmann::json{{"time", "2026-11-22T03:10:44.123Z"},
                               {"level", "info"},
                               {"message", kStarted},
                               {"port", 8085},
                               {"negative", -1},
                               {"large", std::numeric_limits<uint64_t>::max()},
                               {"share", 0.5},
                               {"on", false},
                               {"after", "1m30s"},
                               {"text", "a\"b\\c\n"}});
}

TEST_CASE("The line that says the server has started holds that text verbatim in both formats") {
  CHECK_THAT(FormatLine(log::Format::kText, kTime, Level::kInfo, kStarted, {}), HasText(kStarted));
  CHECK_THAT(FormatLine(log::Format::kJson, kTime, Level::kInfo, kStarted, {}), HasText(kStarted));
}

TEST_CASE("A JSON line stays one valid line whatever the values are") {
  const std::string line = FormatLine(log::Format::kJson, kTime, Level::kInfo, "bad \xff\n",
                                      {{"k", "\xc3\x28\r\n"}, {"n", std::nan("")}});
  CHECK(line.find('\n') == std::string::npos);
  const nlohmann::json parsed = nlohmann::json::parse(line);
  CHECK(parsed["message"] == "bad \xef\xbf\xbd\n");
  CHECK(parsed["n"].is_null());
}

TEST_CASE("A field cannot replace time, level, message or another field") {
  const nlohmann::json line = Json("e", {{"message", "m"}, {"level", "l"}, {"a", 1}, {"a", 2}});
  CHECK(line["message"] == "e");
  CHECK(line["message_"] == "m");
  CHECK(line["level"] == "info");
  CHECK(line["a"] == 1);
  CHECK(line["a_"] == 2);
}

TEST_CASE("Only the configured level and above reach stderr, in the configured format") {
  const std::vector<std::string> lines = LinesOnStderr([] {
    log::Configure(Level::kWarn, log::Format::kText);
    log::Debug("d");
    log::Info("i");
    log::Warn("w");
    log::Error("e");
    log::Configure(Level::kDebug, log::Format::kJson);
    log::Debug("dd", {{"k", 1}});
    log::Configure(Level::kInfo, log::Format::kText);
  });
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[0], HasText("WARN  w"));
  CHECK_THAT(lines[1], HasText("ERROR e"));
  CHECK(nlohmann::json::parse(lines[2])["message"] == "dd");
}

TEST_CASE("Lines of many threads do not mix") {
  constexpr int kThreads = 4;
  constexpr int kLines = 500;
  const std::vector<std::string> lines = LinesOnStderr([] {
    log::Configure(Level::kInfo, log::Format::kJson);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < kLines; ++i) {
          log::Info("event", {{"thread", t}, {"line", i}, {"pad", std::string(200, 'x')}});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    log::Configure(Level::kInfo, log::Format::kText);
  });
  REQUIRE(lines.size() == kThreads * kLines);
  std::set<std::pair<int, int>> seen;
  for (const std::string& line : lines) {
    const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
    REQUIRE_FALSE(parsed.is_discarded());
    seen.emplace(parsed["thread"].get<int>(), parsed["line"].get<int>());
  }
  REQUIRE(seen.size() == kThreads * kLines);
}

}  // namespace
}  // namespace estiba
