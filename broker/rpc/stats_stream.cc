#include "broker/rpc/stats_stream.h"

#include "broker/engine/request_table.h"
#include "broker/ops/config.h"
#include "broker/ops/process_memory.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/convert.h"
#include "broker/rpc/stream_table.h"
#include "estiba/v1/admin.pb.h"

namespace estiba {
namespace {

constexpr int64_t kMinIntervalMs = 100;
constexpr int64_t kMaxIntervalMs = 3'600'000;
constexpr size_t kMaxTopics = 1'000;

void WriteRequests(const RequestStats& stats, v1::RequestStats* out) {
  out->set_pending(stats.pending);
  out->set_requests(stats.requests);
  out->set_replies(stats.replies);
  out->set_late_replies(stats.late_replies);
  out->set_expired(stats.expired);
  out->set_no_responders(stats.no_responders);
  out->set_refused(stats.refused);
}

void WriteFigures(const RpcContext& context, v1::StatsResponse* out) {
  WriteTime(context.clock.WallMillis(), out->mutable_time());
  out->set_version(Version());
  WriteMillis(context.clock.SteadyMillis() - context.start_steady_ms, out->mutable_uptime());
  const BrokerStats stats = context.broker.Stats();
  out->set_budget_bytes(stats.budget_bytes);
  out->set_held_bytes(stats.held_bytes);
  out->set_peak_held_bytes(stats.peak_held_bytes);
  out->set_resident_bytes(ResidentBytes());
  out->set_topic_count(stats.topics);
  out->set_subscription_count(stats.subscriptions);
  out->set_publish_streams(context.streams.Count("Publish"));
  out->set_subscribe_streams(context.streams.Count("Subscribe"));
  out->set_published_messages(stats.figures.published_messages);
  out->set_published_bytes(stats.figures.published_bytes);
  out->set_delivered_messages(stats.figures.delivered_messages);
  out->set_delivered_bytes(stats.figures.delivered_bytes);
  out->set_rejected_messages(stats.figures.rejected_messages);
  out->set_dropped_messages(stats.figures.dropped_messages);
  out->set_expired_messages(stats.figures.expired_messages);
  out->set_idle_topics(stats.idle_topics);
  out->set_idle_subscriptions(stats.idle_subscriptions);
  WriteRequests(context.requests.Stats(), out->mutable_requests());
  out->set_draining(context.draining.load(std::memory_order_relaxed));
}

}  // namespace

void StatsStream::OnRead(grpc::ByteBuffer* message) {
  if (message == nullptr) return call_->Finish(absl::InvalidArgumentError("no request"));
  const ReceivedBytes bytes(message);
  v1::StatsRequest request;
  if (!bytes.ok() ||
      !request.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.view().size()))) {
    return call_->Finish(
        absl::InvalidArgumentError("request: not a well-formed estiba.v1.StatsRequest"));
  }
  if (request.has_interval()) {
    if (absl::Status s = ReadMillis("interval", request.interval(), kMinIntervalMs, kMaxIntervalMs,
                                    &interval_ms_);
        !s.ok()) {
      return call_->Finish(s);
    }
  }
  topics_ = request.topics();
  topic_ = request.topic();
  if (!topic_.empty()) {
    if (absl::Status s = context_.broker.GetTopic(topic_).status(); !s.ok()) {
      return call_->Finish(s);
    }
  }
  Send();
}

void StatsStream::Send() {
  v1::StatsResponse response;
  WriteFigures(context_, &response);
  std::vector<TopicPtr> topics;
  if (!topic_.empty()) {
    if (absl::StatusOr<TopicPtr> topic = context_.broker.GetTopic(topic_); topic.ok()) {
      topics.push_back(*std::move(topic));
    }
  } else if (topics_) {
    topics = context_.broker.ListTopics("", kMaxTopics);
  }
  for (const TopicPtr& topic : topics) WriteTopic(*topic, response.add_topics());
  if (!topics.empty()) {
    for (const SubscriptionPtr& s : context_.broker.ListSubscriptions(topic_, "", kMaxTopics)) {
      WriteSubscription(*s, response.add_subscriptions());
    }
    if (topic_.empty()) {
      for (const PatternSubscriptionPtr& p : context_.broker.ListPatterns("", "", kMaxTopics)) {
        WriteSubscription(*p, response.add_subscriptions());
      }
    }
  }
  const grpc::ByteBuffer buffer = ToBuffer(response.SerializeAsString());
  interval_ms_ == 0 ? call_->WriteAndFinish(buffer) : call_->Write(buffer);
}

void StatsStream::OnWritten(bool ok) {
  if (ok) call_->WakeAfter(interval_ms_);
}

}  // namespace estiba
