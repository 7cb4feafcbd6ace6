#include "broker/rpc/request_call.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "broker/base/wire_reader.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/limits.h"
#include "broker/engine/message_check.h"
#include "broker/queue/record.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/status.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1.
enum RequestField : uint32_t { kTopic = 1, kMessage = 2 };
enum MessageField : uint32_t { kReplyTo = 15 };
enum ReplyToField : uint32_t { kAddress = 1, kDeadlineMs = 2 };

struct RequestView {
  std::string_view topic;
  std::string_view message;
  bool expires = false;
};

absl::Status ParseRequest(std::string_view bytes, RequestView* request) {
  const auto malformed = [] {
    return absl::InvalidArgumentError("request: not a well-formed estiba.v1.RequestRequest");
  };
  WireReader reader(bytes);
  bool has_message = false;
  while (!reader.AtEnd()) {
    uint32_t field = 0;
    uint32_t type = 0;
    if (!reader.ReadTag(&field, &type)) return malformed();
    if ((field != kTopic && field != kMessage) || type != WireReader::kLength) {
      if (!reader.Skip(type)) return malformed();
    } else if (field == kTopic) {
      if (!reader.ReadBytes(&request->topic)) return malformed();
    } else {
      if (!reader.ReadBytes(&request->message)) return malformed();
      if (std::exchange(has_message, true)) {
        return absl::InvalidArgumentError("message: a request has one");
      }
    }
  }
  if (absl::Status s = CheckName("topic", {request->topic.data(), request->topic.size()});
      !s.ok()) {
    return s;
  }
  if (!has_message) return absl::InvalidArgumentError("message: is required");
  MessageTimes times;
  const absl::Status status = CheckMessage(0, request->message, &times);
  request->expires = times.time_to_live_ms != 0;
  if (times.scheduled()) {
    return absl::InvalidArgumentError(
        "message.deliver_after_ms, deliver_at_ms: a caller waits, so a request is not scheduled");
  }
  if (status.ok()) return status;
  // CheckMessage speaks of a batch.
  return absl::InvalidArgumentError(
      absl::StrReplaceAll(status.message(), {{"messages[0]", "message"}}));
}

absl::Status NoResponders(std::string_view topic, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("no responders: ", why, " \"",
                                             absl::string_view(topic.data(), topic.size()), "\""));
}

}  // namespace

std::string RequestRecord(std::string_view message, const ReplyAddress& address,
                          int64_t deadline_unix_ms) {
  const std::array<char, ReplyAddress::kBytes> bytes = address.Encode();
  std::string reply_to;
  WireWriter reply_to_writer(reply_to);
  reply_to_writer.Bytes(kAddress, {bytes.data(), bytes.size()});
  reply_to_writer.Varint(kDeadlineMs, static_cast<uint64_t>(deadline_unix_ms));
  std::string front;
  WireWriter(front).Bytes(kReplyTo, reply_to);
  std::string record;
  record.reserve(8 + front.size() + message.size());
  record.push_back(kRecordTag);
  size_t n = front.size() + message.size();
  for (; n >= 0x80; n >>= 7) record.push_back(static_cast<char>(n | 0x80));
  record.push_back(static_cast<char>(n));
  record.append(front);
  record.append(message);
  return record;
}

// The call as the request table sees it.
class RequestCall::Waiter final : public PendingRequest {
 public:
  explicit Waiter(boost::intrusive_ptr<RequestCall> call) : call_(std::move(call)) {}

  void OnReply(std::string_view reply) override { call_->call_->WriteAndFinish(ToBuffer(reply)); }
  void OnNoReply(const absl::Status& status) override {
    call_->Abandon();
    call_->call_->Finish(status);
  }

 private:
  const boost::intrusive_ptr<RequestCall> call_;
};

class RequestCall::Batch final : public PublishCommand {
 public:
  Batch(boost::intrusive_ptr<RequestCall> call, std::string record, bool may_expire)
      : call_(std::move(call)), record_(std::move(record)) {
    records = record_.data();
    bytes = static_cast<uint32_t>(record_.size());
    count = 1;
    expires = may_expire;
    abandoned = &call_->abandoned_;
  }

  void Done() override {
    if (result.status.ok()) {
      call_->published_.store(true, std::memory_order_relaxed);
    } else if (call_->context_.requests.Cancel(call_->address_)) {
      call_->call_->Finish(result.status, result.retry_after_ms);
    }
    delete this;
  }

 private:
  const boost::intrusive_ptr<RequestCall> call_;
  const std::string record_;
};

RequestCall::RequestCall(RpcContext& context, CallPtr call)
    : context_(context), call_(std::move(call)) {}

void RequestCall::OnRead(grpc::ByteBuffer* message) {
  if (message == nullptr) return call_->Finish(absl::InvalidArgumentError("no request"));
  const ReceivedBytes bytes(message);
  if (absl::Status status = Begin(bytes.view()); !status.ok()) call_->Finish(status);
}

absl::Status RequestCall::Begin(std::string_view bytes) {
  if (context_.draining.load(std::memory_order_relaxed)) return ShuttingDown();
  RequestView request;
  if (absl::Status status = ParseRequest(bytes, &request); !status.ok()) return status;
  absl::StatusOr<TopicPtr> topic =
      context_.broker.GetTopic({request.topic.data(), request.topic.size()});
  if (!topic.ok() || !(*topic)->HasConsumers()) {
    context_.requests.CountNoResponders();
    return NoResponders(request.topic,
                        topic.ok() ? "no consumer is connected to topic" : "there is no topic");
  }
  topic_ = *std::move(topic);
  const int64_t wait_ms = WaitMillis();
  if (wait_ms <= 0) return absl::DeadlineExceededError("the deadline has passed");
  const absl::StatusOr<ReplyAddress> address =
      context_.requests.Add(new Waiter(this), context_.clock.SteadyMillis() + wait_ms);
  if (!address.ok()) return address.status();
  address_ = *address;
  waiting_ = true;
  const int64_t deadline_ms = context_.clock.WallMillis() + wait_ms;
  topic_->Publish(
      new Batch(this, RequestRecord(request.message, address_, deadline_ms), request.expires));
  return absl::OkStatus();
}

int64_t RequestCall::WaitMillis() const {
  const auto deadline = call_->deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return kDefaultRequestMs;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::system_clock::now());
  return std::min<int64_t>(left.count(), kMaxRequestMs);
}

void RequestCall::OnClosed(bool cancelled) {
  if (!cancelled || !waiting_) return;
  if (context_.requests.Cancel(address_)) Abandon();
}

void RequestCall::Abandon() {
  abandoned_.store(true, std::memory_order_relaxed);
  if (!published_.load(std::memory_order_relaxed)) topic_->DropAbandoned();
}

}  // namespace estiba
