// Redis Pub/Sub, through hiredis: PUBLISH in pipelines, one connection for each subscriber. Redis
// keeps nothing, and cuts off a subscriber that falls behind its output buffer, so publishers stay
// within a window.
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/peers/peers.h"
#include "tests/bench/peers/redis_connection.h"

namespace estiba::bench {
namespace {

class Publisher final : public RedisPublisher {
 public:
  using RedisPublisher::RedisPublisher;

 private:
  std::vector<std::string> Command(const std::string& topic) const override {
    return {"PUBLISH", topic};
  }
};

class Subscriber final : public PeerSubscriber {
 public:
  Subscriber(const PeerSettings& settings, std::vector<size_t> topics, Receiver& receiver)
      : settings_(settings), topics_(std::move(topics)), receiver_(receiver) {}
  ~Subscriber() override { Stop(); }

  absl::Status Start() override {
    if (absl::Status status = connection_.Connect(settings_.server); !status.ok()) return status;
    std::vector<std::string_view> words = {"SUBSCRIBE"};
    for (const size_t topic : topics_) words.push_back(settings_.topics[topic]);
    std::string command;
    AppendRedisCommand(command, words);
    connection_.Append(command);
    for (size_t i = 0; i < topics_.size(); ++i) {
      if (connection_.Read() == nullptr) return connection_.Failure();
    }
    thread_ = std::thread([this] { Receive(); });
    return absl::OkStatus();
  }
  void Stop() override {
    if (!thread_.joinable()) return;
    connection_.Shutdown();
    thread_.join();
  }

 private:
  void Receive() {
    while (const RedisReplyPtr reply = connection_.Read()) {
      // "message", the channel, the payload.
      if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) continue;
      receiver_.Receive({reply->element[2]->str, reply->element[2]->len});
    }
  }

  const PeerSettings& settings_;
  const std::vector<size_t> topics_;
  Receiver& receiver_;
  RedisConnection connection_;
  std::thread thread_;
};

class RedisPubSubPeer final : public Peer {
 public:
  explicit RedisPubSubPeer(const PeerSettings& settings) : settings_(settings) {}
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<Publisher>(settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    return std::make_unique<Subscriber>(settings_, std::move(topics), receiver);
  }
  uint64_t window() const override { return 65'536; }

 private:
  const PeerSettings settings_;
};

}  // namespace

std::unique_ptr<Peer> MakeRedisPubSubPeer(const PeerSettings& settings) {
  return std::make_unique<RedisPubSubPeer>(settings);
}

}  // namespace estiba::bench
