// Kinds of settings: how a text becomes a value, what values are allowed, how a value is written.
//
// The parse functions answer a text outside the rule with INVALID_ARGUMENT whose message is the
// rule alone ("must be a duration from 100ms to 10m"); the caller knows the setting and where it
// came from. Thread-safe: free functions without state.
#ifndef BROKER_OPS_SETTING_RULE_H_
#define BROKER_OPS_SETTING_RULE_H_

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "broker/ops/config.h"
#include "broker/ops/machine.h"

namespace estiba {

struct CountRange {
  uint32_t min;
  uint32_t max;
};
// With or_zero, 0 is allowed below min; it means "none" or "off".
struct BytesRange {
  uint64_t min;
  uint64_t max;
  bool or_zero = false;
};
struct TimeRange {
  absl::Duration min;
  absl::Duration max;
  bool or_zero = false;
};

// Rules of proto/estiba/v1/admin.proto, for the settings and for declared topics alike. The names
// are in the order of Config::FullPolicy.
inline constexpr uint64_t kLargestByteSize = uint64_t{1} << 50;
inline constexpr BytesRange kTopicBytesRange{uint64_t{64} << 10, kLargestByteSize, true};
inline constexpr TimeRange kRetentionAgeRange{absl::Seconds(1), absl::Hours(24 * 31), true};
inline constexpr TimeRange kAckDeadlineRange{absl::Milliseconds(100), absl::Seconds(600)};
inline constexpr TimeRange kIdleExpiryRange{absl::Seconds(1), absl::Hours(24 * 366), true};
inline constexpr TimeRange kDedupWindowRange{absl::Seconds(1), absl::Hours(1), false};
inline constexpr TimeRange kBackoffRange{absl::Milliseconds(1), absl::Seconds(600), true};

inline constexpr absl::string_view kFullPolicyNames[] = {"reject", "block", "drop-oldest"};

absl::StatusOr<bool> ParseSwitch(absl::string_view text);
absl::StatusOr<uint32_t> ParseCount(absl::string_view text, const CountRange& range);
absl::StatusOr<uint64_t> ParseBytes(absl::string_view text, const BytesRange& range);
absl::StatusOr<absl::Duration> ParseTime(absl::string_view text, const TimeRange& range);
// The index of `text` among `names`.
absl::StatusOr<int> ParseChoice(absl::string_view text, std::span<const absl::string_view> names);

std::string FormatTime(absl::Duration time);

// Each rule knows the field of Config that it fills.
struct SwitchRule {
  bool Config::*field;
};
struct CountRule {
  uint32_t Config::*field;
  CountRange range;
};
struct BytesRule {
  uint64_t Config::*field;
  BytesRange range;
};
struct TimeRule {
  absl::Duration Config::*field;
  TimeRange range;
};
struct ChoiceRule {
  std::span<const absl::string_view> names;
  void (*set)(int index, Config* config);
  int (*get)(const Config& config);
};
// For the few that depend on the machine or have a form of their own.
struct CustomRule {
  absl::string_view type;
  absl::string_view rule;
  absl::Status (*set)(absl::string_view text, const Machine& machine, Config* config);
  std::string (*get)(const Config& config);
};
using SettingRule =
    std::variant<SwitchRule, CountRule, BytesRule, TimeRule, ChoiceRule, CustomRule>;

absl::Status SetByRule(const SettingRule& rule, absl::string_view text, const Machine& machine,
                       Config* config);
// Such that SetByRule takes it back and comes to the same value.
std::string GetByRule(const SettingRule& rule, const Config& config);
// For --help: the kind of value ("DURATION") and the rule ("a duration from 100ms to 10m").
absl::string_view TypeName(const SettingRule& rule);
std::string RuleText(const SettingRule& rule);

}  // namespace estiba

#endif  // BROKER_OPS_SETTING_RULE_H_
