#pragma once

#include <grpcpp/completion_queue.h>

#include "broker/engine/executor.h"

namespace estiba {

// Serves a completion queue until it is shut down, on the calling thread: the queue's only one.
//
// Where single small messages come one after the other, faster than they are worked off, a turn of
// the topic, a delivery and an answer for each would cost several times what reading them does. So
// while such messages keep coming, their consequences are held back until no event is waiting, or
// 32 events or 16 KiB have come, and then worked off together: one turn, one frame, one response.
// At low load nothing waits.
void ServeEvents(grpc::CompletionQueue& queue, Executor& executor);

}  // namespace estiba
