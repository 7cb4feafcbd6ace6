#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

// Both ends close on exec; dup2 in the child makes the inheritable copy.
struct Pipe {
  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  }
  std::array<int, 2> ends;
};

std::vector<std::string> Environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!added.contains(std::string(text.substr(0, text.find('='))))) all.emplace_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(absl::StrCat(name, "=", value));
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

uint64_t StatusField(pid_t pid, std::string_view field) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(field)) continue;
    uint64_t kib = 0;
    const size_t digits = line.find_first_of("0123456789");
    const size_t end = line.find(" kB");
    if (digits == std::string::npos || end == std::string::npos) return 0;
    return absl::SimpleAtoi(line.substr(digits, end - digits), &kib) ? kib * 1024 : 0;
  }
  return 0;
}

}  // namespace

std::string BuiltProgram(std::string_view name) {
  const char* directory = std::getenv("ESTIBA_BIN_DIR");
  std::string path = directory != nullptr ? directory : ESTIBA_BUILT_BIN_DIR;
  return path.append("/").append(name);
}

Process::Process(std::vector<std::string> args,
                 const std::map<std::string, std::string>& environment) {
  // Everything that allocates happens before the fork: other threads may hold the heap's lock.
  std::vector<std::string> env = Environment(environment);
  const std::vector<char*> argv = Pointers(args);
  const std::vector<char*> envp = Pointers(env);
  const Pipe in, out, err, failure;
  const pid_t parent = getpid();

  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(in.ends[0], STDIN_FILENO);
    dup2(out.ends[1], STDOUT_FILENO);
    dup2(err.ends[1], STDERR_FILENO);
    // Not every library opens its sockets so that they close on exec, and a connection that the
    // child has, too, does not end when we close it.
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    signal(SIGPIPE, SIG_DFL);
    execvpe(argv[0], argv.data(), envp.data());
    const int error = errno;
    if (write(failure.ends[1], &error, sizeof error) < 0) _exit(126);
    _exit(127);
  }
  close(in.ends[0]);
  close(out.ends[1]);
  close(err.ends[1]);
  close(failure.ends[1]);
  stdin_ = in.ends[1];
  stdout_ = out.ends[0];
  stderr_ = err.ends[0];

  // The failure pipe closes by itself when exec succeeds.
  int error = 0;
  const ssize_t got = read(failure.ends[0], &error, sizeof error);
  close(failure.ends[0]);
  if (got > 0) {
    for (const int fd : {stdin_, stdout_, stderr_}) close(fd);
    waitpid(pid_, nullptr, 0);
    throw std::runtime_error(absl::StrCat("cannot run ", args[0], ": ", strerror(error)));
  }
  signal(SIGPIPE, SIG_IGN);
  reader_ = std::thread(&Process::ReadOutputs, this);
}

Process::~Process() {
  if (!exit_status_) {
    Signal(SIGKILL);
    Wait(absl::InfiniteDuration());
  }
  CloseStdin();
}

bool Process::WriteStdin(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(stdin_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void Process::CloseStdin() {
  if (stdin_ >= 0) close(std::exchange(stdin_, -1));
}

std::string Process::stdout_text() const {
  const absl::MutexLock lock(&mutex_);
  return stdout_text_;
}

std::string Process::stderr_text() const {
  const absl::MutexLock lock(&mutex_);
  return stderr_text_;
}

void Process::Signal(int signal) {
  if (!exit_status_) kill(pid_, signal);
}

std::optional<ExitStatus> Process::Wait(absl::Duration timeout) {
  if (exit_status_) return exit_status_;
  int status = 0;
  const auto ended = [&] { return waitpid(pid_, &status, WNOHANG) == pid_; };
  const bool done = timeout == absl::ZeroDuration() ? ended() : Eventually(ended, timeout);
  if (!done) return std::nullopt;
  // The outputs end with the child (its own children, if any, must not outlive it).
  reader_.join();
  exit_status_ =
      WIFSIGNALED(status) ? ExitStatus{-1, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
  return exit_status_;
}

uint64_t Process::resident_bytes() const { return StatusField(pid_, "VmRSS:"); }
uint64_t Process::peak_resident_bytes() const { return StatusField(pid_, "VmHWM:"); }

void Process::ReadOutputs() {
  std::array<pollfd, 2> fds = {pollfd{stdout_, POLLIN, 0}, pollfd{stderr_, POLLIN, 0}};
  std::vector<char> buffer(64 << 10);
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    for (size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t got = read(fds[i].fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        close(std::exchange(fds[i].fd, -1));
        continue;
      }
      const absl::MutexLock lock(&mutex_);
      std::string& text = i == 0 ? stdout_text_ : stderr_text_;
      text.append(buffer.data(), static_cast<size_t>(got));
    }
  }
}

Finished Run(std::vector<std::string> args, std::string_view stdin_text, absl::Duration timeout) {
  Process process(std::move(args));
  process.WriteStdin(stdin_text);
  process.CloseStdin();
  std::optional<ExitStatus> status = process.Wait(timeout);
  if (!status) {
    process.Signal(SIGKILL);
    status = process.Wait(absl::InfiniteDuration());
  }
  return {*status, process.stdout_text(), process.stderr_text()};
}

}  // namespace estiba::testing
