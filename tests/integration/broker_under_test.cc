#include "tests/integration/broker_under_test.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace estiba::testing {

SubscribeStream::SubscribeStream(const RawClient& client, const v1::Start& start,
                                 const Metadata& metadata)
    : stream_(client, kSubscribe, metadata) {
  v1::SubscribeRequest request;
  *request.mutable_start() = start;
  stream_.Write(request);
}

const v1::Started& SubscribeStream::started() {
  while (!started_ && ReadOne()) {
  }
  if (!started_) started_.emplace();
  return *started_;
}

std::vector<Received> SubscribeStream::Take(size_t count) {
  while (messages_.size() < count && ReadOne()) {
  }
  const auto end = messages_.begin() + static_cast<ptrdiff_t>(std::min(count, messages_.size()));
  std::vector<Received> taken(std::make_move_iterator(messages_.begin()),
                              std::make_move_iterator(end));
  messages_.erase(messages_.begin(), end);
  return taken;
}

std::optional<v1::Gap> SubscribeStream::TakeGap() {
  const size_t before = gaps_.size();
  while (gaps_.size() == before && ReadOne()) {
  }
  if (gaps_.size() == before) return std::nullopt;
  return gaps_.back();
}

bool SubscribeStream::Ack(uint64_t first, uint64_t last) {
  v1::SubscribeRequest request;
  v1::SequenceRange* range = request.add_ack();
  range->set_first(first);
  range->set_last(last);
  return stream_.Write(request);
}

bool SubscribeStream::Nack(uint64_t first, uint64_t last) {
  v1::SubscribeRequest request;
  v1::SequenceRange* range = request.add_nack();
  range->set_first(first);
  range->set_last(last);
  return stream_.Write(request);
}

bool SubscribeStream::ReadOne() {
  v1::SubscribeResponse response;
  if (!stream_.Read(&response)) return false;
  if (response.has_started()) started_ = response.started();
  if (response.has_gap()) gaps_.push_back(response.gap());
  int mark = 0;
  int hole = 0;
  int64_t time = response.publish_time_ms();
  uint64_t sequence = response.first_sequence();
  for (int i = 0; i < response.messages_size(); ++i) {
    if (mark < response.time_marks_size() &&
        response.time_marks(mark).index() == static_cast<uint32_t>(i)) {
      time = response.publish_time_ms() + response.time_marks(mark++).later_ms();
    }
    if (hole < response.sequence_marks_size() &&
        response.sequence_marks(hole).index() == static_cast<uint32_t>(i)) {
      sequence = response.first_sequence() + static_cast<uint64_t>(i) +
                 response.sequence_marks(hole++).skipped();
    }
    messages_.push_back({sequence++, std::move(*response.mutable_messages(i)->mutable_data()),
                         response.delivery_attempt(), time});
  }
  return true;
}

uint64_t BrokerUnderTest::Publish(const std::string& topic,
                                  const std::vector<std::string>& payloads) {
  v1::PublishOnceResponse response;
  return TryPublish(topic, payloads, &response).ok() ? response.first_sequence() : 0;
}

grpc::Status BrokerUnderTest::TryPublish(const std::string& topic,
                                         const std::vector<std::string>& payloads,
                                         v1::PublishOnceResponse* response) {
  v1::PublishOnceRequest request;
  request.set_topic(topic);
  for (const std::string& payload : payloads) request.add_messages()->set_data(payload);
  return client.Call(kPublishOnce, request, response);
}

bool BrokerUnderTest::PublishNumbers(const std::string& topic, int count) {
  for (int from = 0; from < count; from += 1000) {
    if (Publish(topic, Numbers(std::min(1000, count - from), from)) == 0) return false;
  }
  return true;
}

grpc::Status BrokerUnderTest::CreateTopic(const std::string& name, const v1::TopicConfig& config) {
  v1::CreateTopicRequest request;
  request.set_name(name);
  *request.mutable_config() = config;
  v1::Topic topic;
  return client.Call("/estiba.v1.Admin/CreateTopic", request, &topic);
}

v1::Topic BrokerUnderTest::GetTopic(const std::string& name) {
  v1::GetTopicRequest request;
  request.set_name(name);
  v1::Topic topic;
  client.Call("/estiba.v1.Admin/GetTopic", request, &topic);
  return topic;
}

v1::Subscription BrokerUnderTest::GetSubscription(const std::string& name) {
  v1::GetSubscriptionRequest request;
  request.set_name(name);
  v1::Subscription subscription;
  client.Call("/estiba.v1.Admin/GetSubscription", request, &subscription);
  return subscription;
}

v1::StatsResponse BrokerUnderTest::Stats() {
  RawStream<v1::StatsRequest, v1::StatsResponse> stream(client, "/estiba.v1.Admin/Stats");
  stream.Write({});
  stream.HalfClose();
  v1::StatsResponse stats;
  stream.Read(&stats);
  return stats;
}

v1::ListConnectionsResponse BrokerUnderTest::Connections(const std::string& client_name) {
  v1::ListConnectionsRequest request;
  request.set_client_name(client_name);
  v1::ListConnectionsResponse response;
  client.Call("/estiba.v1.Admin/ListConnections", request, &response);
  return response;
}

v1::PublishRequest Batch(const std::string& topic, uint64_t number,
                         const std::vector<std::string>& payloads) {
  v1::PublishRequest request;
  request.set_topic(topic);
  request.set_batch(number);
  for (const std::string& payload : payloads) request.add_messages()->set_data(payload);
  return request;
}

v1::Start StartOf(const std::string& topic, const std::string& subscription, v1::AckMode mode) {
  v1::Start start;
  start.set_topic(topic);
  start.set_subscription(subscription);
  start.set_ack_mode(mode);
  return start;
}

std::vector<std::string> DataOf(const std::vector<Received>& messages) {
  std::vector<std::string> data;
  for (const Received& message : messages) data.push_back(message.data);
  return data;
}

std::vector<std::string> Numbers(int count, int from) {
  std::vector<std::string> numbers;
  for (int i = from; i < from + count; ++i) numbers.push_back(absl::StrCat(i));
  return numbers;
}

}  // namespace estiba::testing
