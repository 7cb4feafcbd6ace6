// Options of the command line whose values have units, on top of CLI11.
//
// A value that cannot be understood is a usage error that names the option, the value and the form
// expected. The target must outlive parsing. Used by one thread, while the command tree is built.
#ifndef CLIENT_CLI_OPTIONS_H_
#define CLIENT_CLI_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "estiba/subscriber.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace estiba::cli {

CLI::Option* AddDuration(CLI::App& app, const std::string& name, absl::Duration& target,
                         const std::string& help);
CLI::Option* AddDuration(CLI::App& app, const std::string& name,
                         std::optional<absl::Duration>& target, const std::string& help);
CLI::Option* AddTime(CLI::App& app, const std::string& name, absl::Time& target,
                     const std::string& help);
CLI::Option* AddBytes(CLI::App& app, const std::string& name, uint64_t& target,
                      const std::string& help);
CLI::Option* AddCount(CLI::App& app, const std::string& name, uint64_t& target,
                      const std::string& help, uint64_t least = 1);
CLI::Option* AddCount(CLI::App& app, const std::string& name, std::optional<uint64_t>& target,
                      const std::string& help, uint64_t least = 1);
CLI::Option* AddRate(CLI::App& app, const std::string& name, std::optional<double>& target,
                     const std::string& help);
// One of a few words; without the option, the target stays as it is.
template <typename Target>
using Choices = std::vector<std::pair<std::string, Target>>;
template <typename Target>
CLI::Option* AddChoice(CLI::App& app, const std::string& name, Target& target,
                       const Choices<Target>& choices, const std::string& help);
// What a subscription is made with, besides its ack deadline: --filter, --ordered, --exactly-once,
// --min-backoff, --max-backoff, --dead-letter, --max-attempts, --idle-expiry, --retain-acked.
void AddSubscriptionPolicies(CLI::App& app, SubscriptionConfig& target);
CLI::Option* AddStartFrom(CLI::App& app, const std::string& name, StartFrom& target,
                          const std::string& help);

// ---- implementation

// Calls `set` with the index of the word that was given.
CLI::Option* AddWord(CLI::App& app, const std::string& name, const std::vector<std::string>& words,
                     const std::string& help, std::function<void(size_t index)> set);

template <typename Target>
CLI::Option* AddChoice(CLI::App& app, const std::string& name, Target& target,
                       const Choices<Target>& choices, const std::string& help) {
  std::vector<std::string> words;
  for (const auto& choice : choices) words.push_back(choice.first);
  return AddWord(app, name, words, help,
                 [&target, choices](size_t index) { target = choices[index].second; });
}

}  // namespace estiba::cli

#endif  // CLIENT_CLI_OPTIONS_H_
