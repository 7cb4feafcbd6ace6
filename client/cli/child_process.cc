#include "client/cli/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace estiba::cli {
namespace {

// Both ends of a pipe; not inherited but by way of posix_spawn.
struct Pipe {
  Pipe() { ok = pipe2(ends, O_CLOEXEC) == 0; }
  ~Pipe() {
    Close(0);
    Close(1);
  }
  void Close(int end) {
    if (ends[end] >= 0) close(ends[end]);
    ends[end] = -1;
  }
  int ends[2] = {-1, -1};
  bool ok = false;
};

// Feeds and drains at the same time, so that neither side waits for the other for ever.
std::string Exchange(Pipe& in, Pipe& out, std::string_view input) {
  fcntl(in.ends[1], F_SETFL, O_NONBLOCK);
  std::string output;
  char buffer[64 << 10];
  while (true) {
    if (input.empty()) in.Close(1);
    pollfd fds[2] = {{out.ends[0], POLLIN, 0}, {in.ends[1], POLLOUT, 0}};
    if (poll(fds, input.empty() ? 1 : 2, -1) < 0 && errno != EINTR) return output;
    if (!input.empty() && fds[1].revents != 0) {
      const ssize_t written = write(in.ends[1], input.data(), input.size());
      if (written > 0) {
        input.remove_prefix(static_cast<size_t>(written));
      } else if (written < 0 && errno != EAGAIN && errno != EINTR) {
        input = {};  // it does not want more
      }
    }
    if (fds[0].revents == 0) continue;
    const ssize_t count = read(out.ends[0], buffer, sizeof buffer);
    if (count == 0 || (count < 0 && errno != EINTR)) return output;
    if (count > 0) output.append(buffer, static_cast<size_t>(count));
  }
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(
    const std::vector<std::pair<std::string, std::string>>& extra) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) all.emplace_back(*entry);
  for (const auto& [name, value] : extra) all.push_back(absl::StrCat(name, "=", value));
  return all;
}

}  // namespace

absl::StatusOr<ChildResult> RunShell(
    const std::string& command, std::string_view input,
    const std::vector<std::pair<std::string, std::string>>& extra) {
  Pipe in, out;
  if (!in.ok || !out.ok) return absl::ErrnoToStatus(errno, "pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ends[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words = {"/bin/sh", "-c", command};
  std::vector<std::string> environment = Environment(extra);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/bin/sh", &actions, &attributes, Pointers(words).data(),
                                Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, "cannot start /bin/sh");
  in.Close(0);
  out.Close(1);
  ChildResult result;
  result.output = Exchange(in, out, input);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace estiba::cli
