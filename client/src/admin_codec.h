// Between the Admin API's messages and the plain structs of estiba/admin.h. Free functions; no
// state.
#ifndef ESTIBA_CLIENT_SRC_ADMIN_CODEC_H_
#define ESTIBA_CLIENT_SRC_ADMIN_CODEC_H_

#include "estiba/admin.h"
#include "estiba/v1/admin.pb.h"

namespace estiba::internal {

void ToProto(const TopicConfig& config, v1::TopicConfig& out);
void ToProto(const SubscriptionConfig& config, v1::SubscriptionConfig& out);
void ToProto(const StartFrom& from, v1::StartFrom& out);
void ToProto(const StatsQuery& query, v1::StatsRequest& out);
void ToProto(const Message& message, v1::Message& out);

TopicInfo FromProto(const v1::Topic& topic);
SubscriptionInfo FromProto(const v1::Subscription& subscription);
SnapshotInfo FromProto(const v1::Snapshot& snapshot);
BrokerStats FromProto(const v1::StatsResponse& stats);
ConnectionInfo FromProto(const v1::Connection& connection);

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_ADMIN_CODEC_H_
