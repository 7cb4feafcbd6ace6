#include "broker/runtime/thread_executor.h"

#include <boost/asio/post.hpp>

namespace estiba {
namespace {

// What this thread has yet to run; a chain through next_runnable, oldest first.
struct LocalQueue {
  Runnable* head = nullptr;
  Runnable* tail = nullptr;
  bool running = false;

  void Push(Runnable* runnable) {
    runnable->next_runnable = nullptr;
    (head == nullptr ? head : tail->next_runnable) = runnable;
    tail = runnable;
  }
  Runnable* Pop() {
    Runnable* runnable = head;
    if (runnable != nullptr) head = runnable->next_runnable;
    return runnable;
  }
};

thread_local LocalQueue local;

}  // namespace

void ThreadExecutor::Run(Runnable* runnable) {
  if (local.running) return local.Push(runnable);
  local.running = true;
  int runs = 0;
  do {
    if (runs++ < kMaxInline) {
      runnable->RunTurn();
    } else {
      Defer(runnable);
    }
    runnable = local.Pop();
  } while (runnable != nullptr);
  local.running = false;
}

void ThreadExecutor::Defer(Runnable* runnable) {
  boost::asio::post(pool_, [this, runnable] { Run(runnable); });
}

void ThreadExecutor::Stop() { pool_.join(); }

}  // namespace estiba
