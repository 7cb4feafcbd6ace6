// Child processes: start a program, talk to it, watch it, end it.
#ifndef TESTS_SUPPORT_PROCESS_H_
#define TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace estiba::testing {

// The full path of a program that this build made ("estibad", "estiba").
std::string BuiltProgram(std::string_view name);

// How a process ended: by exit(code), or by a signal (then code is -1).
struct ExitStatus {
  int code = -1;
  int signal = 0;
  bool ok() const { return signal == 0 && code == 0; }
};

// One child process. The constructor starts it (and throws std::runtime_error where it cannot); the
// destructor kills it, if it still runs, and reaps it. The child is killed as well when the thread
// that started it ends, so that a crashed test leaves nothing behind: start from the main thread.
//
// Its standard output and error are read by a thread of this object as they come and kept in full.
// All calls from one thread at a time, except stdout_text() and stderr_text(): any thread.
//
//   Process cat({"/bin/cat"});
//   cat.WriteStdin("hello");
//   cat.CloseStdin();
//   REQUIRE(cat.Wait()->ok());
//   REQUIRE(cat.stdout_text() == "hello");
class Process {
 public:
  // `args[0]` is the program, by full path or to be found in PATH. `environment` is added to our
  // own.
  explicit Process(std::vector<std::string> args,
                   const std::map<std::string, std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // Returns false when the child no longer reads its standard input. May block until it does.
  bool WriteStdin(std::string_view text);
  void CloseStdin();

  // What the child has written so far; complete once Wait has returned a status.
  std::string stdout_text() const;
  std::string stderr_text() const;

  // Sends a signal (SIGTERM, SIGKILL, ...). Nothing happens once the child has been waited for.
  void Signal(int signal);

  // Waits for the child to end. nullopt: it still runs after `timeout` (longer under sanitizers).
  std::optional<ExitStatus> Wait(absl::Duration timeout = absl::Seconds(30));
  bool running() { return !Wait(absl::ZeroDuration()).has_value(); }

  // The child's resident memory (VmRSS), and the most it ever was (VmHWM). 0 once it has ended.
  uint64_t resident_bytes() const;
  uint64_t peak_resident_bytes() const;

 private:
  void ReadOutputs();

  pid_t pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
  int stderr_ = -1;
  std::optional<ExitStatus> exit_status_;
  mutable absl::Mutex mutex_;
  std::string stdout_text_ ABSL_GUARDED_BY(mutex_);
  std::string stderr_text_ ABSL_GUARDED_BY(mutex_);
  std::thread reader_;
};

// Runs a program to its end. An ended-by-timeout child is killed and has signal SIGKILL.
struct Finished {
  ExitStatus status;
  std::string stdout_text;
  std::string stderr_text;
};
Finished Run(std::vector<std::string> args, std::string_view stdin_text = "",
             absl::Duration timeout = absl::Seconds(60));

}  // namespace estiba::testing

#endif  // TESTS_SUPPORT_PROCESS_H_
