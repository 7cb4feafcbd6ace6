// A consumer that never reads: its stream stands, has credit without limit, and takes nothing.
#ifndef TESTS_BENCH_STUCK_CONSUMER_H_
#define TESTS_BENCH_STUCK_CONSUMER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace estiba::bench {

// Owned by the run, used by its thread; has a connection of its own. It speaks gRPC directly, for
// the client library always reads.
class StuckConsumer {
 public:
  // A private subscription of `topic` with automatic acks.
  StuckConsumer(const std::string& target, const std::string& topic);
  // Cancels the stream.
  ~StuckConsumer();

  // Returns when the broker has said that the subscription stands: the last thing read.
  // DEADLINE_EXCEEDED, or UNAVAILABLE if the stream ended.
  absl::Status Start(absl::Duration timeout);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_STUCK_CONSUMER_H_
