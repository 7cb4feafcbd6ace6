// The consuming half of `estiba sub`: takes messages, writes them, and acks what was written.
#ifndef CLIENT_CLI_CONSUME_JOB_H_
#define CLIENT_CLI_CONSUME_JOB_H_

#include <boost/icl/interval_set.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/interrupt.h"
#include "client/cli/message_writer.h"
#include "client/cli/output.h"
#include "estiba/client.h"
#include "estiba/subscriber.h"

namespace estiba::cli {

// Owned by the command; Run once, on one thread.
//
// With explicit acks a message is acked only after write(2) has taken its output, so that a reader
// that goes away, a full disk or an interrupt loses nothing: what was not written stays on the
// broker. A message that comes again although it was written here (its ack was late, because the
// output stood still) is acked again and not written twice.
//
// With `count`, credit shrinks as the count is approached, so that the broker hands out no more
// than is taken and the rest goes to others untouched.
class ConsumeJob {
 public:
  struct Options {
    SubscriberOptions subscriber;
    std::optional<uint64_t> count;
    std::optional<absl::Duration> until_idle;
  };

  struct Result {
    // Why it stopped before its time; OK: count reached, idle, interrupted, or nobody reads any
    // more.
    absl::Status status;
    bool count_reached = false;
    uint64_t messages = 0;
  };

  // `interrupt` must have been made before `client`, and both outlive this.
  ConsumeJob(const Client& client, Interrupt& interrupt, MessageWriter writer, Options options);
  ~ConsumeJob();

  Result Run();

 private:
  // Neighbours of one topic.
  struct Written {
    MessageId first;
    uint64_t last = 0;
  };

  // The next frame; flushes the output before it waits. CANCELLED: interrupted, or nobody reads.
  absl::StatusOr<ReceivedFrame> NextFrame();
  void Write(const ReceivedFrame& frame);
  // Remembers for the ack what is in the output now, with explicit acks.
  void NoteWritten(const std::string& topic, const Written& run);
  // After Stop: what was on its way counts as consumed with automatic acks, so it is written as
  // well.
  absl::Status WriteRest();
  // Writes out, then acks what was written.
  absl::Status Flush();
  void Ack(const Written& written);
  void AddGap(const Gap& gap);
  void WriteGapsBefore(uint64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool counted_out() const { return options_.count && messages_ >= *options_.count; }

  const Options options_;
  const MessageWriter writer_;
  Interrupt& interrupt_;
  OutputBuffer output_;
  uint64_t messages_ = 0;
  uint64_t acked_ = 0;
  uint32_t credit_ = 0;
  // Written to `output_` and not yet acked; and everything ever written of this epoch, by topic (no
  // name, unless the subscription is over a pattern), to know what comes again.
  std::vector<Written> written_;
  uint32_t seen_epoch_ = 0;
  std::map<std::string, boost::icl::interval_set<uint64_t>, std::less<>> seen_;

  absl::Mutex mutex_;
  // The main thread waits for messages and has nothing left to write or ack.
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  bool connected_ ABSL_GUARDED_BY(mutex_) = true;
  std::string topic_ ABSL_GUARDED_BY(mutex_);
  std::deque<Gap> gaps_ ABSL_GUARDED_BY(mutex_);

  // Last: its callbacks use the above.
  Subscriber subscriber_;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_CONSUME_JOB_H_
