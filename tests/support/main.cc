// The main() of every test binary.
//
// Besides running Catch2 it keeps a journal: where ESTIBA_TEST_JOURNAL names a file, one line is
// appended as a test case starts ("started") and ends ("passed", "failed"), so that ./dev test
// counts test cases and can name the one in which a process crashed or hung.
// ESTIBA_TEST_FILTER=text runs only the cases whose name contains it.
#define CATCH_CONFIG_RUNNER
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

const char* Setting(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

#if ESTIBA_CATCH_VERSION == 3
using ListenerBase = Catch::EventListenerBase;
const std::string& NameOf(const Catch::TestCaseStats& stats) { return stats.testInfo->name; }
#else
using ListenerBase = Catch::TestEventListenerBase;
const std::string& NameOf(const Catch::TestCaseStats& stats) { return stats.testInfo.name; }
#endif

class Journal : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    ListenerBase::testCaseStarting(info);
    Append("started", info.name);
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    ListenerBase::testCaseEnded(stats);
    const bool ok = stats.totals.assertions.allOk();
    Append(ok ? "passed" : "failed", NameOf(stats));
    if (!ok) std::cerr << "Seed of this run: ESTIBA_TEST_SEED=" << Seed() << std::endl;
  }

 private:
  // One write(2) in append mode: lines of binaries that run at once do not mix.
  static void Append(const char* what, const std::string& name) {
    static const char* const path = Setting("ESTIBA_TEST_JOURNAL");
    if (path == nullptr) return;
    static const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const char* entry = Setting("ESTIBA_TEST_ENTRY");
    const std::string line =
        absl::StrCat(what, "\t", entry != nullptr ? entry : "-", "\t", name, "\n");
    if (write(fd, line.data(), line.size()) < 0) perror(path);
  }
};

CATCH_REGISTER_LISTENER(Journal)

}  // namespace
}  // namespace estiba::testing

int main(int argc, char** argv) {
#ifdef NDEBUG
  // As the programs do, and for the same reason: without it Debian's abseil sees cycles that are
  // none.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  Catch::Session session;
  if (const int error = session.applyCommandLine(argc, argv); error != 0) return error;
  if (const char* filter = estiba::testing::Setting("ESTIBA_TEST_FILTER")) {
    session.configData().testsOrTags.push_back(absl::StrCat("*", filter, "*"));
#if ESTIBA_CATCH_VERSION == 3
    session.configData().allowZeroTests = true;  // Another binary has them.
#endif
  }
  return session.run();
}
