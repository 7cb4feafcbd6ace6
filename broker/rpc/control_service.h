#pragma once

#include <string_view>

#include "broker/rpc/async_unary.h"
#include "broker/rpc/context.h"

namespace estiba {

// The methods of the Admin service that a subscription answers in a turn of its own: purge, pause,
// resume, seek, taking a snapshot. Null: there is no such method.
AsyncUnaryHandler::Function ControlMethod(RpcContext& context, std::string_view method);

}  // namespace estiba
