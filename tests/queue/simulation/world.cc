#include "tests/queue/simulation/world.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define ESTIBA_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ESTIBA_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef ESTIBA_ADDRESS_SANITIZER
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace estiba::simulation {
namespace {

constexpr size_t kStackBytes = 256 << 10;
constexpr uint64_t kMaxSteps = 100'000;

World* current = nullptr;

// Stacks outlive executions: mapping them anew each time would cost more than the execution.
char* Stack(int thread) {
  static std::vector<std::unique_ptr<char[]>> stacks(kMaxThreads);
  if (stacks[thread] == nullptr) stacks[thread].reset(new char[kStackBytes]);
  return stacks[thread].get();
}

// Unwinds a thread that can never go on.
struct Stopped {};

}  // namespace

World::World(Chooser& chooser) : chooser_(chooser) {
  current = this;
  for (int i = 0; i < kMaxThreads; ++i) clocks_[i].times[i] = 1;
}

World::~World() { current = nullptr; }

World& World::Current() {
  if (current == nullptr) {
    std::fputs("a simulated atomic was used outside of an execution\n", stderr);
    std::abort();
  }
  return *current;
}

std::string World::Run(Program& program) {
  threads_ = static_cast<int>(program.threads.size());
  if (threads_ == 0 || threads_ >= kMaxThreads) return "the program has no threads, or too many";
  for (int i = 1; i <= threads_; ++i) {
    Fiber& fiber = fibers_[i];
    fiber.body = std::move(program.threads[i - 1]);
    fiber.done = false;
    fiber.stack = Stack(i);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &World::Enter, 0);
    clocks_[i].Join(clocks_[0]);
  }
  Tick();
  SwitchTo(PickNext());
  for (int i = 1; i <= threads_; ++i) clocks_[0].Join(clocks_[i]);
  if (failure_.empty() && program.finally) program.finally();
  program.finally = nullptr;  // the shared state goes while this world is there
  for (Fiber& fiber : fibers_) fiber.body = nullptr;
  return failure_;
}

void World::Enter() {
  current->AfterSwitch();
  current->RunFiber();
}

void World::RunFiber() {
  try {
    fibers_[running_].body();
  } catch (const Stopped&) {
  } catch (...) {
    Fail("a thread threw an exception");
  }
  fibers_[running_].done = true;
  SwitchTo(PickNext());
  std::abort();  // nobody goes on with a fiber that is done
}

bool World::Ready(int thread) const {
  const Fiber& fiber = fibers_[thread];
  return !fiber.done && (stopping_ || !fiber.waits_for || fiber.waits_for());
}

// Where the running thread cannot go on.
int World::PickNext() {
  std::array<int, kMaxThreads> ready;
  int count = 0;
  bool all_done = true;
  for (int i = 1; i <= threads_; ++i) {
    all_done &= fibers_[i].done;
    if (Ready(i)) ready[count++] = i;
  }
  if (all_done) return 0;
  if (count == 0) {
    Fail("deadlock: every thread waits");
    stopping_ = true;
    return PickNext();
  }
  return ready[count == 1 ? 0 : chooser_.Next(count)];
}

void World::Point() {
  if (running_ == 0) return;
  if (++steps_ == kMaxSteps) {
    Fail("the program does not end");
    stopping_ = true;
  }
  if (steps_ > 2 * kMaxSteps) {
    std::fputs("a simulated program that does not end does not wait either\n", stderr);
    std::abort();
  }
  if (stopping_) return;
  std::array<int, kMaxThreads> others;
  int count = 0;
  for (int i = 1; i <= threads_; ++i) {
    if (i != running_ && Ready(i)) others[count++] = i;
  }
  if (count == 0) return;
  const int choice = chooser_.Preempt(count);
  if (choice >= 0) SwitchTo(others[choice]);
}

void World::Wait(std::function<bool()> condition) {
  if (stopping_) throw Stopped();
  if (condition()) return;
  Fiber& fiber = fibers_[running_];
  fiber.waits_for = std::move(condition);
  const int next = PickNext();
  if (next != running_) SwitchTo(next);
  fiber.waits_for = nullptr;
  if (stopping_) throw Stopped();
}

void World::SwitchTo(int thread) {
  Fiber& from = fibers_[running_];
  Fiber& to = fibers_[thread];
  running_ = thread;
#ifdef ESTIBA_ADDRESS_SANITIZER
  static void* main_stack = nullptr;
  static size_t main_stack_bytes = 0;
  if (main_stack == nullptr) {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &main_stack, &main_stack_bytes);
    pthread_attr_destroy(&attributes);
  }
  __sanitizer_start_switch_fiber(
      from.done && &from != &fibers_[0] ? nullptr : &from.sanitizer_stack,
      thread == 0 ? main_stack : to.stack, thread == 0 ? main_stack_bytes : kStackBytes);
#endif
  swapcontext(&from.context, &to.context);
  AfterSwitch();
}

void World::AfterSwitch() {
#ifdef ESTIBA_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(fibers_[running_].sanitizer_stack, nullptr, nullptr);
#endif
}

size_t World::ChooseAge(size_t visible) {
  return running_ == 0 || visible == 1 ? 0 : chooser_.Age(visible);
}

bool World::ChooseSpuriousFailure() { return running_ != 0 && chooser_.SpuriousFailure(); }

void World::Fail(const std::string& reason) {
  if (failure_.empty()) failure_ = reason + " (thread " + std::to_string(running_) + ")";
}

void Fail(const std::string& reason) { World::Current().Fail(reason); }

void WaitUntil(std::function<bool()> condition) { World::Current().Wait(std::move(condition)); }

}  // namespace estiba::simulation
