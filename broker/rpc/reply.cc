#include "broker/rpc/reply.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "broker/base/wire_reader.h"
#include "broker/engine/limits.h"
#include "broker/engine/message_check.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1.
enum ReplyField : uint32_t { kAddress = 1, kMessage = 2, kError = 3 };
enum ErrorField : uint32_t { kCode = 1, kErrorMessage = 2, kRetryAfter = 3 };
enum ReplyRequestField : uint32_t { kReply = 1 };
enum SubscribeRequestField : uint32_t { kReplies = 20 };

constexpr uint64_t kLastCode = 16;  // of google.rpc.Code

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, what));
}

absl::Status CheckError(absl::string_view field, std::string_view encoded) {
  WireReader reader(encoded);
  uint64_t code = 0;
  while (!reader.AtEnd()) {
    uint32_t number = 0;
    uint32_t type = 0;
    std::string_view text;
    if (!reader.ReadTag(&number, &type)) return Invalid(field, ".error: is not well formed");
    if (number == kCode && type == WireReader::kVarint) {
      if (!reader.ReadVarint(&code)) return Invalid(field, ".error: is not well formed");
    } else if (number == kErrorMessage && type == WireReader::kLength) {
      if (!reader.ReadBytes(&text)) return Invalid(field, ".error: is not well formed");
      if (text.size() > kMaxErrorBytes) {
        return Invalid(field, absl::StrCat(".error.message: ", text.size(), " bytes: at most ",
                                           kMaxErrorBytes));
      }
      if (!IsUtf8(text)) return Invalid(field, ".error.message: is UTF-8");
    } else if (!reader.Skip(type)) {
      return Invalid(field, ".error: is not well formed");
    }
  }
  if (code == 0 || code > kLastCode) {
    return Invalid(field, absl::StrCat(".error.code: ", code, ": from 1 to ", kLastCode));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseReply(absl::string_view field, std::string_view encoded, ReplyView* reply) {
  WireReader reader(encoded);
  bool has_address = false;
  while (!reader.AtEnd()) {
    const char* const start = reader.position();
    uint32_t number = 0;
    uint32_t type = 0;
    std::string_view value;
    if (!reader.ReadTag(&number, &type) || number > kError || type != WireReader::kLength ||
        !reader.ReadBytes(&value)) {
      return Invalid(field, ": not a well-formed estiba.v1.Reply");
    }
    if (number == kAddress) {
      has_address = ReplyAddress::Decode(value, &reply->address);
      if (!has_address) {
        return Invalid(
            field, absl::StrCat(".address: ", value.size(), " bytes: has ", ReplyAddress::kBytes));
      }
      continue;
    }
    if (!reply->body.empty()) return Invalid(field, ": has one of message and error, once");
    reply->body = {start, static_cast<size_t>(reader.position() - start)};
    MessageTimes times;
    absl::Status status =
        number == kError ? CheckError(field, value) : CheckMessage(0, value, &times);
    if (status.ok() && times.scheduled()) {
      status = Invalid(
          field, ".message.deliver_after_ms, deliver_at_ms: a reply goes out at once, or never");
    }
    if (!status.ok() && number == kMessage) {
      // CheckMessage speaks of a batch.
      status = absl::InvalidArgumentError(absl::StrReplaceAll(
          status.message(), {{"messages[0]", absl::StrCat(field, ".message")}}));
    }
    if (!status.ok()) return status;
  }
  if (!has_address) return Invalid(field, ".address: is required");
  if (reply->body.empty()) return Invalid(field, ": message or error is required");
  return absl::OkStatus();
}

UnaryHandler::Function ReplyMethod(RpcContext& context) {
  return [&context](std::string_view request) -> absl::StatusOr<std::string> {
    WireReader reader(request);
    ReplyView reply;
    bool found = false;
    while (!reader.AtEnd()) {
      uint32_t number = 0;
      uint32_t type = 0;
      std::string_view value;
      if (!reader.ReadTag(&number, &type)) return Invalid("request", ": is not well formed");
      if (number != kReply || type != WireReader::kLength) {
        if (!reader.Skip(type)) return Invalid("request", ": is not well formed");
        continue;
      }
      if (!reader.ReadBytes(&value)) return Invalid("request", ": is not well formed");
      reply = {};
      if (absl::Status status = ParseReply("reply", value, &reply); !status.ok()) return status;
      found = true;
    }
    if (!found) return Invalid("reply", ": is required");
    if (!context.requests.Reply(reply.address, reply.body)) {
      return absl::NotFoundError("reply.address: nobody waits there (any more)");
    }
    return std::string();
  };
}

absl::Status StreamReplies::Take(grpc::ByteBuffer* message) {
  bytes_ = ReceivedBytes(message);
  std::string rest;
  const char* taken_to = bytes_.view().data();
  WireReader reader(bytes_.view());
  bool well_formed = bytes_.ok();
  while (well_formed && !reader.AtEnd()) {
    const char* const start = reader.position();
    uint32_t number = 0;
    uint32_t type = 0;
    well_formed = reader.ReadTag(&number, &type);
    if (!well_formed) break;
    if (number != kReplies || type != WireReader::kLength) {
      well_formed = reader.Skip(type);
      continue;
    }
    std::string_view value;
    well_formed = reader.ReadBytes(&value);
    if (!well_formed) break;
    if (replies_.size() == kMaxReplies) {
      return Invalid("replies", absl::StrCat(": more than ", kMaxReplies, " entries"));
    }
    const std::string field = absl::StrCat("replies[", replies_.size(), "]");
    replies_.emplace_back();
    if (absl::Status status = ParseReply(field, value, &replies_.back()); !status.ok()) {
      return status;
    }
    rest.append(taken_to, static_cast<size_t>(start - taken_to));
    taken_to = reader.position();
  }
  if (well_formed && !replies_.empty()) {
    const char* const end = bytes_.view().data() + bytes_.view().size();
    rest.append(taken_to, static_cast<size_t>(end - taken_to));
    *message = ToBuffer(rest);
  } else {
    // Nothing for us; what is malformed is told by who reads the rest.
    replies_.clear();
    *message = bytes_.ToBuffer();
  }
  return absl::OkStatus();
}

void StreamReplies::Deliver(RequestTable& requests) const {
  for (const ReplyView& reply : replies_) requests.Reply(reply.address, reply.body);
}

}  // namespace estiba
