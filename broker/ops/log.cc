#include "broker/ops/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace estiba::log {
namespace {

// In the order of Level.
constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};
constexpr const char* kLevelTags[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

spdlog::level::level_enum SpdlogLevel(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::off;
}

// spdlog does the levels, the lock and the write; the line is ours, because its patterns escape
// nothing. Never destroyed: threads may log while the process exits.
struct Logger {
  Logger() : spdlog("estibad", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    spdlog.set_pattern("%v");
    spdlog.flush_on(spdlog::level::trace);
  }
  spdlog::logger spdlog;
  // Relaxed: a line in the old format just after Configure() harms nobody.
  std::atomic<Format> format{Format::kText};
};

Logger& TheLogger() {
  static Logger* const logger = new Logger;
  return *logger;
}

nlohmann::ordered_json ToJson(const Value& value) {
  return std::visit(
      [](const auto& v) -> nlohmann::ordered_json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, absl::Duration>) {
          return absl::FormatDuration(v);
        } else {
          return v;
        }
      },
      value);
}

std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool IsPlain(std::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isgraph(c) || c == '"' || c == '=' || c == '\\') return false;
  }
  return !text.empty();
}

void Write(Level level, std::string_view event, Fields fields) {
  Logger& logger = TheLogger();
  const spdlog::level::level_enum spdlog_level = SpdlogLevel(level);
  if (!logger.spdlog.should_log(spdlog_level)) return;
  logger.spdlog.log(spdlog_level, FormatLine(logger.format.load(std::memory_order_relaxed),
                                             absl::Now(), level, event, fields));
}

}  // namespace

std::string FormatLine(Format format, absl::Time time, Level level, std::string_view event,
                       Fields fields) {
  const std::string when = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", time, absl::UTCTimeZone());
  if (format == Format::kText) {
    const std::string quoted_event = Quoted(event);
    std::string line = absl::StrCat(when, " ", kLevelTags[static_cast<int>(level)], " ",
                                    quoted_event.substr(1, quoted_event.size() - 2));
    for (const Field& field : fields) {
      const nlohmann::ordered_json value = ToJson(field.value);
      std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      if (!IsPlain(text)) text = Quoted(text);
      absl::StrAppend(&line, " ", std::string(field.key), "=", text);
    }
    return line;
  }
  nlohmann::ordered_json line{
      {"time", when}, {"level", kLevelNames[static_cast<int>(level)]}, {"message", event}};
  for (const Field& field : fields) {
    // The three keys above are ours; a field of the same name must not replace them.
    std::string key(field.key);
    while (line.contains(key)) key.push_back('_');
    line[key] = ToJson(field.value);
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void Configure(Level level, Format format) {
  Logger& logger = TheLogger();
  logger.format.store(format, std::memory_order_relaxed);
  logger.spdlog.set_level(SpdlogLevel(level));
}

void Debug(std::string_view event, Fields fields) { Write(Level::kDebug, event, fields); }
void Info(std::string_view event, Fields fields) { Write(Level::kInfo, event, fields); }
void Warn(std::string_view event, Fields fields) { Write(Level::kWarn, event, fields); }
void Error(std::string_view event, Fields fields) { Write(Level::kError, event, fields); }

}  // namespace estiba::log
