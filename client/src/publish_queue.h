// The batches of one publisher that are not settled yet, and the rules by which they are numbered,
// sent, answered and sent again. No threads, no clock, no gRPC calls: all of that comes from the
// owner.
//
// Owner: one PublisherImpl, under its lock.
//
// How it works. `queue_` holds the batches in the order of publishing. The first `sent_` of them
// are on the wire and will be answered in this order. The broker takes the batches of a producer
// only with consecutive numbers, so:
//  1. A number belongs to a position: the front has `front_number_`, and only a taken batch uses
//  its
//     number up.
//  2. When a batch is refused, the ones behind it that are on the wire have skipped a number and
//  will be
//     refused with ABORTED. Nothing is sent until their answers are in (`recovering_`); then
//     everything is numbered and sent again from the front, after a back-off if the refusal asks
//     for one.
//  3. When the stream ends, what was on the wire has an unknown fate. It is sent again under the
//  same
//     numbers; the broker recognises what it had taken.
//  4. The first batch on a stream goes alone (`probing_`). A broker that does not know the producer
//  takes
//     any first number; with two on the wire it could refuse the first and take the second.
//  5. A batch of unknown fate cannot be given up alone: its number may or may not be used up. So
//  all of
//     unknown fate are given up together, and the producer takes a new name.
#ifndef ESTIBA_CLIENT_SRC_PUBLISH_QUEUE_H_
#define ESTIBA_CLIENT_SRC_PUBLISH_QUEUE_H_

#include <grpcpp/support/slice.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/src/publish_codec.h"
#include "estiba/publisher.h"

namespace estiba::internal {

struct Batch {
  // `messages` records, kept until settled because they may have to be sent again.
  grpc::Slice records;
  uint32_t count = 0;
  // When to stop trying.
  absl::Time deadline = absl::InfiniteFuture();
  // Who wants to know about single messages, by their index among those that get a sequence now;
  // kScheduled for the others.
  static constexpr uint32_t kScheduled = std::numeric_limits<uint32_t>::max();
  std::vector<std::pair<uint32_t, Publisher::Callback>> callbacks;

  // For PublishQueue.
  uint64_t number = 0;
  bool sent_before = false;
  bool fate_unknown = false;
  absl::Status last_error;
};

// A batch with its outcome: `published` if `status` is OK.
struct SettledBatch {
  std::unique_ptr<Batch> batch;
  absl::Status status;
  PublishedBatch published;
};

class PublishQueue {
 public:
  // Most batches on the wire; the broker remembers this many of a producer.
  static constexpr size_t kMaxSent = 256;

  void Add(std::unique_ptr<Batch> batch) { queue_.push_back(std::move(batch)); }

  // Whether a batch may be sent now, apart from there being one.
  bool may_send() const {
    return !recovering_ && !retry_wait_ && sent_ < (probing_ ? 1 : kMaxSent);
  }
  bool has_unsent() const { return sent_ < queue_.size(); }
  // The next one, numbered; it counts as sent. Only if may_send() and has_unsent().
  const Batch& Send();

  // The stream is there; nothing has been sent on it.
  void OnStreamOpen() { probing_ = true; }
  void OnStreamEnd();

  // An answer. Returns the batch if that settles it, nullopt if it will be sent again. INTERNAL:
  // the answer fits nothing that was sent, and the stream is of no more use.
  absl::StatusOr<std::optional<SettledBatch>> OnResult(const BatchResult& result);

  // Set while the front has to wait before it is tried again: how long the broker asked for, or
  // zero. The owner ends it with Retry().
  std::optional<absl::Duration> retry_wait() const {
    return recovering_ ? std::nullopt : retry_wait_;
  }
  void Retry() { retry_wait_.reset(); }

  // When the front has to be given up, if it is not on the wire.
  std::optional<absl::Time> deadline() const;
  // Gives up what is past its deadline at `now`, or everything, apart from what is on the wire.
  // `status` is the outcome of those that have no error of their own yet.
  std::vector<SettledBatch> GiveUp(absl::Time now, const absl::Status& status);
  // Gives up everything, also what is on the wire; the stream must end.
  std::vector<SettledBatch> GiveUpAll(const absl::Status& status);

  // Counts up when the producer needs a new name (rule 5).
  uint64_t identity() const { return identity_; }

  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }
  size_t sent() const { return sent_; }
  uint64_t resent_batches() const { return resent_batches_; }

 private:
  SettledBatch Settle(size_t position, absl::Status status);
  void NewIdentity();

  std::deque<std::unique_ptr<Batch>> queue_;
  size_t sent_ = 0;
  // Of the sent ones, how many have been refused and stay (rule 2).
  size_t refused_ = 0;
  uint64_t front_number_ = 1;
  bool recovering_ = false;
  bool probing_ = true;
  std::optional<absl::Duration> retry_wait_;
  uint64_t identity_ = 0;
  uint64_t resent_batches_ = 0;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_PUBLISH_QUEUE_H_
