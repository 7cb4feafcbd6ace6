// What the broker says of its topics, subscriptions, connections and figures, as JSON for programs
// and as tables for people. JSON field names are those of admin.proto; durations are seconds, times
// RFC 3339.
//
// Thread-safe: free functions without state.
#ifndef CLIENT_CLI_DESCRIBE_H_
#define CLIENT_CLI_DESCRIBE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "estiba/admin.h"

namespace estiba::cli {

nlohmann::ordered_json ToJson(const TopicInfo& topic);
nlohmann::ordered_json ToJson(const SubscriptionInfo& subscription);
nlohmann::ordered_json ToJson(const SnapshotInfo& snapshot);
nlohmann::ordered_json ToJson(const ConnectionInfo& connection);
nlohmann::ordered_json ToJson(const BrokerStats& stats);
// {"topics": [...]} and the like.
template <typename Info>
nlohmann::ordered_json ToJson(const char* name, const std::vector<Info>& all);

std::string TopicTable(const std::vector<TopicInfo>& topics, bool color);
std::string SubscriptionTable(const std::vector<SubscriptionInfo>& subscriptions, bool color);
std::string SnapshotTable(const std::vector<SnapshotInfo>& snapshots, bool color);
std::string ConnectionTable(const std::vector<ConnectionInfo>& connections, bool color);

std::string TopicDetail(const TopicInfo& topic, bool color);
std::string SubscriptionDetail(const SubscriptionInfo& subscription, bool color);
// The broker as a whole; topics and subscriptions, where there are any, as tables below.
std::string StatsDetail(const BrokerStats& stats, bool color);

// "[######..........] 37 %": how much of `of` is `part`.
std::string Bar(uint64_t part, uint64_t of, int width);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_DESCRIBE_H_
