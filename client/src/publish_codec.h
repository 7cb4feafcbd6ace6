// PublishRequest and PublishResponse on the wire. Free functions; no threads, no state.
#ifndef ESTIBA_CLIENT_SRC_PUBLISH_CODEC_H_
#define ESTIBA_CLIENT_SRC_PUBLISH_CODEC_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace estiba::internal {

// One estiba.v1.BatchResult.
struct BatchResult {
  uint64_t batch = 0;
  uint64_t first_sequence = 0;
  uint32_t count = 0;
  bool duplicate = false;
  absl::Status error;
  uint32_t scheduled = 0;
};

// What goes with the first request of a stream only; empty in others.
struct PublishStreamStart {
  std::string_view topic;
  std::string_view producer;
  uint32_t max_answer_delay_ms = 0;
};

// A PublishRequest: a header in front of `records`, which are referred to, not copied. answer_now:
// neither its answer nor an earlier one is to be held back.
grpc::ByteBuffer EncodePublishRequest(const PublishStreamStart& start, uint64_t batch,
                                      const grpc::Slice& records, bool answer_now = false);

// Asks for the answers that the broker holds back.
grpc::ByteBuffer EncodeAnswerNow();

// Replaces `results`. False: this is no well-formed PublishResponse.
bool ParsePublishResponse(const grpc::ByteBuffer& buffer, std::vector<BatchResult>& results);
bool ParsePublishResponse(std::string_view encoded, std::vector<BatchResult>& results);

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_PUBLISH_CODEC_H_
