// `estibad health`, as a HEALTHCHECK or a probe runs it: its answers and its exit codes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/broker_under_test.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

Finished Health(std::vector<std::string> flags) {
  flags.insert(flags.begin(), {BuiltProgram("estibad"), "health"});
  return Run(std::move(flags));
}

// Something that listens and accepts, and never answers.
class Silent {
 public:
  Silent() {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(socket_, 8) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      FAIL("cannot listen");
    }
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~Silent() { Close(); }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  const std::string& address() const { return address_; }

 private:
  int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string address_;
};

TEST_CASE("estibad health ends with 0 where the answer is SERVING") {
  BrokerUnderTest broker;
  const std::string server = absl::StrCat("--server=", broker.daemon.address());
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {server}, {server, "--service=readiness"}, {server, "--service", "estiba.v1.Broker"}}) {
    INFO(flags.back());
    const Finished health = Health(flags);
    CHECK(health.status.code == 0);
    CHECK(health.stdout_text == "SERVING\n");
    CHECK(health.stderr_text.empty());
  }
}

TEST_CASE("estibad health ends with 1 for a service that the broker does not know") {
  BrokerUnderTest broker;
  const Finished health =
      Health({absl::StrCat("--server=", broker.daemon.address()), "--service=nothing"});
  CHECK(health.status.code == 1);
  CHECK(health.stdout_text == "SERVICE_UNKNOWN\n");
}

TEST_CASE("estibad health ends with 1 while the broker drains") {
  BrokerUnderTest broker;
  REQUIRE(broker.PublishNumbers("t", 1));
  // A consumer that does not ack keeps it draining.
  SubscribeStream consumer(broker.client, StartOf("t", "s"));
  REQUIRE(consumer.Take(1).size() == 1);
  broker.daemon.process().Signal(SIGTERM);
  Finished health;
  CHECK(Eventually([&] {
    health = Health({absl::StrCat("--server=", broker.daemon.address()), "--service=readiness"});
    return health.status.code == 1;
  }));
  CHECK(health.stdout_text == "NOT_SERVING\n");
  REQUIRE(consumer.Ack(1, 1));
}

TEST_CASE("estibad health ends with 1 where nothing listens, and says so") {
  Silent silent;
  silent.Close();
  const Finished health = Health({absl::StrCat("--server=", silent.address())});
  CHECK(health.status.code == 1);
  CHECK(health.stdout_text.empty());
  CHECK_THAT(health.stderr_text, HasText(absl::StrCat("no answer from ", silent.address())));
}

TEST_CASE("estibad health waits no longer for an answer than it was told") {
  const Silent silent;
  const absl::Time start = absl::Now();
  const Finished health = Health({absl::StrCat("--server=", silent.address()), "--timeout=200ms"});
  CHECK(health.status.code == 1);
  CHECK(absl::Now() - start >= absl::Milliseconds(200));
  CHECK(absl::Now() - start < absl::Seconds(10) * kSlowdown);
}

TEST_CASE("Wrong use of estibad health ends with 2, its help with 0") {
  CHECK(Health({"--no-such-flag"}).status.code == 2);
  const Finished help = Health({"--help"});
  CHECK(help.status.code == 0);
  CHECK_THAT(help.stdout_text, HasText("Usage: estibad health"));
}

}  // namespace
}  // namespace estiba::testing
