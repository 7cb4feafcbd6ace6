#pragma once

#include "broker/rpc/context.h"
#include "broker/rpc/unary.h"

namespace estiba {

// The function for a unary method of estiba.v1.Admin ("CreateTopic"); empty if there is none.
UnaryHandler::Function AdminMethod(RpcContext& context, std::string_view method);

}  // namespace estiba
