#pragma once

#include <string>
#include <vector>

#include "broker/rpc/call.h"
#include "broker/rpc/context.h"

namespace estiba {

// The services of this server, by full name.
std::vector<std::string> ServiceNames();

// The handler for a call's method; one that says UNIMPLEMENTED for a method there is not.
CallHandlerPtr Route(RpcContext& context, const CallPtr& call);

}  // namespace estiba
