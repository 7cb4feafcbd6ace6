// The state of one execution: fibers, clocks, choices. For the files of this folder alone.
#ifndef TESTS_QUEUE_SIMULATION_WORLD_H_
#define TESTS_QUEUE_SIMULATION_WORLD_H_

#include <ucontext.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "tests/queue/simulation/explore.h"
#include "tests/queue/simulation/memory.h"

namespace estiba::simulation {

// Decides. Both kinds of exploration are one of these.
class Chooser {
 public:
  virtual ~Chooser() = default;
  // Which of `others` threads to switch to, or -1 to go on with the running one.
  virtual int Preempt(int others) = 0;
  // Which of `threads` goes on where the running one cannot.
  virtual int Next(int threads) = 0;
  // 0: the newest of `visible` values, 1: the one before, ...
  virtual size_t Age(size_t visible) = 0;
  virtual bool SpuriousFailure() = 0;
};

class World {
 public:
  explicit World(Chooser& chooser);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The one that exists; it is a mistake to ask outside of an execution.
  static World& Current();

  // Runs the threads, then the final check. Returns why it failed, or nothing.
  std::string Run(Program& program);

  void Point();
  void Wait(std::function<bool()> condition);
  size_t ChooseAge(size_t visible);
  bool ChooseSpuriousFailure();
  void Fail(const std::string& reason);

  int thread() const { return running_; }
  Clock& clock() { return clocks_[running_]; }
  uint32_t now() const { return clocks_[running_].times[running_]; }
  void Tick() { ++clocks_[running_].times[running_]; }
  Shadow& shadow(const void* address) { return shadows_[address]; }

 private:
  struct Fiber {
    ucontext_t context;
    char* stack = nullptr;
    void* sanitizer_stack = nullptr;
    std::function<void()> body;
    std::function<bool()> waits_for;
    bool done = true;
  };

  static void Enter();
  void RunFiber();
  bool Ready(int thread) const;
  int PickNext();
  void SwitchTo(int thread);
  void AfterSwitch();

  Chooser& chooser_;
  std::array<Fiber, kMaxThreads> fibers_;  // number 0 is the context of Run
  std::array<Clock, kMaxThreads> clocks_;
  std::unordered_map<const void*, Shadow> shadows_;
  int threads_ = 0;
  int running_ = 0;
  bool stopping_ = false;
  uint64_t steps_ = 0;
  std::string failure_;
};

}  // namespace estiba::simulation

#endif  // TESTS_QUEUE_SIMULATION_WORLD_H_
