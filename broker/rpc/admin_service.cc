#include "broker/rpc/admin_service.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"
#include "broker/engine/pattern.h"
#include "broker/rpc/convert.h"
#include "broker/rpc/page.h"
#include "broker/rpc/snapshot_service.h"
#include "broker/rpc/status.h"
#include "broker/rpc/stream_table.h"
#include "estiba/v1/admin.pb.h"

namespace estiba {
namespace {

using google::protobuf::Empty;

absl::Status CheckOpen(const RpcContext& context) {
  return context.draining.load(std::memory_order_relaxed) ? ShuttingDown() : absl::OkStatus();
}

absl::Status CheckBytes(absl::string_view field, uint64_t bytes) {
  if (bytes == 0 || bytes >= kMinTopicBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", bytes, ": 0 for no limit, or at least ", kMinTopicBytes));
}

absl::Status ReadConfig(const v1::TopicConfig& in, TopicConfig* out) {
  switch (in.full_policy()) {
    case v1::FULL_POLICY_UNSPECIFIED:
      break;
    case v1::REJECT:
      out->full_policy = FullPolicy::kReject;
      break;
    case v1::BLOCK:
      out->full_policy = FullPolicy::kBlock;
      break;
    case v1::DROP_OLDEST:
      out->full_policy = FullPolicy::kDropOldest;
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("config.full_policy: ", in.full_policy(), ": is not a known policy"));
  }
  if (absl::Status s = CheckBytes("config.budget_bytes", in.budget_bytes()); !s.ok()) return s;
  if (absl::Status s = CheckBytes("config.retention_bytes", in.retention_bytes()); !s.ok()) {
    return s;
  }
  if (in.budget_bytes() != 0) out->budget_bytes = in.budget_bytes();
  if (in.retention_bytes() != 0) out->retention_bytes = in.retention_bytes();
  if (in.has_dedup_window()) {
    if (absl::Status s = ReadMillis("config.dedup_window", in.dedup_window(), kMinDedupWindowMs,
                                    kMaxDedupWindowMs, &out->dedup_window_ms);
        !s.ok()) {
      return s;
    }
  }
  if (in.has_idle_expiry()) {
    if (absl::Status s = ReadMillis("config.idle_expiry", in.idle_expiry(), kMinIdleExpiryMs,
                                    kMaxIdleExpiryMs, &out->idle_expiry_ms);
        !s.ok()) {
      return s;
    }
  }
  if (!in.has_retention_age()) return absl::OkStatus();
  return ReadMillis("config.retention_age", in.retention_age(), kMinRetentionMs, kMaxRetentionMs,
                    &out->retention_age_ms);
}

absl::Status CreateTopic(RpcContext& context, const v1::CreateTopicRequest& in, v1::Topic* out) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return s;
  TopicConfig config = context.broker.options().topic_defaults;
  if (absl::Status s = ReadConfig(in.config(), &config); !s.ok()) return s;
  const absl::StatusOr<TopicPtr> topic = context.broker.CreateTopic(in.name(), config);
  if (!topic.ok()) return topic.status();
  WriteTopic(**topic, out);
  return absl::OkStatus();
}

absl::Status GetTopic(RpcContext& context, const v1::GetTopicRequest& in, v1::Topic* out) {
  const absl::StatusOr<TopicPtr> topic = context.broker.GetTopic(in.name());
  if (!topic.ok()) return topic.status();
  WriteTopic(**topic, out);
  return absl::OkStatus();
}

absl::Status ListTopics(RpcContext& context, const v1::ListTopicsRequest& in,
                        v1::ListTopicsResponse* out) {
  size_t size = 0;
  if (absl::Status s = ReadPageSize(in.page_size(), &size); !s.ok()) return s;
  const std::vector<TopicPtr> topics = context.broker.ListTopics(in.page_token(), size);
  for (const TopicPtr& topic : topics) WriteTopic(*topic, out->add_topics());
  if (topics.size() == size) out->set_next_page_token(topics.back()->name());
  return absl::OkStatus();
}

absl::Status DeleteTopic(RpcContext& context, const v1::DeleteTopicRequest& in, Empty*) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return s;
  return context.broker.DeleteTopic(in.name());
}

absl::Status CreateSubscription(RpcContext& context, const v1::CreateSubscriptionRequest& in,
                                v1::Subscription* out) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return s;
  SubscriptionConfig config = context.broker.options().subscription_defaults;
  if (absl::Status s = ReadSubscriptionConfig("config", in.config(), &config); !s.ok()) return s;
  StartPosition from;
  if (absl::Status s = ReadStartFrom("from", in.from(), &from); !s.ok()) return s;
  if (HasWildcard(in.topic())) {
    const absl::StatusOr<PatternSubscriptionPtr> pattern =
        context.broker.CreatePattern(in.name(), in.topic(), config, from);
    if (!pattern.ok()) return pattern.status();
    WriteSubscription(**pattern, out);
    return absl::OkStatus();
  }
  const absl::StatusOr<SubscriptionPtr> subscription =
      context.broker.CreateSubscription(in.name(), in.topic(), config, from);
  if (!subscription.ok()) return subscription.status();
  WriteSubscription(**subscription, out);
  return absl::OkStatus();
}

