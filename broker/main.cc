#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "broker/daemon.h"
#include "broker/ops/config.h"
#include "broker/ops/health_command.h"
#include "broker/ops/log.h"
#include "broker/ops/process_memory.h"
#include "broker/rpc/health_check.h"

namespace {

constexpr int kUsage = 2;

int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "estibad: %s\n", std::string(status.message()).c_str());
  return kUsage;
}

// `estibad health`; its help says what the exit codes mean.
int RunHealth(const std::vector<std::string>& args, const estiba::Environment& environment) {
  const absl::StatusOr<estiba::HealthCommand> command =
      estiba::ParseHealthCommand(args, environment, estiba::Machine::Here(environment));
  if (!command.ok()) return Refuse(command.status());
  if (command->help) {
    std::fputs(estiba::HealthHelpText().c_str(), stdout);
    return 0;
  }
  const absl::StatusOr<estiba::ServingStatus> health =
      estiba::AskHealth(command->server, command->service, command->timeout);
  if (!health.ok()) {
    std::fprintf(stderr, "estibad: no answer from %s: %s\n", command->server.c_str(),
                 std::string(health.status().message()).c_str());
    return 1;
  }
  std::puts(estiba::ToString(*health));
  return *health == estiba::ServingStatus::kServing ? 0 : 1;
}

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
  const estiba::Environment environment = estiba::ProcessEnvironment();
  std::vector<std::string> args(argv + 1, argv + argc);
  if (!args.empty() && args.front() == "health") {
    args.erase(args.begin());
    return RunHealth(args, environment);
  }
  estiba::KeepBuffersAtHand();
  // Before any thread is made, so that all of them leave these signals to sigwait.
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const absl::StatusOr<estiba::LoadedConfig> loaded =
      estiba::LoadConfig(args, environment, estiba::Machine::Here(environment));
  if (!loaded.ok()) return Refuse(loaded.status());
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
