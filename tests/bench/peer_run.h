// One run of a comparison: publishers, subscribers and their checks around one peer.
#ifndef TESTS_BENCH_PEER_RUN_H_
#define TESTS_BENCH_PEER_RUN_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/bench_options.h"
#include "tests/bench/peer.h"

namespace estiba::bench {

// As `estiba bench` has them, but for `publishers` and `subscribers`, which count in all: they are
// spread over the topics, or the topics over them.
struct RunOptions : cli::BenchOptions {
  std::string peer = "estiba";
  std::string server;
  // Publish everything before the first subscriber comes.
  bool backlog = false;
  // See PeerSettings.
  uint64_t idle_subscriptions = 0;
  uint64_t idle_subscriptions_here = 0;
  uint64_t idle_streams = 0;
  // Whose processor time and memory to report. 0: nobody's.
  int server_pid = 0;
};

struct RunResult {
  cli::BenchResult bench;
  // Deliveries of several messages, as the peer's library hands them over.
  uint64_t frames = 0;
  // Of the server, while measuring.
  double server_cpu_seconds = 0;
  // Of these, while a backlog was published.
  double server_cpu_seconds_filling = 0;
  // Its resident memory before anything was published, and when everything was.
  uint64_t server_bytes_before = 0;
  uint64_t server_bytes_filled = 0;
};

// Blocks until it is over. `result.bench.status` tells what went wrong with the run itself.
RunResult RunPeer(const RunOptions& options);
nlohmann::ordered_json RunJson(const RunOptions& options, const RunResult& result);

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEER_RUN_H_
