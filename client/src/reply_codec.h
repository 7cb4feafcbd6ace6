// Requests and replies on the wire. Free functions; no state.
#ifndef ESTIBA_CLIENT_SRC_REPLY_CODEC_H_
#define ESTIBA_CLIENT_SRC_REPLY_CODEC_H_

#include <grpcpp/support/byte_buffer.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "estiba/message.h"

namespace estiba::internal {

// An encoded RequestRequest.
grpc::ByteBuffer EncodeRequest(const std::string& topic, const Message& message);
// What a RequestResponse brought: the reply, or the responder's error, marked as such.
absl::StatusOr<Message> DecodeReply(const grpc::ByteBuffer& response);

// An encoded estiba.v1.Reply.
std::string EncodeReply(std::string_view address, const absl::StatusOr<Message>& reply);

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_REPLY_CODEC_H_
