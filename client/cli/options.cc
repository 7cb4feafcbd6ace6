#include "client/cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/units.h"

namespace estiba::cli {
namespace {

template <typename Target, typename Parse>
CLI::Option* AddParsed(CLI::App& app, const std::string& name, const char* type,
                       const char* expected, Target& target, const std::string& help, Parse parse) {
  // Of several names the first long one.
  const size_t begin = name.find("--");
  const std::string shown = name.substr(begin, name.find(',', begin) - begin);
  const auto set = [shown, expected, &target, parse](const std::string& text) {
    if (const auto value = parse(text)) {
      target = *value;
    } else {
      throw CLI::ValidationError(shown, absl::StrCat("'", text, "' is not ", expected));
    }
  };
  return app.add_option_function<std::string>(name, set, help)->type_name(type);
}

constexpr char kDuration[] = "a duration such as 250ms, 10s, 1m30s, 2h or 7d";
constexpr char kCount[] = "a count such as 1000, 50k or 2M, or it is too small";

auto CountOfAtLeast(uint64_t least) {
  return [least](const std::string& text) {
    const std::optional<uint64_t> count = ParseCount(text);
    return count && *count >= least ? count : std::nullopt;
  };
}

}  // namespace

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& target,
                         const std::string& help) {
  return AddParsed(app, name, "DURATION", kDuration, target, help, ParseDuration);
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name,
                         std::optional<absl::Duration>& target, const std::string& help) {
  return AddParsed(app, name, "DURATION", kDuration, target, help, ParseDuration);
}

CLI::Option* AddTime(CLI::App& app, const std::string& name, absl::Time& target,
                     const std::string& help) {
  return AddParsed(app, name, "TIME", "a time such as 2026-01-31T12:00:00Z", target, help,
                   [](const std::string& text) { return ParseTime(text, absl::Now()); });
}

CLI::Option* AddBytes(CLI::App& app, const std::string& name, uint64_t& target,
                      const std::string& help) {
  return AddParsed(app, name, "SIZE", "a size such as 4096, 64KiB or 1.5GiB", target, help,
                   ParseByteSize);
}

CLI::Option* AddCount(CLI::App& app, const std::string& name, uint64_t& target,
                      const std::string& help, uint64_t least) {
  return AddParsed(app, name, "N", kCount, target, help, CountOfAtLeast(least));
}

CLI::Option* AddCount(CLI::App& app, const std::string& name, std::optional<uint64_t>& target,
                      const std::string& help, uint64_t least) {
  return AddParsed(app, name, "N", kCount, target, help, CountOfAtLeast(least));
}

CLI::Option* AddRate(CLI::App& app, const std::string& name, std::optional<double>& target,
                     const std::string& help) {
  return AddParsed(app, name, "N/s", "a rate such as 100/s, 10k/s or 0.5/s", target, help,
                   ParseRate);
}

void AddSubscriptionPolicies(CLI::App& app, SubscriptionConfig& target) {
  app.add_option("--filter", target.filter,
                 "Only messages whose attributes match, such as 'attributes.kind = \"new\"'")
      ->type_name("FILTER");
  app.add_flag("--ordered", target.ordered,
               "Messages of an ordering key in their order, each key at one consumer at a time");
  app.add_flag("--exactly-once", target.exactly_once,
               "Acks count only of what their consumer holds, and are confirmed or refused");
  AddDuration(app, "--min-backoff", target.retry.min_backoff,
              "What was not acked waits at least this long to be delivered again: 0-10m");
  AddDuration(app, "--max-backoff", target.retry.max_backoff,
              "... and at most this long, after many attempts: 0-10m");
  CLI::Option* dead_letter =
      app.add_option("--dead-letter", target.dead_letter.topic,
                     "What fails too often leaves for this topic, with the reason in attributes")
          ->type_name("TOPIC");
  app.add_option("--max-attempts", target.dead_letter.max_attempts,
                 "... after so many attempts: 1-100 (default 5)")
      ->check(CLI::Range(1, 100))
      ->type_name("N")
      ->needs(dead_letter);
  AddDuration(app, "--idle-expiry", target.idle_expiry,
              "Deleted when nobody has used it for this long: 1s-366d (default never)");
  app.add_flag("--retain-acked", target.retain_acked,
               "Keep what is consumed, for seeks, as long as the topic's retention does");
}

CLI::Option* AddStartFrom(CLI::App& app, const std::string& name, StartFrom& target,
                          const std::string& help) {
  return AddParsed(
      app, name, "WHERE",
      "'earliest', 'latest', a sequence from 1, a time such as 2026-01-31T12:00:00Z, or '10m ago'",
      target, help, [](const std::string& text) { return ParseStartFrom(text, absl::Now()); });
}

CLI::Option* AddWord(CLI::App& app, const std::string& name, const std::vector<std::string>& words,
                     const std::string& help, std::function<void(size_t index)> set) {
  const auto choose = [name, words, set](const std::string& text) {
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
      throw CLI::ValidationError(
          name, absl::StrCat("'", text, "' is not one of: ", absl::StrJoin(words, ", ")));
    }
    set(static_cast<size_t>(found - words.begin()));
  };
  return app.add_option_function<std::string>(name, choose, help)
      ->option_text(absl::StrJoin(words, "|"));
}

}  // namespace estiba::cli
