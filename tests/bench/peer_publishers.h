// The sending side of a comparison.
#ifndef TESTS_BENCH_PEER_PUBLISHERS_H_
#define TESTS_BENCH_PEER_PUBLISHERS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/bench/peer.h"
#include "tests/bench/peer_run.h"

namespace estiba::bench {

// All publishers of a run, each with a thread of its own while it sends. Each has some of the
// topics and takes turns with them; each of its topics is a lane: its messages there are numbered.
//
// Owned by the run and used by its thread, SendOne by whoever delivers. With a rate every message
// has a time at which it should go, which is its send time, however late it goes (no coordinated
// omission).
class PeerPublishers {
 public:
  // `delivered_by_all`: how many messages of the run the slowest subscriber has, in all.
  PeerPublishers(const RunOptions& options, size_t topics, Peer& peer,
                 std::function<uint64_t()> delivered_by_all);

  absl::Status Connect();

  struct Phase {
    std::optional<uint64_t> count;
    absl::Duration duration = absl::InfiniteDuration();
  };
  // Sends, and waits until the server has it all.
  absl::Status Run(const Phase& phase);
  // One message of the first publisher, now.
  absl::Status SendOne();

  uint64_t published() const { return published_.load(std::memory_order_relaxed); }
  // By lane.
  uint64_t lanes() const { return lanes_.size(); }
  uint64_t published_in(uint64_t lane) const { return lanes_[lane].next_number; }
  size_t topic_of(uint64_t lane) const { return lanes_[lane].topic; }

 private:
  struct Lane {
    size_t topic = 0;
    uint64_t next_number = 0;
  };
  struct Sender {
    size_t index = 0;
    // Its lanes, and whose turn it is.
    std::vector<uint64_t> lanes;
    size_t turn = 0;
    // Room for one piece, header and filling, and views of it.
    std::vector<std::string> payloads;
    std::vector<std::string_view> views;
    std::unique_ptr<PeerPublisher> publisher;
  };

  absl::Status Send(Sender& sender, std::optional<uint64_t> count, int64_t end_ns);
  absl::Status Publish(Sender& sender, size_t count, double first_ns, double step_ns);
  // False: nothing has been delivered for too long.
  bool WaitForRoom() const;

  const RunOptions& options_;
  const uint64_t window_;
  const std::function<uint64_t()> delivered_by_all_;
  const size_t piece_;
  std::vector<Lane> lanes_;
  std::vector<Sender> senders_;
  std::atomic<uint64_t> published_ = 0;
};

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEER_PUBLISHERS_H_
