#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/engine/subscription.h"

namespace grpc {
class ByteBuffer;
}

namespace estiba {

// A checked SubscribeRequest.Start.
struct SubscribeStart {
  std::string topic;
  std::string subscription;
  StartPosition from;
  SubscriptionConfig config;  // ack_deadline_ms 0: not said
  ConsumerOptions options;
};

struct SubscribeRequestView {
  bool has_start = false;
  SubscribeStart start;
  ConsumerUpdate update;
  // Of a subscription over a pattern: by the number of the topic.
  std::vector<std::pair<uint32_t, ConsumerUpdate>> topic_updates;
  bool stop = false;

  // How much it says of messages.
  size_t entries() const {
    size_t sum = update.entries();
    for (const auto& [topic, settled] : topic_updates) sum += settled.entries();
    return sum;
  }
};

// Decodes and checks a request. `first`: whether it opens the stream, and so must carry `start`;
// `mode`: the stream's, for later ones.
absl::StatusOr<SubscribeRequestView> ParseSubscribeRequest(grpc::ByteBuffer* bytes, bool first,
                                                           AckMode mode);

}  // namespace estiba
