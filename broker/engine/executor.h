#pragma once

#include <utility>

namespace estiba {

// Something that can be run; in practice an Actor with commands in its mailbox.
class Runnable {
 public:
  virtual void RunTurn() = 0;
  // By who will run it soon and has something else to do meanwhile: has memory that the turn looks
  // at brought into the cache.
  virtual void PrefetchTurn() const {}
  // For executors: links runnables that wait for their turn.
  Runnable* next_runnable = nullptr;

 protected:
  ~Runnable() = default;
};

// Runnables in the order in which they came, linked through next_runnable.
class RunQueue {
 public:
  RunQueue() = default;
  RunQueue(RunQueue&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)), tail_(other.tail_) {}
  RunQueue& operator=(RunQueue&&) = delete;
  bool empty() const { return head_ == nullptr; }
  Runnable* front() const { return head_; }
  void Push(Runnable* runnable) {
    runnable->next_runnable = nullptr;
    (head_ == nullptr ? head_ : tail_->next_runnable) = runnable;
    tail_ = runnable;
  }
  // Null: empty.
  Runnable* Pop() {
    Runnable* const first = head_;
    if (first != nullptr) head_ = first->next_runnable;
    return first;
  }
  RunQueue TakeAll() { return std::move(*this); }

 private:
  Runnable* head_ = nullptr;
  Runnable* tail_ = nullptr;
};

// Runs what has become runnable. Comes in from outside: threads in the daemon, a seeded scheduler
// in simulations. A runnable is handed over at most once until it runs. Thread rules: any thread.
class Executor {
 public:
  virtual ~Executor() = default;

  // Runs it soon, by preference on the calling thread: at once if the thread is not inside another
  // runnable, after that one otherwise.
  virtual void Run(Runnable* runnable) = 0;

  // Runs it soon, never before this call has returned and never on the caller's stack. For callers
  // that may hold locks of others, and for work that is to be shared with idle threads.
  virtual void Defer(Runnable* runnable) = 0;

  // Between Hold and Release, what becomes runnable on the calling thread waits: for a thread that
  // takes several events in a row, whose consequences are better worked off together. Pairs do not
  // nest, and do not come from inside a runnable. An executor may ignore it.
  virtual void Hold() {}
  virtual void Release() {}
};

}  // namespace estiba
