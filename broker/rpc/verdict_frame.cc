#include "broker/rpc/verdict_frame.h"

#include <string>

#include "broker/base/wire_writer.h"
#include "broker/rpc/bytes.h"

namespace estiba {
namespace {

// Field numbers of estiba.v1. Settlement and Outcome have the values of Verdict.Of and .Outcome.
constexpr uint32_t kVerdicts = 13;
enum VerdictsField : uint32_t { kTopic = 1, kList = 2, kMore = 3 };
enum VerdictField : uint32_t { kOf = 1, kOutcome = 2, kFirst = 3, kLast = 4 };

}  // namespace

grpc::ByteBuffer EncodeVerdicts(const std::vector<Verdicts>& verdicts) {
  std::string response;
  std::string body;
  std::string entry;
  for (const Verdicts& of_update : verdicts) {
    body.clear();
    WireWriter body_writer(body);
    if (of_update.topic != 0) body_writer.Varint(kTopic, of_update.topic);
    for (const Verdict& verdict : of_update.list) {
      entry.clear();
      WireWriter writer(entry);
      if (verdict.of != Settlement::kAck) writer.Varint(kOf, static_cast<uint64_t>(verdict.of));
      if (verdict.outcome != Outcome::kDone) {
        writer.Varint(kOutcome, static_cast<uint64_t>(verdict.outcome));
      }
      writer.Varint(kFirst, verdict.range.first);
      writer.Varint(kLast, verdict.range.last);
      body_writer.Bytes(kList, entry);
    }
    if (of_update.more) body_writer.Varint(kMore, 1);
    WireWriter(response).Bytes(kVerdicts, body);
  }
  return ToBuffer(response);
}

}  // namespace estiba
