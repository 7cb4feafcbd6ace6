#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "broker/daemon.h"
#include "broker/ops/config.h"
#include "broker/ops/log.h"

namespace {

constexpr int kUsage = 2;

// Signals that end the process, waited for by the main thread only.
sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// True if a stop signal is pending; takes it.
bool TakeSignal(const sigset_t& signals) {
  const timespec now = {0, 0};
  return sigtimedwait(&signals, nullptr, &now) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Debian's abseil checks the order of locks, and aborts where it sees a cycle; but code that is
  // compiled with NDEBUG does not tell it when a mutex is gone, so the next at that address may
  // look like one. It costs some per cent, too.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Before any thread is made, so that all of them leave these signals to sigwait.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const estiba::Environment environment = estiba::ProcessEnvironment();
  const absl::StatusOr<estiba::LoadedConfig> loaded =
      estiba::LoadConfig(std::vector<std::string>(argv + 1, argv + argc), environment,
                         estiba::Machine::Here(environment));
  if (!loaded.ok()) {
    std::fprintf(stderr, "estibad: %s\n", std::string(loaded.status().message()).c_str());
    return kUsage;
  }
  if (loaded->action == estiba::LoadedConfig::Action::kPrint) {
    std::fputs(loaded->text.c_str(), stdout);
    return 0;
  }
  estiba::log::Configure(loaded->config.log_level, loaded->config.log_format);
  for (const std::string& notice : loaded->notices) estiba::log::Warn(notice);

  estiba::Daemon daemon(loaded->config);
  if (const absl::Status status = daemon.Start(); !status.ok()) {
    estiba::log::Error("Cannot start", {{"error", std::string(status.message())}});
    return 1;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  bool second = false;
  daemon.Drain([&] { return second = second || TakeSignal(signals); });
  return 0;
}