absl::Status GetSubscription(RpcContext& context, const v1::GetSubscriptionRequest& in,
                             v1::Subscription* out) {
  if (const PatternSubscriptionPtr pattern = context.broker.FindPattern(in.name())) {
    WriteSubscription(*pattern, out);
    return absl::OkStatus();
  }
  const absl::StatusOr<SubscriptionPtr> found = context.broker.GetSubscription(in.name());
  if (!found.ok()) return found.status();
  WriteSubscription(**found, out);
  return absl::OkStatus();
}

absl::Status ListSubscriptions(RpcContext& context, const v1::ListSubscriptionsRequest& in,
                               v1::ListSubscriptionsResponse* out) {
  size_t size = 0;
  if (absl::Status s = ReadPageSize(in.page_size(), &size); !s.ok()) return s;
  const bool of_pattern = HasWildcard(in.topic());
  if (!in.topic().empty() && !of_pattern) {
    if (absl::Status s = context.broker.GetTopic(in.topic()).status(); !s.ok()) return s;
  }
  std::vector<SubscriptionPtr> list;
  std::vector<PatternSubscriptionPtr> patterns;
  if (!of_pattern) list = context.broker.ListSubscriptions(in.topic(), in.page_token(), size);
  if (of_pattern || in.topic().empty()) {
    patterns = context.broker.ListPatterns(in.topic(), in.page_token(), size);
  }
  // One list in the order of names.
  auto s = list.begin();
  auto p = patterns.begin();
  for (; size > 0 && (s != list.end() || p != patterns.end()); --size) {
    if (p == patterns.end() || (s != list.end() && (*s)->name() < (*p)->name())) {
      WriteSubscription(**s++, out->add_subscriptions());
    } else {
      WriteSubscription(**p++, out->add_subscriptions());
    }
  }
  if (size == 0) out->set_next_page_token(out->subscriptions().rbegin()->name());
  return absl::OkStatus();
}

absl::Status DeleteSubscription(RpcContext& context, const v1::DeleteSubscriptionRequest& in,
                                Empty*) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return s;
  return context.broker.DeleteSubscription(in.name());
}

absl::Status DetachSubscription(RpcContext& context, const v1::DetachSubscriptionRequest& in,
                                Empty*) {
  if (absl::Status s = CheckOpen(context); !s.ok()) return s;
  return context.broker.DetachSubscription(in.name());
}

absl::Status ListConnections(RpcContext& context, const v1::ListConnectionsRequest& in,
                             v1::ListConnectionsResponse* out) {
  size_t size = 0;
  if (absl::Status s = ReadPageSize(in.page_size(), &size); !s.ok()) return s;
  uint64_t after = 0;
  if (!in.page_token().empty() && !absl::SimpleAtoi(in.page_token(), &after)) {
    return absl::InvalidArgumentError("page_token: is not one of ours");
  }
  const std::vector<StreamInfo> list = context.streams.List(in.client_name(), after, size);
  for (const StreamInfo& info : list) {
    v1::Connection* connection = out->add_connections();
    connection->set_id(info.id);
    connection->set_client_name(info.client_name);
    connection->set_peer(info.peer);
    connection->set_method(info.method);
    WriteTime(info.open_time_ms, connection->mutable_open_time());
    connection->set_topic(info.topic);
    connection->set_subscription(info.subscription);
    connection->set_messages(info.messages);
    connection->set_bytes(info.bytes);
  }
  if (list.size() == size) out->set_next_page_token(absl::StrCat(list.back().id));
  return absl::OkStatus();
}

absl::Status CloseConnections(RpcContext& context, const v1::CloseConnectionsRequest& in,
                              v1::CloseConnectionsResponse* out) {
  if (in.client_name().empty() == (in.id() == 0)) {
    return absl::InvalidArgumentError("client_name, id: exactly one of the two is required");
  }
  const absl::Status status = absl::AbortedError("the connection was closed by an operator");
  out->set_closed(in.id() != 0 ? context.streams.EndById(in.id(), status)
                               : context.streams.EndByClient(in.client_name(), status));
  return absl::OkStatus();
}

template <typename Request, typename Response>
UnaryHandler::Function Bind(RpcContext& context,
                            absl::Status (*function)(RpcContext&, const Request&, Response*)) {
  return OnMessages<Request, Response>([&context, function](const Request& in, Response* out) {
    return function(context, in, out);
  });
}

}  // namespace

UnaryHandler::Function AdminMethod(RpcContext& context, std::string_view method) {
  if (method == "CreateTopic") return Bind(context, &CreateTopic);
  if (method == "GetTopic") return Bind(context, &GetTopic);
  if (method == "ListTopics") return Bind(context, &ListTopics);
  if (method == "DeleteTopic") return Bind(context, &DeleteTopic);
  if (method == "CreateSubscription") return Bind(context, &CreateSubscription);
  if (method == "GetSubscription") return Bind(context, &GetSubscription);
  if (method == "ListSubscriptions") return Bind(context, &ListSubscriptions);
  if (method == "DeleteSubscription") return Bind(context, &DeleteSubscription);
  if (method == "DetachSubscription") return Bind(context, &DetachSubscription);
  if (method == "GetSnapshot") return Bind(context, &GetSnapshot);
  if (method == "ListSnapshots") return Bind(context, &ListSnapshots);
  if (method == "DeleteSnapshot") return Bind(context, &DeleteSnapshot);
  if (method == "ListConnections") return Bind(context, &ListConnections);
  if (method == "CloseConnections") return Bind(context, &CloseConnections);
  return nullptr;
}

}  // namespace estiba
