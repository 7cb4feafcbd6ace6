#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "broker/engine/consumer.h"

namespace estiba {

// The encoded estiba.v1.SubscribeResponse for what a consumer is sent. A delivery is a short header
// and the stored bytes of its runs, by reference: the buffer keeps their segments until gRPC has
// sent it. Small runs are copied.
grpc::ByteBuffer EncodeDelivery(const Delivery& delivery);
grpc::ByteBuffer EncodeGap(const Gap& gap);
grpc::ByteBuffer EncodeStarted(const Started& started);

}  // namespace estiba
