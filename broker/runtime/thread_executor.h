#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>

#include "broker/engine/executor.h"

namespace estiba {

// The engine's executor on real threads. The thread that makes an actor runnable runs it, after the
// one it is in, so that a message goes from the publisher's stream to the consumers' without a
// thread hop. What piles up behind a thread goes to a pool, so that no thread is captured and idle
// cores share the work of a wide fan-out.
//
// Threads: any. Lifetime: outlives the engine; Stop before destruction joins the pool.
class ThreadExecutor final : public Executor {
 public:
  // The pool's threads are named estiba-worker.
  explicit ThreadExecutor(size_t threads);
  ~ThreadExecutor() override { Stop(); }

  void Run(Runnable* runnable) override;
  void Defer(Runnable* runnable) override;
  void Hold() override;
  void Release() override;

  // Runs what is queued, then ends the threads. Nothing may be handed over afterwards.
  void Stop();

  boost::asio::thread_pool& pool() { return pool_; }

 private:
  // How many actors a thread runs on behalf of one event before it passes on the rest.
  static constexpr int kMaxInline = 64;

  boost::asio::thread_pool pool_;
};

}  // namespace estiba
