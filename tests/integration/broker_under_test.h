// A broker process, a connection to it, and short ways to say what most tests of this folder say.
#ifndef TESTS_INTEGRATION_BROKER_UNDER_TEST_H_
#define TESTS_INTEGRATION_BROKER_UNDER_TEST_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "estiba/v1/admin.pb.h"
#include "estiba/v1/broker.pb.h"
#include "tests/integration/raw_client.h"
#include "tests/support/daemon.h"

namespace estiba::testing {

using PublishStream = RawStream<v1::PublishRequest, v1::PublishResponse>;

// A message of a delivery frame, with what the frame says of it.
struct Received {
  uint64_t sequence = 0;
  std::string data;
  uint32_t attempt = 0;
  int64_t publish_time_ms = 0;
};

// A Subscribe stream whose frames are taken apart.
// Threads: one at a time.
class SubscribeStream {
 public:
  SubscribeStream(const RawClient& client, const v1::Start& start, const Metadata& metadata = {});

  // The first response; default-constructed if there is none.
  const v1::Started& started();
  // The next `count` messages, fewer if the stream ends. Gaps on the way are collected in gaps().
  std::vector<Received> Take(size_t count);
  // Reads up to the next gap; nullopt if the stream ends.
  std::optional<v1::Gap> TakeGap();
  const std::vector<v1::Gap>& gaps() const { return gaps_; }

  bool Write(const v1::SubscribeRequest& request) { return stream_.Write(request); }
  bool Ack(uint64_t first, uint64_t last);
  bool Nack(uint64_t first, uint64_t last);
  void HalfClose() { stream_.HalfClose(); }
  void Cancel() { stream_.Cancel(); }
  grpc::Status Finish() { return stream_.Finish(); }

 private:
  bool ReadOne();

  RawStream<v1::SubscribeRequest, v1::SubscribeResponse> stream_;
  std::optional<v1::Started> started_;
  std::vector<Received> messages_;
  std::vector<v1::Gap> gaps_;
};

class BrokerUnderTest {
 public:
  explicit BrokerUnderTest(std::vector<std::string> flags = {})
      : daemon(std::move(flags)), client(daemon.address()) {}

  // PublishOnce with these payloads. The first sequence, 0 if it fails.
  uint64_t Publish(const std::string& topic, const std::vector<std::string>& payloads);
  grpc::Status TryPublish(const std::string& topic, const std::vector<std::string>& payloads,
                          v1::PublishOnceResponse* response);
  // "0", "1", ...: so many messages in batches of up to a thousand.
  bool PublishNumbers(const std::string& topic, int count);

  grpc::Status CreateTopic(const std::string& name, const v1::TopicConfig& config = {});
  v1::Topic GetTopic(const std::string& name);
  v1::Subscription GetSubscription(const std::string& name);
  v1::StatsResponse Stats();
  v1::ListConnectionsResponse Connections(const std::string& client_name = "");

  Daemon daemon;
  RawClient client;
};

v1::PublishRequest Batch(const std::string& topic, uint64_t number,
                         const std::vector<std::string>& payloads);
v1::Start StartOf(const std::string& topic, const std::string& subscription = "",
                  v1::AckMode mode = v1::ACK_MODE_EXPLICIT);
std::vector<std::string> DataOf(const std::vector<Received>& messages);
std::vector<std::string> Numbers(int count, int from = 0);

}  // namespace estiba::testing

#endif  // TESTS_INTEGRATION_BROKER_UNDER_TEST_H_
