// The simulated memory: atomics that may show old values, and a detector of data races.
#ifndef TESTS_QUEUE_SIMULATION_MEMORY_H_
#define TESTS_QUEUE_SIMULATION_MEMORY_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace estiba::simulation {

// Threads of a program, with the one that sets it up (number 0).
inline constexpr int kMaxThreads = 6;

// A vector clock: how far into each thread's past somebody can see ("happens before").
struct Clock {
  std::array<uint32_t, kMaxThreads> times{};

  void Join(const Clock& other);
  bool Covers(int thread, uint32_t time) const { return times[thread] >= time; }
};

// The history of one atomic variable. A load may return any store that the loading thread does not
// know to be overwritten; read-modify-writes act on the newest one. An acquire that reads from a
// release (or from the read-modify-writes that follow it) takes over the releaser's knowledge.
//
// Leaves out, as every simulator that runs a program step by step: loads that see stores of the
// future (load buffering), and stores that are ordered before ones that were executed earlier.
class Cell {
 public:
  explicit Cell(uint64_t value);

  uint64_t Load(std::memory_order order) const;
  void Store(uint64_t value, std::memory_order order);
  // A read-modify-write in two halves, with nothing in between.
  uint64_t BeginChange(std::memory_order order);
  void EndChange(uint64_t value, std::memory_order order);
  bool CompareExchange(uint64_t& expected, uint64_t desired, std::memory_order success,
                       std::memory_order failure, bool weak);

 private:
  struct Entry {
    uint64_t value;
    Clock released;                          // what an acquire of it takes over
    std::array<uint32_t, kMaxThreads> seen;  // when each thread first knew of it; 0: it does not
  };

  size_t OldestVisible() const;
  void Read(size_t index, std::memory_order order) const;
  void Push(uint64_t value, const Clock& released);

  mutable std::vector<Entry> history_;
  bool trimmed_ = false;
};

// What is known about one place in plain memory.
struct Shadow {
  int writer = -1;
  uint32_t write_time = 0;
  std::array<uint32_t, kMaxThreads> reads{};
};

// An access to plain memory that several threads use, named by its address. Two of them, one a
// write, without a happens-before between them, fail the execution.
void NotePlainRead(const void* address);
void NotePlainWrite(const void* address);
// The address is going to stand for something new.
void ForgetPlain(const void* address);

}  // namespace estiba::simulation

#endif  // TESTS_QUEUE_SIMULATION_MEMORY_H_
