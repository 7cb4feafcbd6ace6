#include "client/cli/interrupt.h"

#include <unistd.h>

#include <utility>

#include "client/cli/exit_code.h"

namespace estiba::cli {
namespace {

// SIGUSR2 ends the watching thread; nobody else sends it.
sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGUSR2);
  return signals;
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, &mask_before_);
  thread_ = std::thread(&Interrupt::Watch, this);
}

Interrupt::~Interrupt() {
  stopping_.store(true, std::memory_order_relaxed);
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void Interrupt::OnInterrupt(std::function<void()> handler) {
  const absl::MutexLock lock(&mutex_);
  if (interrupted() && handler) {
    handler();
    return;
  }
  handler_ = std::move(handler);
}

bool Interrupt::SleepUntil(absl::Time time) const {
  const absl::MutexLock lock(&mutex_);
  const auto done = [this] { return interrupted(); };
  return !mutex_.AwaitWithDeadline(absl::Condition(&done), time);
}

void Interrupt::Watch() {
  const sigset_t signals = Signals();
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGUSR2) {
      if (stopping_.load(std::memory_order_relaxed)) return;
      continue;
    }
    if (interrupted()) _exit(kExitInterrupted);
    const absl::MutexLock lock(&mutex_);
    interrupted_.store(true, std::memory_order_relaxed);
    if (const std::function<void()> handler = std::exchange(handler_, nullptr)) handler();
  }
}

}  // namespace estiba::cli
