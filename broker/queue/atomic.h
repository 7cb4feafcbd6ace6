#pragma once

// The atomic type of everything lock-free in this folder. Tests compile the same sources against a
// simulated one, whose every access is a scheduling point of a seeded scheduler.
#ifdef ESTIBA_SIMULATED_ATOMICS
#include "tests/queue/simulation/atomic.h"
#else
#include <atomic>

namespace estiba {

template <typename T>
using Atomic = std::atomic<T>;

// Name accesses to plain memory whose order rests on atomics, so that the simulation can watch it.
inline void NoteRead(const void*) {}
inline void NoteWrite(const void*) {}

}  // namespace estiba
#endif
