#include "client/src/reply_codec.h"

#include "absl/strings/cord.h"
#include "client/src/admin_codec.h"
#include "client/src/connection.h"
#include "client/src/duration_codec.h"
#include "client/src/frame_buffer.h"
#include "client/src/status.h"
#include "client/src/wire.h"
#include "estiba/requester.h"
#include "estiba/v1/broker.pb.h"

namespace estiba {
namespace {

// Marks a status as the responder's.
constexpr char kResponderUrl[] = "estiba.v1/responder";
// Longest message of an error that the broker takes.
constexpr size_t kMaxErrorBytes = 1024;

}  // namespace

bool IsResponderError(const absl::Status& status) {
  return status.GetPayload(kResponderUrl).has_value();
}

namespace internal {

using wire::Reader;
using wire::Tag;
using wire::Type;

grpc::ByteBuffer EncodeRequest(const std::string& topic, const Message& message) {
  v1::RequestRequest request;
  request.set_topic(topic);
  ToProto(message, *request.mutable_message());
  return Serialize(request);
}

absl::StatusOr<Message> DecodeReply(const grpc::ByteBuffer& response) {
  grpc::Slice slice;
  if (!response.TrySingleSlice(&slice).ok() && !response.DumpToSingleSlice(&slice).ok()) {
    return absl::InternalError("the reply is unreadable");
  }
  Reader reader(std::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()));
  while (reader.Next()) {
    if (reader.tag() == Tag(2, Type::kBytes)) {
      MessageView view;
      if (!MessageViewBuilder::Parse(reader.bytes(), view)) break;
      return view.ToMessage();
    }
    if (reader.tag() == Tag(3, Type::kBytes)) {
      absl::Status status = ParseError(reader.bytes());
      if (status.ok()) break;
      status.SetPayload(kResponderUrl, absl::Cord());
      return status;
    }
  }
  return absl::InternalError("the reply is unreadable");
}

std::string EncodeReply(std::string_view address, const absl::StatusOr<Message>& reply) {
  v1::Reply out;
  out.set_address(std::string(address));
  if (reply.ok()) {
    ToProto(*reply, *out.mutable_message());
  } else {
    const absl::Status& status = reply.status();
    out.mutable_error()->set_code(static_cast<int>(status.code()));
    std::string text(status.message());
    if (text.size() > kMaxErrorBytes) {
      // Not in the middle of a character.
      size_t end = kMaxErrorBytes;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
      text.resize(end);
    }
    out.mutable_error()->set_message(std::move(text));
    if (const auto after = RetryAfter(status)) {
      ToProto(*after, *out.mutable_error()->mutable_retry_after());
    }
  }
  return out.SerializeAsString();
}

}  // namespace internal
}  // namespace estiba
