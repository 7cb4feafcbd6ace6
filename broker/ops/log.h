// Logging: one event a line, to stderr, as text or as JSON.
//
//   log::Info("Server started, listening on 8085", {{"address", "127.0.0.1:8085"}});
//
//   2026-11-22T03:10:44.123Z INFO  Server started, listening on 8085 address=127.0.0.1:8085
//   {"time":"2026-11-22T03:10:44.123Z","level":"info","message":"Server started,
//   ...","address":...}
//
// Any thread may log. A line goes out whole, in one write. The writer waits while stderr is a full
// pipe, so nothing that must not wait logs per message. Values are escaped: a client's input can
// neither forge a line nor break the JSON. Never pass a secret as a field.
//
// For the daemon only: base, queue, engine and rpc report through callbacks.
#ifndef BROKER_OPS_LOG_H_
#define BROKER_OPS_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "absl/time/time.h"

namespace estiba::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kText, kJson };

using Value = std::variant<bool, int64_t, uint64_t, double, absl::Duration, std::string_view>;

// A named value of an event; names are lower_snake_case. It refers to the caller's text: for use as
// an argument only. Durations are written as text, such as "1.5s".
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  Field(std::string_view k, absl::Duration v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  template <std::signed_integral T>
  Field(std::string_view k, T v) : key(k), value(int64_t{v}) {}
  template <std::unsigned_integral T>
  Field(std::string_view k, T v) : key(k), value(uint64_t{v}) {}

  std::string_view key;
  Value value;
};
using Fields = std::initializer_list<Field>;

// What is logged from now on, and how. Until the first call: info and above, as text.
void Configure(Level level, Format format);

void Debug(std::string_view event, Fields fields = {});
void Info(std::string_view event, Fields fields = {});
void Warn(std::string_view event, Fields fields = {});
void Error(std::string_view event, Fields fields = {});

// The line that such an event makes, without its end. Bytes that are not UTF-8 become U+FFFD in
// JSON.
std::string FormatLine(Format format, absl::Time time, Level level, std::string_view event,
                       Fields fields);

}  // namespace estiba::log

#endif  // BROKER_OPS_LOG_H_
