// What `estiba bench` is asked to do, and what came out. Plain values.
#ifndef CLIENT_CLI_BENCH_OPTIONS_H_
#define CLIENT_CLI_BENCH_OPTIONS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cli/latency_histogram.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"

namespace estiba::cli {

struct BenchOptions {
  // For each topic.
  uint64_t publishers = 1;
  uint64_t subscribers = 1;
  uint64_t topics = 1;
  uint64_t size = 128;
  std::optional<uint64_t> batch;
  uint64_t batch_bytes = 0;  // 0: the client's default
  absl::Duration max_answer_delay = PublisherOptions().max_answer_delay;
  absl::Duration busy_poll = ClientOptions().busy_poll;
  // Messages in all. Neither this nor a duration: a default.
  std::optional<uint64_t> count;
  std::optional<absl::Duration> duration;
  // Messages per second in all, sent whether or not the broker keeps up.
  std::optional<double> rate;
  AckMode ack = AckMode::kAuto;
  // The subscribers of a topic share one subscription; otherwise each gets everything.
  bool shared = false;
  // One message is published when the one before has been delivered.
  bool one_at_a_time = false;
  // Messages in all before measuring begins. Unset: a default.
  std::optional<uint64_t> warmup;
  // Without any delivery for this long, what is missing counts as lost.
  absl::Duration patience = absl::Seconds(10);

  uint64_t all_publishers() const { return publishers * topics; }
  uint64_t all_subscribers() const { return subscribers * topics; }
  // How often a published message is delivered.
  uint64_t fan_out() const { return shared ? 1 : subscribers; }
};

struct BenchResult {
  // The first thing that went wrong with the run itself.
  absl::Status status;
  bool interrupted = false;

  // While measuring. Times are from the first publish to the last answer, and to the last delivery.
  uint64_t published = 0;
  absl::Duration publish_time;
  uint64_t delivered = 0;
  absl::Duration delivery_time;
  LatencyHistogram latency;

  // In the whole run. Without room for the numbers (size below 16) only loss is known.
  bool verified = false;
  uint64_t failed = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t out_of_order = 0;
  uint64_t changed = 0;

  bool sound() const {
    return status.ok() && failed == 0 && lost == 0 && duplicated == 0 && out_of_order == 0 &&
           changed == 0;
  }
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_OPTIONS_H_
