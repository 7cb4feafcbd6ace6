#include "broker/ops/byte_size.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace estiba {
namespace {

// What the unit multiplies by, or 0 if there is no such unit.
uint64_t UnitFactor(absl::string_view unit) {
  if (unit.empty() || absl::EqualsIgnoreCase(unit, "b")) return 1;
  constexpr absl::string_view kLetters = "kmgt";
  const size_t power = kLetters.find(absl::ascii_tolower(unit.front()));
  if (power == absl::string_view::npos) return 0;
  unit.remove_prefix(1);
  uint64_t base = 0;
  if (unit.empty() || absl::EqualsIgnoreCase(unit, "b")) base = 1000;
  if (absl::EqualsIgnoreCase(unit, "i") || absl::EqualsIgnoreCase(unit, "ib")) base = 1024;
  uint64_t factor = base;
  for (size_t i = 0; i < power; ++i) factor *= base;
  return factor;
}

}  // namespace

std::optional<uint64_t> ParseByteSize(absl::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const absl::string_view number = text.substr(0, digits);
  const uint64_t factor = UnitFactor(absl::StripLeadingAsciiWhitespace(text.substr(digits)));
  if (number.empty() || factor == 0 || !absl::ascii_isdigit(number.front())) return std::nullopt;

  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (uint64_t whole = 0; absl::SimpleAtoi(number, &whole)) {
    if (whole > kMax / factor) return std::nullopt;
    return whole * factor;
  }
  double value = 0;
  if (factor == 1 || !absl::SimpleAtod(number, &value)) return std::nullopt;
  value *= static_cast<double>(factor);
  if (!(value < static_cast<double>(kMax))) return std::nullopt;
  return static_cast<uint64_t>(value);
}

std::string FormatByteSize(uint64_t bytes) {
  constexpr absl::string_view kUnits[] = {"TiB", "GiB", "MiB", "KiB"};
  int shift = 40;
  for (absl::string_view unit : kUnits) {
    const uint64_t factor = uint64_t{1} << shift;
    if (bytes >= factor && bytes % factor == 0) return absl::StrCat(bytes / factor, unit);
    shift -= 10;
  }
  return absl::StrCat(bytes);
}

}  // namespace estiba
