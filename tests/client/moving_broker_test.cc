// A broker that comes back under its name with another address, as a pod of Kubernetes does.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/broker_fixture.h"
#include "tests/client/name_server.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

TEST_CASE("Clients follow a broker whose name has a new address, without an error") {
  NameServer names;
  names.Answer("127.0.0.2");
  auto broker = std::make_unique<Daemon>(std::vector<std::string>{"--listen-address=127.0.0.2"});
  const int port = broker->port();
  const Client client({.target = names.TargetOf(port)});
  Publisher publisher(client, "t");
  Subscriber subscriber(client,
                        {.topic = "t", .subscription = "s", .ack_mode = AckMode::kExplicit});
  REQUIRE(publisher.Publish({.data = "before"}).get().ok());
  const auto before = subscriber.Next(Soon());
  REQUIRE(before.ok());
  subscriber.Ack(*before);
  REQUIRE(subscriber.FlushAcks(Soon()).ok());

  // Gone, for a while even its name, as that of a pod that is not ready.
  names.Answer("");
  REQUIRE(broker->Stop().ok());
  auto after = publisher.Publish({.data = "after"});
  broker = std::make_unique<Daemon>(
      std::vector<std::string>{"--listen-address=127.0.0.3", absl::StrCat("--port=", port)});
  absl::SleepFor(absl::Milliseconds(500));
  const absl::Time back = absl::Now();
  names.Answer("127.0.0.3");

  const auto received = subscriber.Next(Soon());
  REQUIRE(received.ok());
  CHECK(received->data() == "after");
  REQUIRE(after.get().ok());
  // gRPC left to itself asks for a name every 30 s at most.
  CHECK(absl::Now() - back < absl::Seconds(15) * kSlowdown);
}

}  // namespace
}  // namespace estiba::testing
