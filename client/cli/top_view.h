// What `estiba top` shows, computed from two looks at the broker. Thread-safe: no state.
#ifndef CLIENT_CLI_TOP_VIEW_H_
#define CLIENT_CLI_TOP_VIEW_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "estiba/admin.h"

namespace estiba::cli {

struct TopicRates {
  std::string name;
  // Messages per second.
  double published = 0;
  // Through named subscriptions; those that are private are counted in the broker's total only.
  double delivered = 0;
  double published_bytes = 0;
  uint64_t held_messages = 0;
  uint64_t held_bytes = 0;
  uint32_t subscriptions = 0;
  uint32_t private_subscriptions = 0;
  uint32_t consumers = 0;
  // Refused, dropped or expired since the topic was made.
  uint64_t lost = 0;
};

struct TopRates {
  double published = 0;
  double delivered = 0;
  double published_bytes = 0;
  double delivered_bytes = 0;
  std::vector<TopicRates> topics;
};

enum class TopOrder { kRate, kHeld, kMemory, kName };

// Rates over the time between the two. A counter that went back (topic made anew, broker restarted)
// and a topic that was not there before count from zero.
TopRates ComputeRates(const BrokerStats& before, const BrokerStats& now, TopOrder order);

// The screen, a line each, cut to `columns` characters.
std::string RenderTop(const BrokerStats& stats, const TopRates& rates, TopOrder order, int columns,
                      bool color);

nlohmann::ordered_json TopJson(const BrokerStats& stats, const TopRates& rates);

const char* TopOrderName(TopOrder order);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_TOP_VIEW_H_
