// What another process of this machine has used. Thread-safe: no state.
#ifndef TESTS_BENCH_PROCESS_USAGE_H_
#define TESTS_BENCH_PROCESS_USAGE_H_

#include <cstdint>

namespace estiba::bench {

// Processor time of all its threads that live, in seconds; 0 if there is no such process.
double ProcessorSeconds(int pid);
// Resident memory in bytes.
uint64_t ResidentBytes(int pid);

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PROCESS_USAGE_H_
