// Runs a small concurrent program under many schedules, one step at a time, on one thread.
#ifndef TESTS_QUEUE_SIMULATION_EXPLORE_H_
#define TESTS_QUEUE_SIMULATION_EXPLORE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace estiba::simulation {

// One execution of a program: its threads, and what must be true in the end. Everything they share
// is made anew for each execution and kept by the functions (a shared_ptr in their captures).
class Program {
 public:
  // At most kMaxThreads - 1. What the setting up did happens before a thread starts.
  void Thread(std::function<void()> body) { threads.push_back(std::move(body)); }
  // After all threads have ended, which happens before it.
  void Finally(std::function<void()> check) { finally = std::move(check); }

  std::vector<std::function<void()>> threads;
  std::function<void()> finally;
};

using SetUp = std::function<void(Program&)>;

// How far ExploreAll goes from the plain execution: switches away from a thread that could have
// gone on, loads of an overwritten value, compare_exchange_weak failing for no reason.
struct Bounds {
  int preemptions = 2;
  int stale_loads = 1;
  int spurious_failures = 1;
};

struct Outcome {
  uint64_t executions = 0;
  // Of the first execution that failed, with what repeats it; empty if none did.
  std::string failure;
};

// Every execution within the bounds.
Outcome ExploreAll(const Bounds& bounds, const SetUp& set_up);
// So many executions with choices by chance.
Outcome ExploreRandomly(uint64_t seed, uint64_t executions, const SetUp& set_up);

// --- For the program's own functions ---

// Fails the execution; only the first reason is kept. The program goes on.
void Fail(const std::string& reason);
inline void Check(bool condition, const char* what) {
  if (!condition) Fail(what);
}
// Stands still until the condition holds. It is looked at from outside of the program: it must not
// use atomics or Vars, and says nothing about what the thread knows afterwards. If nobody can go on
// the execution fails, and the call does not return (it throws, to unwind the thread).
void WaitUntil(std::function<bool()> condition);

}  // namespace estiba::simulation

#endif  // TESTS_QUEUE_SIMULATION_EXPLORE_H_
