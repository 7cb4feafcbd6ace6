// The memory of this process as the operating system counts it. Thread-safe: no state.
#ifndef BROKER_OPS_PROCESS_MEMORY_H_
#define BROKER_OPS_PROCESS_MEMORY_H_

#include <cstdint>

namespace estiba {

// Resident set size, now. A read of /proc/self/statm (some microseconds); 0 if that fails.
uint64_t ResidentBytes();

// Gives free pages of the C library's heaps back to the operating system. Takes each heap's lock in
// turn and may need milliseconds: call it from a timer, not from a hot path. True if something was
// given back; false also where the C library cannot (other than glibc).
bool ReturnFreeMemory();

// Lets the C library keep 4 MiB of freed buffers at hand in each of its heaps, where it would by
// default give each large one back to the operating system and take page faults for the next: a
// sixth of the throughput with messages of 1 KiB. ReturnFreeMemory still gives back what lies
// unused. Before any thread is made.
void KeepBuffersAtHand();

}  // namespace estiba

#endif  // BROKER_OPS_PROCESS_MEMORY_H_
