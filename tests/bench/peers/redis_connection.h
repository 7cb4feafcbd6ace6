// What Redis Pub/Sub and Redis Streams share: a connection of hiredis, and commands in pipelines.
#ifndef TESTS_BENCH_PEERS_REDIS_CONNECTION_H_
#define TESTS_BENCH_PEERS_REDIS_CONNECTION_H_

#include <hiredis/hiredis.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tests/bench/peer.h"

namespace estiba::bench {

struct RedisReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RedisReplyPtr = std::unique_ptr<redisReply, RedisReplyDeleter>;

// Appends a command in the form in which it travels.
void AppendRedisCommand(std::string& commands, absl::Span<const std::string_view> words);

// One thread at a time, except Shutdown.
class RedisConnection {
 public:
  absl::Status Connect(const std::string& host_and_port);
  // The commands count as sent when their replies are waited for.
  void Append(const std::string& commands) {
    redisAppendFormattedCommand(context_.get(), commands.data(), commands.size());
  }
  // Sends all that was appended.
  absl::Status Write();
  // The next reply; sends what was appended. Null: the connection is gone, see Failure.
  RedisReplyPtr Read();
  // The next reply, which is only looked at for errors: nothing is made of it.
  absl::Status Skip();
  absl::Status Run(absl::Span<const std::string_view> words);
  absl::Status Failure() const;
  // Lets a Read that waits return. Any thread.
  void Shutdown();
  // Skip is used from now on, and not Read.
  void SkipReplies();

 private:
  struct Deleter {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Deleter> context_;
};

// Publishes by one command for each message, in pipelines. While the server works on one piece, the
// next is written.
class RedisPublisher : public PeerPublisher {
 public:
  explicit RedisPublisher(const PeerSettings& settings) : settings_(settings) {}
  absl::Status Connect() override;
  absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) final;
  absl::Status Flush() final { return SkipUntil(0); }

 protected:
  // The words of the command before the payload.
  virtual std::vector<std::string> Command(const std::string& topic) const = 0;
  const PeerSettings& settings_;

 private:
  absl::Status SkipUntil(size_t left);

  RedisConnection connection_;
  // By topic: the command, encoded as far as the payload's text.
  std::vector<std::string> commands_;
  std::string buffer_;
  size_t unanswered_ = 0;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEERS_REDIS_CONNECTION_H_
