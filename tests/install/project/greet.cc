// A program of another project: sends itself a greeting through the broker at argv[1].
#include <iostream>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "estiba/admin.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"

namespace {

int Fail(const char* what, const absl::Status& status) {
  std::cerr << what << ": " << status << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: greet HOST:PORT\n";
    return 2;
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  estiba::Client client({.target = argv[1]});

  estiba::Publisher publisher(client, "greetings");
  if (absl::Status posted = publisher.Post("hello from another project"); !posted.ok()) {
    return Fail("post", posted);
  }
  if (absl::Status sent = publisher.Flush(deadline); !sent.ok()) return Fail("flush", sent);

  const auto stats = estiba::Admin(client).Stats();
  if (!stats.ok()) return Fail("stats", stats.status());
  std::cout << "held: " << stats->held_bytes << " bytes by estibad " << stats->version << "\n";

  estiba::Subscriber subscriber(client, {.topic = "greetings", .subscription = "greeter"});
  const auto message = subscriber.Next(deadline);
  if (!message.ok()) return Fail("next", message.status());
  std::cout << "received: " << message->data() << "\n";
  return 0;
}
