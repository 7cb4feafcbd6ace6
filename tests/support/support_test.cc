// The helpers themselves, and what the sanitizer builds rely on.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace estiba::testing {
namespace {

TEST_CASE("A child process reads what it is given and its output comes back in full") {
  const std::string text(3'000'000, 'x');
  const Finished cat = Run({"cat"}, text);
  CHECK(cat.status.ok());
  CHECK(cat.stdout_text == text);
}

TEST_CASE("A child process gets added environment and its exit code and outputs are told apart") {
  Process shell({"sh", "-c", "echo $GREETING; echo oops >&2; exit 3"}, {{"GREETING", "hello"}});
  const auto status = shell.Wait();
  REQUIRE(status);
  CHECK(status->code == 3);
  CHECK(shell.stdout_text() == "hello\n");
  CHECK(shell.stderr_text() == "oops\n");
}

TEST_CASE("A child process that is killed says by which signal") {
  Process sleep({"sleep", "1000"});
  CHECK(sleep.running());
  CHECK(sleep.resident_bytes() > 0);
  sleep.Signal(SIGTERM);
  const auto status = sleep.Wait();
  REQUIRE(status);
  CHECK(status->signal == SIGTERM);
  CHECK_FALSE(sleep.running());
}

TEST_CASE("A child process is gone when its object is") {
  pid_t pid = 0;
  {
    Process sleep({"sleep", "1000"});
    pid = sleep.pid();
  }
  CHECK(kill(pid, 0) != 0);
}

TEST_CASE("A program that does not exist cannot be started and says so") {
  CHECK_THROWS_WITH(Process({"no-such-program"}), HasText("no-such-program: No such file"));
}

TEST_CASE("A temporary directory disappears with everything in it") {
  std::filesystem::path path;
  {
    const TempDir directory;
    path = directory.path();
    CHECK(Run({"cat", directory.Write("file", "content")}).stdout_text == "content");
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Eventually gives up after its deadline") {
  CHECK_FALSE(Eventually([] { return false; }, absl::Milliseconds(5)));
}

// Under ThreadSanitizer these fail if it does not see the order that abseil's locks make.

TEST_CASE("What an absl::Mutex guards is no data race") {
  absl::Mutex mutex;
  int64_t plain = 0;
  int64_t seen = 0;
  const auto add = [&] {
    for (int i = 0; i < 20'000; ++i) {
      if (i % 3 == 0 && mutex.TryLock()) {
        ++plain;
        mutex.Unlock();
      } else {
        const absl::MutexLock lock(&mutex);
        ++plain;
      }
      if (i % 5 == 0) {
        const absl::ReaderMutexLock lock(&mutex);
        seen = plain;
      }
    }
  };
  std::thread other([&] {
    for (int i = 0; i < 20'000; ++i) {
      const absl::MutexLock lock(&mutex);
      ++plain;
    }
  });
  add();
  other.join();
  CHECK(plain == 40'000);
  CHECK(seen > 0);
}

TEST_CASE("Turns handed over with absl::CondVar and with conditions are no data race") {
  absl::Mutex mutex;
  absl::CondVar changed;
  int turn = 0;
  std::vector<int> taken;  // Plain: guarded by the turn alone.
  constexpr int kTurns = 2'000;
  std::thread other([&] {
    for (int i = 0; i < kTurns; ++i) {
      const absl::MutexLock lock(&mutex);
      if (i % 2 == 0) {
        while (turn % 2 == 0) changed.Wait(&mutex);
      } else {
        const auto mine = [&] { return turn % 2 == 1; };
        mutex.Await(absl::Condition(&mine));
      }
      taken.push_back(turn++);
      changed.Signal();
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    const auto mine = [&] { return turn % 2 == 0; };
    mutex.LockWhen(absl::Condition(&mine));
    taken.push_back(turn++);
    changed.SignalAll();
    mutex.Unlock();
  }
  other.join();
  CHECK(taken.size() == 2 * kTurns);
  CHECK(std::is_sorted(taken.begin(), taken.end()));
}

TEST_CASE("What comes before absl::Notification and absl::BlockingCounter is seen after them") {
  for (int round = 0; round < 200; ++round) {
    int first = 0;
    int second = 0;
    absl::Notification notification;
    absl::BlockingCounter counter(2);
    std::thread one([&] {
      first = 1;
      notification.Notify();
      counter.DecrementCount();
    });
    std::thread two([&] {
      if (round % 2 == 0) {
        while (!notification.HasBeenNotified()) std::this_thread::yield();
      } else if (round % 3 == 0) {
        while (!notification.WaitForNotificationWithTimeout(absl::Milliseconds(1))) {
        }
      } else {
        notification.WaitForNotification();
      }
      second = first + 1;
      counter.DecrementCount();
    });
    counter.Wait();
    CHECK(second == 2);
    one.join();
    two.join();
  }
}

}  // namespace
}  // namespace estiba::testing
