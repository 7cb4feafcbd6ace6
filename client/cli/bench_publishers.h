// The sending side of `estiba bench`.
#ifndef CLIENT_CLI_BENCH_PUBLISHERS_H_
#define CLIENT_CLI_BENCH_PUBLISHERS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/bench_options.h"
#include "estiba/client.h"
#include "estiba/publisher.h"

namespace estiba::cli {

// All publishers of a run, each with a thread of its own while it sends.
//
// Owned by the run, used by its thread; Abandon from any thread. Without a rate every publisher
// sends as fast as its window lets it. With one, each message has a time at which it should go, and
// that is the send time in its payload, however late it goes: a broker that stalls is charged for
// everybody who would have been waiting (no coordinated omission).
class BenchPublishers {
 public:
  // `client` and `options` must outlive this.
  BenchPublishers(const Client& client, const BenchOptions& options,
                  const std::vector<std::string>& topics);
  ~BenchPublishers();

  struct Phase {
    // In all, for everyone together; or until the duration is over.
    std::optional<uint64_t> count;
    absl::Duration duration = absl::InfiniteDuration();
  };
  // Sends, and waits until everything is answered. Returns how many messages were handed over.
  uint64_t Run(const Phase& phase);
  // Sends one message of the first publisher, now, without waiting for the answer.
  absl::Status SendOne();

  // Ends what is going on; what is unanswered fails. Any thread.
  void Abandon();

  // Handed over so far, by publisher.
  std::vector<uint64_t> published() const;
  uint64_t failed() const;
  // The first failure.
  absl::Status failure() const;

 private:
  struct Sender {
    uint64_t index = 0;
    uint64_t next_number = 0;
    // Room for one piece, header and filling, and views of it.
    std::vector<std::string> payloads;
    std::vector<std::string_view> views;
    std::unique_ptr<Publisher> publisher;
  };

  void Send(Sender& sender, std::optional<uint64_t> count, int64_t end_ns);
  // Hands over `count` messages, the first with this send time and each `step_ns` later.
  absl::Status Post(Sender& sender, size_t count, double first_ns, double step_ns);
  PublisherOptions MakePublisherOptions();

  const BenchOptions& options_;
  const size_t piece_;
  std::vector<Sender> senders_;
  std::atomic<bool> abandoned_ = false;

  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_BENCH_PUBLISHERS_H_
