#pragma once

#include "broker/engine/request_table.h"

namespace estiba {

// A new address from the kernel's cryptographic source (getrandom), so that no client can guess
// another's. Threads: any.
ReplyAddress MakeReplyAddress();

}  // namespace estiba
