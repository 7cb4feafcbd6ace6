// A server to compare with, as its own client library shows it: the least that the comparison
// needs. Each peer uses its library in that library's own best practice, and says in its file which
// it is.
//
// Failure: absl::Status with the library's text; nothing throws.
#ifndef TESTS_BENCH_PEER_H_
#define TESTS_BENCH_PEER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tests/bench/receiver.h"

namespace estiba::bench {

struct PeerSettings {
  // As the peer's library takes it: host:port for most, a URL for NATS.
  std::string server;
  // Those of one subscriber are all that begin with the same words before the last dot.
  std::vector<std::string> topics;
  size_t size = 128;
  // Most messages and bytes in one batch, where the peer has batches. Unset, 0: its own practice.
  std::optional<uint64_t> batch;
  size_t batch_bytes = 0;
  // Publishes are answered by the server, and deliveries acked to it one by one.
  bool acked = false;
  // Latency counts: what is published goes at once, in whatever pieces.
  bool prompt = false;
  // What is published must wait at the server for subscribers that come later.
  bool keep = false;
  // What stands beside, with nothing to do (Estiba): named subscriptions without consumers of other
  // topics, the same of the first topic, which keep all its messages, and open streams.
  uint64_t idle_subscriptions = 0;
  uint64_t idle_subscriptions_here = 0;
  uint64_t idle_streams = 0;
  bool idle() const { return idle_subscriptions + idle_subscriptions_here + idle_streams > 0; }
  // How long to wait for the server.
  absl::Duration patience = absl::Seconds(10);
};

// Owned by the run. One thread publishes at a time; that is its own one, or, one message at a time,
// the one that delivers.
class PeerPublisher {
 public:
  virtual ~PeerPublisher() = default;
  virtual absl::Status Connect() = 0;
  // Hands over messages for one topic, in order. May wait for room.
  virtual absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) = 0;
  // Waits until the server has, and, acked, has answered, everything.
  virtual absl::Status Flush() = 0;
};

// Owned by the run. Delivers to its receiver from one thread at a time.
class PeerSubscriber {
 public:
  virtual ~PeerSubscriber() = default;
  // Returns when everything published from now on will be delivered.
  virtual absl::Status Start() = 0;
  // Nothing is delivered any more when it returns.
  virtual void Stop() = 0;
  // What went wrong since Start.
  virtual absl::Status status() const { return absl::OkStatus(); }
};

// Owned by the run, outlives what it makes.
class Peer {
 public:
  virtual ~Peer() = default;
  // Makes what publishers and subscribers need at the server, and takes it away again.
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  virtual void CleanUp() {}
  virtual std::unique_ptr<PeerPublisher> MakePublisher() = 0;
  // `topics` are indices into the settings'.
  virtual std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                         Receiver& receiver) = 0;
  // How many messages the publishers may be ahead of the slowest subscriber, for a server that
  // drops what a subscriber does not take in time. 0: it needs no such care.
  virtual uint64_t window() const { return 0; }
};

// "estiba", "nats", ... INVALID_ARGUMENT: no such peer, or what is asked for is not its to give.
// UNIMPLEMENTED: it was not built, as its library was not there.
absl::StatusOr<std::unique_ptr<Peer>> MakePeer(const std::string& name,
                                               const PeerSettings& settings);
// All names, built or not; and whether it was built.
std::vector<std::string> PeerNames();
bool PeerIsBuilt(const std::string& name);

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEER_H_
