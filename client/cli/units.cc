#include "client/cli/units.h"

#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace estiba::cli {
namespace {

struct Quantity {
  absl::string_view number;
  absl::string_view unit;
};

Quantity Split(absl::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  return {text.substr(0, digits), absl::StripLeadingAsciiWhitespace(text.substr(digits))};
}

// number * factor in 63 bits; a fraction of one is cut off.
std::optional<uint64_t> Times(absl::string_view number, uint64_t factor) {
  if (number.empty() || !absl::ascii_isdigit(number.front())) return std::nullopt;
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (uint64_t whole = 0; absl::SimpleAtoi(number, &whole)) {
    if (whole > kMax / factor) return std::nullopt;
    return whole * factor;
  }
  double value = 0;
  if (factor == 1 || !absl::SimpleAtod(number, &value)) return std::nullopt;
  value *= static_cast<double>(factor);
  if (!(value < static_cast<double>(kMax))) return std::nullopt;
  return static_cast<uint64_t>(std::round(value));
}

// 1000^n for k, m, g, t; 0 for anything else.
uint64_t Power(char letter, uint64_t base) {
  constexpr absl::string_view kLetters = "kmgt";
  const size_t power = kLetters.find(absl::ascii_tolower(static_cast<unsigned char>(letter)));
  if (power == absl::string_view::npos) return 0;
  uint64_t factor = base;
  for (size_t i = 0; i < power; ++i) factor *= base;
  return factor;
}

uint64_t ByteFactor(absl::string_view unit) {
  if (unit.empty() || absl::EqualsIgnoreCase(unit, "b")) return 1;
  const absl::string_view rest = unit.substr(1);
  if (rest.empty() || absl::EqualsIgnoreCase(rest, "b")) return Power(unit.front(), 1000);
  if (absl::EqualsIgnoreCase(rest, "i") || absl::EqualsIgnoreCase(rest, "ib")) {
    return Power(unit.front(), 1024);
  }
  return 0;
}

// Three significant digits without trailing zeros after the point.
std::string ThreeDigits(double value) {
  const char* const format = value >= 99.95 ? "%.0f" : value >= 9.995 ? "%.1f" : "%.2f";
  std::string text = absl::StrFormat(*absl::ParsedFormat<'f'>::New(format), value);
  if (absl::StrContains(text, '.')) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

}  // namespace

std::optional<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration days = absl::ZeroDuration();
  if (const size_t d = text.find('d'); d != absl::string_view::npos) {
    double count = 0;
    const Quantity quantity = Split(text);
    if (quantity.number.size() != d || !absl::SimpleAtod(quantity.number, &count)) {
      return std::nullopt;
    }
    days = absl::Hours(24) * count;
    text.remove_prefix(d + 1);
    if (text.empty()) return days;
  }
  if (text.empty() || !(absl::ascii_isdigit(text.front()) || text.front() == '.')) {
    return std::nullopt;
  }
  const std::string spelled(text);
  absl::Duration duration;
  if (double seconds = 0; Split(text).unit.empty() && absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(spelled, &duration)) {
    return std::nullopt;
  }
  duration += days;
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) return std::nullopt;
  return duration;
}

std::optional<uint64_t> ParseByteSize(absl::string_view text) {
  const Quantity quantity = Split(text);
  const uint64_t factor = ByteFactor(quantity.unit);
  if (factor == 0) return std::nullopt;
  return Times(quantity.number, factor);
}

std::optional<uint64_t> ParseCount(absl::string_view text) {
  const std::string plain = absl::StrReplaceAll(text, {{"_", ""}, {",", ""}});
  const Quantity quantity = Split(plain);
  if (quantity.unit.empty()) return Times(quantity.number, 1);
  const uint64_t factor = quantity.unit.size() == 1 ? Power(quantity.unit.front(), 1000) : 0;
  if (factor == 0) return std::nullopt;
  return Times(quantity.number, factor);
}

std::optional<double> ParseRate(absl::string_view text) {
  absl::ConsumeSuffix(&text, "/s");
  double value = 0;
  if (const std::optional<uint64_t> count = ParseCount(text)) {
    value = static_cast<double>(*count);
  } else if (!Split(text).unit.empty() || !absl::SimpleAtod(text, &value)) {
    return std::nullopt;
  }
  if (!(value > 0) || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<absl::Time> ParseTime(absl::string_view text, absl::Time now) {
  if (absl::ConsumeSuffix(&text, "ago")) {
    const std::optional<absl::Duration> age = ParseDuration(absl::StripAsciiWhitespace(text));
    if (!age) return std::nullopt;
    return now - *age;
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return std::nullopt;
  return time;
}

std::optional<StartFrom> ParseStartFrom(absl::string_view text, absl::Time now) {
  if (text == "earliest") return StartFrom::Earliest();
  if (text == "latest") return StartFrom::Latest();
  if (uint64_t sequence = 0; absl::SimpleAtoi(text, &sequence)) {
    if (sequence == 0) return std::nullopt;
    return StartFrom::Sequence(sequence);
  }
  const std::optional<absl::Time> time = ParseTime(text, now);
  if (!time) return std::nullopt;
  return StartFrom::Time(*time);
}

std::string HumanDuration(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds == 0) return "0s";
  if (seconds < 0) return absl::StrCat("-", HumanDuration(-duration));
  if (seconds < 999.5e-9) return absl::StrCat(ThreeDigits(seconds * 1e9), "ns");
  if (seconds < 999.5e-6) return absl::StrCat(ThreeDigits(seconds * 1e6), "us");
  if (seconds < 999.5e-3) return absl::StrCat(ThreeDigits(seconds * 1e3), "ms");
  if (seconds < 59.995) return absl::StrCat(ThreeDigits(seconds), "s");
  const int64_t whole = static_cast<int64_t>(std::round(seconds));
  const auto pair = [](int64_t big, const char* big_unit, int64_t small, const char* small_unit) {
    return small == 0 ? absl::StrCat(big, big_unit)
                      : absl::StrCat(big, big_unit, small, small_unit);
  };
  if (whole < 3600) return pair(whole / 60, "m", whole % 60, "s");
  if (whole < 86400) return pair(whole / 3600, "h", whole % 3600 / 60, "m");
  return pair(whole / 86400, "d", whole % 86400 / 3600, "h");
}

std::string HumanBytes(double bytes) {
  constexpr absl::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  while (bytes >= 1023.95 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  if (unit == 0) return absl::StrFormat("%.0f B", bytes);
  return absl::StrFormat("%.1f %s", bytes, kUnits[unit]);
}

std::string HumanCount(uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string ShortNumber(double value) {
  constexpr absl::string_view kUnits[] = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return absl::StrCat(ThreeDigits(value), kUnits[unit]);
}

std::string IsoTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace estiba::cli
