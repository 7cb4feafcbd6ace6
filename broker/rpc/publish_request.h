#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace estiba {

// A PublishRequest or PublishOnceRequest taken apart, without decoding its messages. Views point
// into the request's bytes, or into `gathered`.
struct PublishRequestView {
  std::string_view topic;
  std::string_view records;  // the `messages` fields, back to back: records as in queue/record.h
  uint32_t count = 0;
  // See PublishCommand.
  bool scheduled = false;
  bool expires = false;
  uint64_t batch = 0;
  std::string_view producer;
  std::string_view dedup_id;
  uint64_t max_answer_delay_ms = 0;
  bool answer_now = false;
  // Why the batch cannot be taken, though the request could be read.
  absl::Status refusal;
  // Only used where a client's encoder has put other fields between the messages.
  std::string gathered;

  // Otherwise it only asks for answers.
  bool is_batch() const {
    return !answer_now || count > 0 || batch != 0 || !topic.empty() || !producer.empty() ||
           !dedup_id.empty() || max_answer_delay_ms != 0;
  }
};

// The topic of a request that begins with it, as most encoders write it; otherwise empty. Only a
// hint: it may be followed by another, or the rest be no request.
std::string_view PeekTopic(std::string_view bytes);

// Takes a request apart and checks its messages. False: not a well-formed request, which ends the
// stream.
bool ParsePublishRequest(std::string_view bytes, PublishRequestView* request);

}  // namespace estiba
