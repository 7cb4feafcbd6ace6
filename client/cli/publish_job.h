// The publishing half of `estiba pub`: what goes out, at which rate, and what became of it.
#ifndef CLIENT_CLI_PUBLISH_JOB_H_
#define CLIENT_CLI_PUBLISH_JOB_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "client/cli/interrupt.h"
#include "client/cli/pacer.h"
#include "client/cli/progress.h"
#include "estiba/client.h"
#include "estiba/publisher.h"

namespace estiba::cli {

struct PublishSummary {
  uint64_t messages = 0;
  uint64_t bytes = 0;  // payload handed over
  uint64_t failed = 0;
  uint64_t scheduled = 0;  // of `messages`
  // Of this job's messages; 0: none was taken.
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
};

// Owned by the command; one thread posts. Stops at the first failure, so that what is published is
// what came before it. An interrupt closes the publisher: what is on its way gets two seconds.
class PublishJob {
 public:
  struct Options {
    std::string topic;
    PublisherOptions publisher;
    std::optional<double> rate;
    bool progress = false;
    // Added to every message.
    std::vector<Attribute> attributes;
    std::string ordering_key;
    MessageTiming timing;
  };

  // `interrupt` must have been made before `client`, and both outlive this.
  PublishJob(const Client& client, Interrupt& interrupt, Options options);
  ~PublishJob();

  // CANCELLED: interrupted. Otherwise the first failure of any message.
  absl::Status Post(absl::Span<const std::string_view> payloads);
  // See WithDefaults.
  absl::Status Post(const Message& message);

  // Waits until everything is answered. Returns the first failure.
  absl::Status Finish();

  // Complete after Finish.
  PublishSummary summary() const;
  absl::Duration elapsed() const { return progress_.elapsed(); }

 private:
  absl::Status PostPiece(absl::Span<const std::string_view> payloads);
  // Why a post was not accepted: the failure that closed the publisher, if it was that.
  absl::Status Reason(const absl::Status& refused) const;
  absl::Status FirstFailure() const;

  const Options options_;
  Interrupt& interrupt_;
  std::vector<AttributeRef> attributes_;
  bool plain_ = false;  // nothing is added
  std::vector<MessageRef> refs_;
  Pacer pacer_;
  Progress progress_;
  uint64_t messages_ = 0;
  uint64_t bytes_ = 0;

  mutable absl::Mutex mutex_;
  uint64_t first_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t scheduled_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> failed_ = false;

  // Last: its callbacks use the above.
  Publisher publisher_;
};

// The message, with what the options have and it has not: attributes by key, ordering key, times.
Message WithDefaults(Message message, const PublishJob::Options& options);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_PUBLISH_JOB_H_
