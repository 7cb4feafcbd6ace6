// image_crowd: many subscribers, each with a connection of its own, that take nothing.
//
//   image_crowd HOST:PORT TOPIC N
//
// Says "ready" when all N subscriptions of TOPIC stand, then keeps them until its standard input
// ends. Each is a private subscription with automatic acks and credit without limit that never
// reads: it gets everything, as much as its stream lets the broker send.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/stuck_consumer.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: image_crowd HOST:PORT TOPIC N\n");
    return 2;
  }
  std::vector<std::unique_ptr<estiba::bench::StuckConsumer>> crowd;
  for (int i = std::atoi(argv[3]); i > 0; --i) {
    crowd.push_back(std::make_unique<estiba::bench::StuckConsumer>(argv[1], argv[2]));
    const absl::Status status = crowd.back()->Start(absl::Seconds(30));
    if (!status.ok()) {
      std::fprintf(stderr, "subscriber %zu: %s\n", crowd.size(), status.ToString().c_str());
      return 1;
    }
  }
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  // Without taking leave of each: it is the broker that is looked at.
  std::_Exit(0);
}
