// Messages as JSON: what `estiba sub --json` writes and `estiba pub --json-lines` reads.
//
// Thread-safe: free functions without state.
#ifndef CLIENT_CLI_MESSAGE_JSON_H_
#define CLIENT_CLI_MESSAGE_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "estiba/message.h"
#include "estiba/subscriber.h"

namespace estiba::cli {

bool IsUtf8(std::string_view bytes);

// Appends one line:
//   {"topic":"t","sequence":1,"publish_time":"2026-11-22T03:00:00.123Z","attempt":1,
//    "ordering_key":"k","time_to_live_ms":60000,"attributes":{"a":"b"},"data":"text"}
// "data_base64" takes the place of "data" where the payload is not UTF-8; what is not there is left
// out.
void AppendMessageJson(std::string& out, std::string_view topic, const MessageView& message);

// Appends one line: {"topic":"t","gap":{"first":5,"last":9,"reason":"retention"}}
void AppendGapJson(std::string& out, std::string_view topic, const Gap& gap);

// One line of JSON: {"data": ..., or "data_base64": ..., "attributes": {...}, "ordering_key": ...,
// "deliver_after_ms": ..., or "deliver_at_ms": ..., "time_to_live_ms": ...}, all optional. What
// `sub --json` adds (topic, sequence, publish_time, attempt) is passed over, so that its output can
// be published again. INVALID_ARGUMENT says what is wrong; NOT_FOUND: the line tells of a gap,
// there is no message.
absl::StatusOr<Message> ParseMessageJson(std::string_view line);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_MESSAGE_JSON_H_
