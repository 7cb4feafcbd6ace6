#include "broker/runtime/thread_executor.h"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <latch>
#include <memory>

namespace estiba {
namespace {

// What this thread has yet to run, and whether it is at it.
struct Local {
  RunQueue queue;
  bool running = false;
};

thread_local Local local;

}  // namespace

ThreadExecutor::ThreadExecutor(size_t threads) : pool_(threads) {
  // Nobody gets a second of these before everybody has had one.
  const auto all = std::make_shared<std::latch>(static_cast<ptrdiff_t>(threads));
  for (size_t i = 0; i < threads; ++i) {
    boost::asio::post(pool_, [all] {
      pthread_setname_np(pthread_self(), "estiba-worker");
      all->arrive_and_wait();
    });
  }
}

void ThreadExecutor::Run(Runnable* runnable) {
  if (local.running) return local.queue.Push(runnable);
  local.running = true;
  int runs = 0;
  do {
    // Much of what a turn waits for is memory, where each is of another topic.
    if (const Runnable* next = local.queue.front()) next->PrefetchTurn();
    if (runs++ < kMaxInline) {
      runnable->RunTurn();
    } else {
      Defer(runnable);
    }
    runnable = local.queue.Pop();
  } while (runnable != nullptr);
  local.running = false;
}

void ThreadExecutor::Hold() { local.running = true; }

void ThreadExecutor::Release() {
  local.running = false;
  if (Runnable* first = local.queue.Pop(); first != nullptr) Run(first);
}

void ThreadExecutor::Defer(Runnable* runnable) {
  boost::asio::post(pool_, [this, runnable] { Run(runnable); });
}

void ThreadExecutor::Stop() { pool_.join(); }

}  // namespace estiba
