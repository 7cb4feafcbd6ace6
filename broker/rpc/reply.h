#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "broker/engine/request_table.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/context.h"
#include "broker/rpc/unary.h"

namespace estiba {

// A checked estiba.v1.Reply. The body is a view into the request that brought it: the fields that a
// RequestResponse has under the same numbers.
struct ReplyView {
  ReplyAddress address;
  std::string_view body;
};

// Takes an encoded Reply apart and checks it. INVALID_ARGUMENT: names what of `field` is wrong.
absl::Status ParseReply(absl::string_view field, std::string_view encoded, ReplyView* reply);

// Broker.Reply.
UnaryHandler::Function ReplyMethod(RpcContext& context);

// The replies in a SubscribeRequest. They are forwarded as they came, without being decoded.
// Threads: one at a time. Lifetime: one request.
class StreamReplies {
 public:
  // Takes the replies out of `message`, which keeps the rest.
  absl::Status Take(grpc::ByteBuffer* message);
  // Sends them on their way.
  void Deliver(RequestTable& requests) const;

 private:
  ReceivedBytes bytes_;
  std::vector<ReplyView> replies_;
};

}  // namespace estiba
