// Shows ThreadSanitizer the locks of Debian's abseil.
//
// That library is built without ThreadSanitizer, which therefore sees neither its atomics nor an
// order between two holders of an absl::Mutex, and would report everything such a mutex guards. The
// functions below take the place of the library's own (its internal calls go through the PLT as
// well), call the original, and tell ThreadSanitizer: who unlocks releases, who has locked
// acquires. A condition is called by whoever holds the lock at the time, its waiter or another
// thread.
//
// In other builds this file is empty.
#include "tests/support/eventually.h"  // ESTIBA_TSAN

#ifdef ESTIBA_TSAN
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <stdio.h>
#include <stdlib.h>

#include <atomic>
#include <string>
#include <utility>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace {

// The library's function of this mangled name; @ stands for the versioned namespace.
template <typename Function>
Function Original(const std::string& mangled) {
#define ESTIBA_TEXT(x) #x
#define ESTIBA_TEXT_OF(x) ESTIBA_TEXT(x)
  const std::string version = ESTIBA_TEXT_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string name = "_ZN" + mangled.substr(0, mangled.find('@')) + "4absl" +
                           std::to_string(version.size()) + version +
                           mangled.substr(mangled.find('@') + 1);
  void* function = dlsym(RTLD_NEXT, name.c_str());
  if (function == nullptr) {
    fprintf(stderr, "%s: abseil has no %s\n", __FILE__, name.c_str());
    abort();
  }
  return reinterpret_cast<Function>(function);
}

// The mutex that the calling thread is locking or unlocking, for the conditions evaluated
// meanwhile.
thread_local void* at_work_on = nullptr;

class AtWorkOn {
 public:
  explicit AtWorkOn(void* mutex) : outer_(std::exchange(at_work_on, mutex)) {}
  ~AtWorkOn() { at_work_on = outer_; }

 private:
  void* const outer_;
};

// For calls that wait for the lock: a waiter's condition is handed to other threads, and comes
// back.
template <typename Call>
bool Waiting(void* mutex, Call call) {
  __tsan_release(mutex);
  const AtWorkOn scope(mutex);
  const bool result = call();
  __tsan_acquire(mutex);
  return result;
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto original = Original<void (*)(Mutex*)>("@5Mutex4LockEv");
  original(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static const auto original = Original<void (*)(Mutex*)>("@5Mutex6UnlockEv");
  const AtWorkOn scope(this);
  __tsan_release(this);
  original(this);
}

bool Mutex::TryLock() {
  static const auto original = Original<bool (*)(Mutex*)>("@5Mutex7TryLockEv");
  const bool locked = original(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::ReaderLock() {
  static const auto original = Original<void (*)(Mutex*)>("@5Mutex10ReaderLockEv");
  original(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto original = Original<void (*)(Mutex*)>("@5Mutex12ReaderUnlockEv");
  const AtWorkOn scope(this);
  __tsan_release(this);
  original(this);
}

bool Mutex::ReaderTryLock() {
  static const auto original = Original<bool (*)(Mutex*)>("@5Mutex13ReaderTryLockEv");
  const bool locked = original(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

bool Mutex::LockSlowWithDeadline(MuHow how, const Condition* condition,
                                 synchronization_internal::KernelTimeout timeout, int flags) {
  static const auto original = Original<bool (*)(Mutex*, MuHow, const Condition*,
                                                 synchronization_internal::KernelTimeout, int)>(
      "@5Mutex20LockSlowWithDeadlineEPKNS0_6MuHowSEPKNS0_9ConditionENS0_24"
      "synchronization_internal13KernelTimeoutEi");
  return Waiting(this, [&] { return original(this, how, condition, timeout, flags); });
}

bool Mutex::AwaitCommon(const Condition& condition,
                        synchronization_internal::KernelTimeout timeout) {
  static const auto original =
      Original<bool (*)(Mutex*, const Condition&, synchronization_internal::KernelTimeout)>(
          "@5Mutex11AwaitCommonERKNS0_9ConditionENS0_24synchronization_internal13KernelTimeoutE");
  return Waiting(this, [&] { return original(this, condition, timeout); });
}

bool CondVar::WaitCommon(Mutex* mutex, synchronization_internal::KernelTimeout timeout) {
  static const auto original =
      Original<bool (*)(CondVar*, Mutex*, synchronization_internal::KernelTimeout)>(
          "@7CondVar10WaitCommonEPNS0_5MutexENS0_24synchronization_internal13KernelTimeoutE");
  return Waiting(mutex, [&] { return original(this, mutex, timeout); });
}

bool Condition::Eval() const {
  static const auto original = Original<bool (*)(const Condition*)>("K@9Condition4EvalEv");
  if (at_work_on != nullptr) __tsan_acquire(at_work_on);
  const bool result = original(this);
  if (at_work_on != nullptr) __tsan_release(at_work_on);
  return result;
}

// These two are decided by atomics inside the library before any lock.

void Notification::Notify() {
  static const auto original = Original<void (*)(Notification*)>("@12Notification6NotifyEv");
  __tsan_release(&notified_yet_);
  original(this);
}

void Notification::WaitForNotification() const {
  static const auto original =
      Original<void (*)(const Notification*)>("K@12Notification19WaitForNotificationEv");
  original(this);
  __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
}

bool Notification::WaitForNotificationWithTimeout(absl::Duration timeout) const {
  static const auto original = Original<bool (*)(const Notification*, absl::Duration)>(
      "K@12Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = original(this, timeout);
  if (notified) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return notified;
}

bool Notification::WaitForNotificationWithDeadline(absl::Time deadline) const {
  static const auto original = Original<bool (*)(const Notification*, absl::Time)>(
      "K@12Notification31WaitForNotificationWithDeadlineENS0_4TimeE");
  const bool notified = original(this, deadline);
  if (notified) __tsan_acquire(const_cast<std::atomic<bool>*>(&notified_yet_));
  return notified;
}

bool BlockingCounter::DecrementCount() {
  static const auto original =
      Original<bool (*)(BlockingCounter*)>("@15BlockingCounter14DecrementCountEv");
  __tsan_release(this);
  return original(this);
}

void BlockingCounter::Wait() {
  static const auto original = Original<void (*)(BlockingCounter*)>("@15BlockingCounter4WaitEv");
  original(this);
  __tsan_acquire(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
#endif  // ESTIBA_TSAN
