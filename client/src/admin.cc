#include "estiba/admin.h"

#include <google/protobuf/empty.pb.h>

#include <utility>

#include "client/src/admin_call.h"
#include "client/src/admin_codec.h"
#include "client/src/admin_paging.h"
#include "client/src/connection.h"
#include "client/src/duration_codec.h"
#include "client/src/stats_watch.h"
#include "estiba/v1/admin.pb.h"
#include "estiba/v1/broker.pb.h"

namespace estiba {

using internal::AllPages;
using internal::Call;
using internal::FromProto;
using internal::MakePage;
using internal::SetPage;
using internal::ToProto;

const char* FullPolicyName(FullPolicy policy) {
  switch (policy) {
    case FullPolicy::kReject:
      return "reject";
    case FullPolicy::kBlock:
      return "block";
    case FullPolicy::kDropOldest:
      return "drop-oldest";
    case FullPolicy::kDefault:
      break;
  }
  return "default";
}

StatsWatch::StatsWatch(std::unique_ptr<internal::StatsWatchImpl> impl) : impl_(std::move(impl)) {}
StatsWatch::~StatsWatch() = default;
void StatsWatch::Cancel() { impl_->Cancel(); }
absl::Status StatsWatch::Wait(absl::Time deadline) { return impl_->Wait(deadline); }

Admin::Admin(const Client& client, absl::Duration timeout)
    : connection_(client.connection()), timeout_(timeout) {}

absl::StatusOr<TopicInfo> Admin::CreateTopic(const std::string& name, const TopicConfig& config) {
  v1::CreateTopicRequest request;
  request.set_name(name);
  ToProto(config, *request.mutable_config());
  const auto topic = Call<v1::Topic>(*connection_, "CreateTopic", request, timeout_);
  if (!topic.ok()) return topic.status();
  return FromProto(*topic);
}

absl::StatusOr<TopicInfo> Admin::GetTopic(const std::string& name) {
  v1::GetTopicRequest request;
  request.set_name(name);
  const auto topic = Call<v1::Topic>(*connection_, "GetTopic", request, timeout_);
  if (!topic.ok()) return topic.status();
  return FromProto(*topic);
}

absl::StatusOr<Page<TopicInfo>> Admin::ListTopics(const PageRequest& page) {
  v1::ListTopicsRequest request;
  SetPage(page, request);
  const auto list = Call<v1::ListTopicsResponse>(*connection_, "ListTopics", request, timeout_);
  if (!list.ok()) return list.status();
  return MakePage<TopicInfo>(list->topics(), list->next_page_token());
}

absl::StatusOr<std::vector<TopicInfo>> Admin::ListAllTopics() {
  return AllPages<TopicInfo>([this](const PageRequest& page) { return ListTopics(page); });
}

absl::Status Admin::DeleteTopic(const std::string& name) {
  v1::DeleteTopicRequest request;
  request.set_name(name);
  return Call<google::protobuf::Empty>(*connection_, "DeleteTopic", request, timeout_).status();
}

absl::StatusOr<SubscriptionInfo> Admin::CreateSubscription(const std::string& name,
                                                           const std::string& topic,
                                                           const SubscriptionConfig& config,
                                                           StartFrom from) {
  v1::CreateSubscriptionRequest request;
  request.set_name(name);
  request.set_topic(topic);
  ToProto(config, *request.mutable_config());
  ToProto(from, *request.mutable_from());
  const auto subscription =
      Call<v1::Subscription>(*connection_, "CreateSubscription", request, timeout_);
  if (!subscription.ok()) return subscription.status();
  return FromProto(*subscription);
}

absl::StatusOr<SubscriptionInfo> Admin::GetSubscription(const std::string& name) {
  v1::GetSubscriptionRequest request;
  request.set_name(name);
  const auto subscription =
      Call<v1::Subscription>(*connection_, "GetSubscription", request, timeout_);
  if (!subscription.ok()) return subscription.status();
  return FromProto(*subscription);
}

absl::StatusOr<Page<SubscriptionInfo>> Admin::ListSubscriptions(const std::string& topic,
                                                                const PageRequest& page) {
  v1::ListSubscriptionsRequest request;
  request.set_topic(topic);
  SetPage(page, request);
  const auto list =
      Call<v1::ListSubscriptionsResponse>(*connection_, "ListSubscriptions", request, timeout_);
  if (!list.ok()) return list.status();
  return MakePage<SubscriptionInfo>(list->subscriptions(), list->next_page_token());
}

absl::StatusOr<std::vector<SubscriptionInfo>> Admin::ListAllSubscriptions(
    const std::string& topic) {
  return AllPages<SubscriptionInfo>(
      [&](const PageRequest& page) { return ListSubscriptions(topic, page); });
}

absl::Status Admin::DeleteSubscription(const std::string& name) {
  v1::DeleteSubscriptionRequest request;
  request.set_name(name);
  return Call<google::protobuf::Empty>(*connection_, "DeleteSubscription", request, timeout_)
      .status();
}

absl::StatusOr<BrokerStats> Admin::Stats(const StatsQuery& query) {
  v1::StatsRequest request;
  ToProto(query, request);
  const auto stats = Call<v1::StatsResponse>(*connection_, "Stats", request, timeout_);
  if (!stats.ok()) return stats.status();
  return FromProto(*stats);
}

std::unique_ptr<StatsWatch> Admin::WatchStats(absl::Duration interval, const StatsQuery& query,
                                              std::function<void(const BrokerStats&)> callback) {
  v1::StatsRequest request;
  ToProto(query, request);
  ToProto(interval, *request.mutable_interval());
  return std::make_unique<StatsWatch>(std::make_unique<internal::StatsWatchImpl>(
      connection_, internal::Serialize(request), std::move(callback)));
}

absl::StatusOr<Page<ConnectionInfo>> Admin::ListConnections(const std::string& client_name,
                                                            const PageRequest& page) {
  v1::ListConnectionsRequest request;
  request.set_client_name(client_name);
  SetPage(page, request);
  const auto list =
      Call<v1::ListConnectionsResponse>(*connection_, "ListConnections", request, timeout_);
  if (!list.ok()) return list.status();
  return MakePage<ConnectionInfo>(list->connections(), list->next_page_token());
}

absl::StatusOr<std::vector<ConnectionInfo>> Admin::ListAllConnections(
    const std::string& client_name) {
  return AllPages<ConnectionInfo>(
      [&](const PageRequest& page) { return ListConnections(client_name, page); });
}

absl::StatusOr<uint32_t> Admin::CloseConnections(const std::string& client_name) {
  v1::CloseConnectionsRequest request;
  request.set_client_name(client_name);
  const auto response =
      Call<v1::CloseConnectionsResponse>(*connection_, "CloseConnections", request, timeout_);
  if (!response.ok()) return response.status();
  return response->closed();
}

absl::StatusOr<uint32_t> Admin::CloseConnection(uint64_t id) {
  v1::CloseConnectionsRequest request;
  request.set_id(id);
  const auto response =
      Call<v1::CloseConnectionsResponse>(*connection_, "CloseConnections", request, timeout_);
  if (!response.ok()) return response.status();
  return response->closed();
}

absl::StatusOr<PublishedBatch> Admin::PublishOnce(const std::string& topic,
                                                  absl::Span<const Message> messages,
                                                  const DedupId& dedup) {
  v1::PublishOnceRequest request;
  request.set_topic(topic);
  request.set_dedup_id(dedup.id);
  request.set_producer(dedup.producer);
  for (const Message& message : messages) ToProto(message, *request.add_messages());
  v1::PublishOnceResponse response;
  absl::Status status = connection_->Unary("/estiba.v1.Broker/PublishOnce", request, response,
                                           absl::Now() + timeout_);
  if (!status.ok()) return status;
  return PublishedBatch{response.first_sequence(), response.count(), response.scheduled(),
                        response.duplicate()};
}

}  // namespace estiba
