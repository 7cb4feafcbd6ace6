#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "broker/base/prefetch.h"

namespace estiba {

// For what is read all the time and seldom changed. A reader takes one of several mutexes, its
// thread's, whose cache line other readers seldom touch; who changes something takes all of them.
// Threads: any. Not to be taken twice by a thread.
class ABSL_LOCKABLE StripedMutex {
 public:
  StripedMutex() = default;
  StripedMutex(const StripedMutex&) = delete;
  StripedMutex& operator=(const StripedMutex&) = delete;

  void ReaderLock() const ABSL_SHARED_LOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    stripes_[OfThisThread()].mutex.ReaderLock();
  }
  void ReaderUnlock() const ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    stripes_[OfThisThread()].mutex.ReaderUnlock();
  }
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (Stripe& stripe : stripes_) stripe.mutex.Lock();
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    for (Stripe& stripe : stripes_) stripe.mutex.Unlock();
  }

 private:
  static constexpr size_t kStripes = 16;

  struct alignas(kCacheLine) Stripe {
    mutable absl::Mutex mutex;
  };

  static size_t OfThisThread() {
    static constinit std::atomic<size_t> threads{0};
    static thread_local const size_t stripe =
        threads.fetch_add(1, std::memory_order_relaxed) % kStripes;
    return stripe;
  }

  std::array<Stripe, kStripes> stripes_;
};

class ABSL_SCOPED_LOCKABLE StripedReaderLock {
 public:
  explicit StripedReaderLock(const StripedMutex* mutex) ABSL_SHARED_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_->ReaderLock();
  }
  ~StripedReaderLock() ABSL_UNLOCK_FUNCTION() { mutex_->ReaderUnlock(); }
  StripedReaderLock(const StripedReaderLock&) = delete;
  StripedReaderLock& operator=(const StripedReaderLock&) = delete;

 private:
  const StripedMutex* const mutex_;
};

class ABSL_SCOPED_LOCKABLE StripedMutexLock {
 public:
  explicit StripedMutexLock(StripedMutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_->Lock();
  }
  ~StripedMutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  StripedMutexLock(const StripedMutexLock&) = delete;
  StripedMutexLock& operator=(const StripedMutexLock&) = delete;

 private:
  StripedMutex* const mutex_;
};

}  // namespace estiba
