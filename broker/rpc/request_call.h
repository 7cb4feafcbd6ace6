#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "broker/engine/request_table.h"
#include "broker/engine/topic.h"
#include "broker/rpc/call.h"
#include "broker/rpc/context.h"

namespace estiba {

// A message as a record (queue/record.h) to which somebody awaits a reply.
std::string RequestRecord(std::string_view message, const ReplyAddress& address,
                          int64_t deadline_unix_ms);

// Broker.Request: publishes one message and waits for the reply to it.
//
// Whoever takes the call out of the request table finishes it: the reply, its deadline, a publish
// that failed. A client that goes away takes it out and leaves it at that.
class RequestCall final : public CallHandler {
 public:
  RequestCall(RpcContext& context, CallPtr call);

  void OnStart() override { call_->Read(); }
  void OnRead(grpc::ByteBuffer* message) override;
  void OnWritten(bool) override {}
  void OnClosed(bool cancelled) override;
  void End(const absl::Status&) override {}  // through the request table

 private:
  class Waiter;
  class Batch;

  absl::Status Begin(std::string_view request);
  // Milliseconds that the caller waits; 0 or less: no longer.
  int64_t WaitMillis() const;
  // Nobody waits any more: a batch that is still waiting for room is not taken.
  void Abandon();

  RpcContext& context_;
  const CallPtr call_;
  // Set in OnRead, in this order, before anybody else may look.
  TopicPtr topic_;
  ReplyAddress address_;
  bool waiting_ = false;
  std::atomic<bool> published_{false};
  std::atomic<bool> abandoned_{false};
};

}  // namespace estiba
