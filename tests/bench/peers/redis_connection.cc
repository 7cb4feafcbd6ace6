#include "tests/bench/peers/redis_connection.h"

#include <sys/socket.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace estiba::bench {
namespace {

// Commands that may be unanswered when the next piece is written: two pieces.
constexpr size_t kMostUnanswered = 1024;

}  // namespace

void AppendRedisCommand(std::string& commands, absl::Span<const std::string_view> words) {
  absl::StrAppend(&commands, "*", words.size(), "\r\n");
  for (const std::string_view word : words) {
    absl::StrAppend(&commands, "$", word.size(), "\r\n");
    commands.append(word);
    commands.append("\r\n");
  }
}

absl::Status RedisConnection::Connect(const std::string& host_and_port) {
  const size_t colon = host_and_port.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError("the server is HOST:PORT");
  context_.reset(redisConnect(host_and_port.substr(0, colon).c_str(),
                              std::atoi(host_and_port.c_str() + colon + 1)));
  return context_ == nullptr || context_->err != 0 ? Failure() : absl::OkStatus();
}

absl::Status RedisConnection::Write() {
  int done = 0;
  while (done == 0) {
    if (redisBufferWrite(context_.get(), &done) != REDIS_OK) return Failure();
  }
  return absl::OkStatus();
}

RedisReplyPtr RedisConnection::Read() {
  void* reply = nullptr;
  redisGetReply(context_.get(), &reply);
  return RedisReplyPtr(static_cast<redisReply*>(reply));
}

void RedisConnection::SkipReplies() {
  // Without functions the reader makes nothing, and gives the kind of the reply for the reply.
  context_->reader->fn = nullptr;
#if HIREDIS_MAJOR >= 1
  // It would look into a reply, to tell what the server pushes; nothing is pushed here.
  redisSetPushCallback(context_.get(), nullptr);
#endif
}

absl::Status RedisConnection::Skip() {
  void* reply = nullptr;
  if (redisGetReply(context_.get(), &reply) != REDIS_OK) return Failure();
  if (reinterpret_cast<size_t>(reply) == REDIS_REPLY_ERROR) {
    return absl::UnavailableError("Redis refused a command");
  }
  return absl::OkStatus();
}

absl::Status RedisConnection::Run(absl::Span<const std::string_view> words) {
  std::string command;
  AppendRedisCommand(command, words);
  Append(command);
  const RedisReplyPtr reply = Read();
  if (reply == nullptr) return Failure();
  if (reply->type != REDIS_REPLY_ERROR) return absl::OkStatus();
  return absl::UnavailableError(std::string(reply->str, reply->len));
}

absl::Status RedisConnection::Failure() const {
  return absl::UnavailableError(
      absl::StrCat("Redis: ", context_ == nullptr ? "no memory" : context_->errstr));
}

void RedisConnection::Shutdown() {
  if (context_ != nullptr) shutdown(context_->fd, SHUT_RDWR);
}

absl::Status RedisPublisher::Connect() {
  for (const std::string& topic : settings_.topics) {
    const std::vector<std::string> words = Command(topic);
    std::string& command = commands_.emplace_back();
    std::vector<std::string_view> all(words.begin(), words.end());
    const std::string payload(settings_.size, ' ');
    all.push_back(payload);
    AppendRedisCommand(command, all);
    command.resize(command.size() - payload.size() - 2);
  }
  const absl::Status status = connection_.Connect(settings_.server);
  if (status.ok()) connection_.SkipReplies();
  return status;
}

absl::Status RedisPublisher::Publish(size_t topic, absl::Span<const std::string_view> payloads) {
  const std::string& command = commands_[topic];
  buffer_.clear();
  for (const std::string_view payload : payloads) {
    buffer_.append(command).append(payload).append("\r\n");
  }
  connection_.Append(buffer_);
  if (absl::Status status = connection_.Write(); !status.ok()) return status;
  unanswered_ += payloads.size();
  return SkipUntil(kMostUnanswered);
}

absl::Status RedisPublisher::SkipUntil(size_t left) {
  for (; unanswered_ > left; --unanswered_) {
    if (absl::Status status = connection_.Skip(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace estiba::bench
