#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <vector>

#include "broker/engine/verdict.h"

namespace estiba {

// The encoded estiba.v1.SubscribeResponse for verdicts.
grpc::ByteBuffer EncodeVerdicts(const std::vector<Verdicts>& verdicts);

}  // namespace estiba
