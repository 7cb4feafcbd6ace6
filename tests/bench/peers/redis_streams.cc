// Redis Streams, through hiredis: XADD in pipelines, and for each subscriber a consumer group that
// is read with XREADGROUP, many messages at a time, and acked with one XACK for all of them, which
// travels with the next XREADGROUP.
//
// Redis removes nothing from a stream when it is acked. So XADD trims it to about a million entries
// (MAXLEN ~, as its manual recommends), and publishers stay well within that; not so where messages
// are to be kept.
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/peers/peers.h"
#include "tests/bench/peers/redis_connection.h"

namespace estiba::bench {
namespace {

constexpr char kField[] = "d";
constexpr char kMost[] = "1000000";
constexpr uint64_t kWindow = 500'000;

class Publisher final : public RedisPublisher {
 public:
  using RedisPublisher::RedisPublisher;

 private:
  std::vector<std::string> Command(const std::string& topic) const override {
    if (settings_.keep) return {"XADD", topic, "*", kField};
    return {"XADD", topic, "MAXLEN", "~", kMost, "*", kField};
  }
};

class Subscriber final : public PeerSubscriber {
 public:
  Subscriber(const PeerSettings& settings, std::string group, std::vector<size_t> topics,
             Receiver& receiver)
      : settings_(settings),
        group_(std::move(group)),
        topics_(std::move(topics)),
        receiver_(receiver) {}
  ~Subscriber() override { Stop(); }

  absl::Status Start() override {
    if (absl::Status status = connection_.Connect(settings_.server); !status.ok()) return status;
    std::vector<std::string_view> words = {"XREADGROUP", "GROUP", group_, "c",      "COUNT",
                                           "1000",       "BLOCK", "100",  "STREAMS"};
    for (const size_t topic : topics_) {
      const std::string& name = settings_.topics[topic];
      words.push_back(name);
      const absl::Status made =
          connection_.Run({"XGROUP", "CREATE", name, group_, "0", "MKSTREAM"});
      if (!made.ok()) return made;
    }
    words.resize(words.size() + topics_.size(), ">");
    AppendRedisCommand(read_, words);
    thread_ = std::thread([this] { Receive(); });
    return absl::OkStatus();
  }
  void Stop() override {
    if (!thread_.joinable()) return;
    stopped_ = true;
    thread_.join();
  }
  absl::Status status() const override {
    return failed_ ? absl::UnavailableError("Redis ended the connection") : absl::OkStatus();
  }

 private:
  void Receive() {
    std::string commands;
    size_t acks = 0;
    while (true) {
      const bool last = stopped_;
      if (!last) commands.append(read_);
      connection_.Append(commands);
      commands.clear();
      for (; acks > 0; --acks) {
        if (connection_.Read() == nullptr) return Fail();
      }
      if (last) return;
      const RedisReplyPtr reply = connection_.Read();
      if (reply == nullptr || reply->type == REDIS_REPLY_ERROR) return Fail();
      if (reply->type != REDIS_REPLY_ARRAY) continue;  // nothing came
      receiver_.Begin();
      for (size_t i = 0; i < reply->elements; ++i) {
        const redisReply& stream = *reply->element[i];
        AppendAck(*stream.element[0], *stream.element[1], commands);
        ++acks;
      }
      receiver_.End();
    }
  }

  // Checks the entries of a stream, and acks them.
  void AppendAck(const redisReply& stream, const redisReply& entries, std::string& commands) {
    words_.assign({"XACK", {stream.str, stream.len}, group_});
    for (size_t i = 0; i < entries.elements; ++i) {
      const redisReply& entry = *entries.element[i];
      words_.emplace_back(entry.element[0]->str, entry.element[0]->len);
      const redisReply& value = *entry.element[1]->element[1];
      receiver_.Check({value.str, value.len});
    }
    AppendRedisCommand(commands, words_);
  }

  void Fail() { failed_ = true; }

  const PeerSettings& settings_;
  const std::string group_;
  const std::vector<size_t> topics_;
  Receiver& receiver_;
  RedisConnection connection_;
  std::string read_;
  std::vector<std::string_view> words_;
  std::atomic<bool> stopped_ = false;
  std::atomic<bool> failed_ = false;
  std::thread thread_;
};

class RedisStreamsPeer final : public Peer {
 public:
  explicit RedisStreamsPeer(const PeerSettings& settings) : settings_(settings) {}

  void CleanUp() override {
    RedisConnection connection;
    if (!connection.Connect(settings_.server).ok()) return;
    for (const std::string& topic : settings_.topics) {
      connection.Run({"DEL", topic}).IgnoreError();
    }
  }
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<Publisher>(settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    return std::make_unique<Subscriber>(settings_, absl::StrCat("g", ++groups_), std::move(topics),
                                        receiver);
  }
  uint64_t window() const override { return kWindow; }

 private:
  const PeerSettings settings_;
  int groups_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakeRedisStreamsPeer(const PeerSettings& settings) {
  return std::make_unique<RedisStreamsPeer>(settings);
}

}  // namespace estiba::bench
