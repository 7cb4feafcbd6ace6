#pragma once

#include <grpcpp/completion_queue.h>

#include <chrono>

#include "broker/engine/executor.h"

namespace estiba {

// Serves a completion queue until it is shut down, on the calling thread: the queue's only one.
//
// Where single small messages come one after the other, faster than they are worked off, a turn of
// the topic, a delivery and an answer for each would cost several times what reading them does. So
// once messages have come together, and until 16 in a row have come alone, the consequences of a
// message are held back until those that came with it are taken in, 32 events or 16 KiB at most,
// and then worked off together: one turn, one frame, one response. Nothing waits for what is not
// there yet.
//
// busy_poll: how long it looks for an event before it sleeps, where small messages come that soon
// after one another (BusyPoll); meanwhile it offers the processor to others. Zero: not at all. Only
// for the one thread of a process that serves events: with several, most of gRPC's looking is done
// by another.
void ServeEvents(grpc::CompletionQueue& queue, Executor& executor,
                 std::chrono::nanoseconds busy_poll);

// Whether this thread is taking messages in that came together; and, only then, something to run on
// it when it has taken them in: before their consequences.
bool TakingTogether();
void RunWhenTaken(Runnable* runnable);

// As Executor::Run; but on a thread that serves events only after those that are there already, or
// a few dozen of them. For what is cheaper together and keeps no message waiting, such as answers;
// looking for events that are there takes a microsecond.
void RunAfterEvents(Executor& executor, Runnable* runnable);

}  // namespace estiba
