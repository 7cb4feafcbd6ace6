#include "broker/ops/setting_rule.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "broker/ops/byte_size.h"

namespace estiba {
namespace {

// Visits a variant with one lambda per alternative.
template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

absl::Status Must(absl::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat("must be ", rule));
}

constexpr absl::string_view kSwitchText = "true or false";

std::string Text(const CountRange& range) {
  return absl::StrCat("a number from ", range.min, " to ", range.max);
}

std::string Text(const BytesRange& range) {
  return absl::StrCat(range.or_zero ? "0 or " : "", "a size from ", FormatByteSize(range.min),
                      " to ", FormatByteSize(range.max));
}

std::string Text(const TimeRange& range) {
  return absl::StrCat(range.or_zero ? "0 or " : "", "a duration from ", FormatTime(range.min),
                      " to ", FormatTime(range.max));
}

std::string Text(std::span<const absl::string_view> names) {
  return absl::StrCat("one of ", absl::StrJoin(names, ", "));
}

// Keeps a good value, or passes the error on.
template <typename T, typename Keep>
absl::Status Store(const absl::StatusOr<T>& value, Keep keep) {
  if (value.ok()) keep(*value);
  return value.status();
}

}  // namespace

absl::StatusOr<bool> ParseSwitch(absl::string_view text) {
  for (absl::string_view yes : {"true", "yes", "on", "1"}) {
    if (absl::EqualsIgnoreCase(text, yes)) return true;
  }
  for (absl::string_view no : {"false", "no", "off", "0"}) {
    if (absl::EqualsIgnoreCase(text, no)) return false;
  }
  return Must(kSwitchText);
}

absl::StatusOr<uint32_t> ParseCount(absl::string_view text, const CountRange& range) {
  uint32_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < range.min || value > range.max) {
    return Must(Text(range));
  }
  return value;
}

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text, const BytesRange& range) {
  const std::optional<uint64_t> value = ParseByteSize(text);
  if (value && *value == 0 && range.or_zero) return 0;
  if (!value || *value < range.min || *value > range.max) return Must(Text(range));
  return *value;
}

absl::StatusOr<absl::Duration> ParseTime(absl::string_view text, const TimeRange& range) {
  absl::Duration value;
  if (!absl::ParseDuration(text, &value)) return Must(Text(range));
  if (value == absl::ZeroDuration() && range.or_zero) return value;
  if (value < range.min || value > range.max) return Must(Text(range));
  return value;
}

absl::StatusOr<int> ParseChoice(absl::string_view text, std::span<const absl::string_view> names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (text == names[i]) return static_cast<int>(i);
  }
  return Must(Text(names));
}

std::string FormatTime(absl::Duration time) { return absl::FormatDuration(time); }

absl::Status SetByRule(const SettingRule& rule, absl::string_view text, const Machine& machine,
                       Config* config) {
  return std::visit(
      Overloaded{
          [&](const SwitchRule& r) {
            return Store(ParseSwitch(text), [&](bool v) { config->*r.field = v; });
          },
          [&](const CountRule& r) {
            return Store(ParseCount(text, r.range), [&](uint32_t v) { config->*r.field = v; });
          },
          [&](const BytesRule& r) {
            return Store(ParseBytes(text, r.range), [&](uint64_t v) { config->*r.field = v; });
          },
          [&](const TimeRule& r) {
            return Store(ParseTime(text, r.range), [&](absl::Duration v) { config->*r.field = v; });
          },
          [&](const ChoiceRule& r) {
            return Store(ParseChoice(text, r.names), [&](int v) { r.set(v, config); });
          },
          [&](const CustomRule& r) { return r.set(text, machine, config); },
      },
      rule);
}

std::string GetByRule(const SettingRule& rule, const Config& config) {
  return std::visit(
      Overloaded{
          [&](const SwitchRule& r) { return std::string(config.*r.field ? "true" : "false"); },
          [&](const CountRule& r) { return absl::StrCat(config.*r.field); },
          [&](const BytesRule& r) { return FormatByteSize(config.*r.field); },
          [&](const TimeRule& r) { return FormatTime(config.*r.field); },
          [&](const ChoiceRule& r) { return std::string(r.names[r.get(config)]); },
          [&](const CustomRule& r) { return r.get(config); },
      },
      rule);
}

absl::string_view TypeName(const SettingRule& rule) {
  return std::visit(Overloaded{
                        [](const SwitchRule&) -> absl::string_view { return "BOOL"; },
                        [](const CountRule&) -> absl::string_view { return "NUMBER"; },
                        [](const BytesRule&) -> absl::string_view { return "SIZE"; },
                        [](const TimeRule&) -> absl::string_view { return "DURATION"; },
                        [](const ChoiceRule&) -> absl::string_view { return "CHOICE"; },
                        [](const CustomRule& r) { return r.type; },
                    },
                    rule);
}

std::string RuleText(const SettingRule& rule) {
  return std::visit(Overloaded{
                        [](const SwitchRule&) { return std::string(kSwitchText); },
                        [](const ChoiceRule& r) { return Text(r.names); },
                        [](const CustomRule& r) { return std::string(r.rule); },
                        [](const auto& r) { return Text(r.range); },
                    },
                    rule);
}

}  // namespace estiba
