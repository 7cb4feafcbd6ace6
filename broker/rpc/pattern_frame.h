#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <vector>

#include "broker/engine/pattern_consumer.h"

namespace estiba {

// Adds the number of its topic to an encoded SubscribeResponse, whose bytes it shares.
grpc::ByteBuffer WithTopic(uint32_t number, const grpc::ByteBuffer& frame);
grpc::ByteBuffer EncodeTopicChanges(const std::vector<TopicChange>& changes);

}  // namespace estiba
