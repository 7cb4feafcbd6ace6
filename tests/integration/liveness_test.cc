// The liveness of a broker whose worker threads stand still, as in a deadlock: a debugger holds
// them.
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

std::vector<pid_t> ThreadsNamed(pid_t process, const std::string& name) {
  std::vector<pid_t> found;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::string comm;
    std::getline(std::ifstream(task.path() / "comm"), comm);
    if (comm == name) found.push_back(std::atoi(task.path().filename().c_str()));
  }
  return found;
}

// A thread of a child process that stands still as long as this object lives.
class HeldThread {
 public:
  explicit HeldThread(pid_t thread) : thread_(thread) {
    REQUIRE(ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0);
    REQUIRE(ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0);
    int status = 0;
    REQUIRE(waitpid(thread_, &status, __WALL) == thread_);
  }
  ~HeldThread() { ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;

 private:
  const pid_t thread_;
};

bool Serves(BrokerUnderTest& broker, const std::string& service) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  REQUIRE(broker.client.Call("/grpc.health.v1.Health/Check", request, &response).ok());
  return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
}

TEST_CASE("Liveness is NOT_SERVING while all worker threads stand still, and SERVING after that") {
  BrokerUnderTest broker({"--worker-threads=2"});
  std::vector<pid_t> workers;
  REQUIRE(Eventually([&] {
    workers = ThreadsNamed(broker.daemon.process().pid(), "estiba-worker");
    return workers.size() == 2;
  }));
  CHECK(Serves(broker, "liveness"));
  {
    const HeldThread first(workers[0]);
    const HeldThread second(workers[1]);
    REQUIRE(Eventually([&] { return !Serves(broker, "liveness"); }, absl::Seconds(60)));
    // Publishing does not depend on them.
    CHECK(Serves(broker, "readiness"));
  }
  CHECK(Eventually([&] { return Serves(broker, "liveness"); }));
  CHECK_THAT(broker.daemon.process().stderr_text(), HasText("do not turn"));
}

}  // namespace
}  // namespace estiba::testing
