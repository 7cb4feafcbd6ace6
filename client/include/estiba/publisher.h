// Publishes to one topic: batches, pipelines, retries.
//
// Owner and lifetime: the application; see client.h for the order of destruction. The destructor is
// Close(now + close_timeout): it may block that long, and what is unanswered by then fails with
// CANCELLED.
//
// Threads: every method may be called from any thread. Callbacks run on the Client's threads (those
// of what Close gives up: on its thread), one at a time and in the order of publishing; a callback
// may publish again. On a Client thread, calls that would have to wait do not: a publish that finds
// the window full fails with RESOURCE_EXHAUSTED, and Flush and Close fail with FAILED_PRECONDITION.
//
// Guarantees:
//  - Messages of one Publisher are stored in the order of the calls that published them.
//  - Across reconnects and retries nothing is stored twice, and nothing is reordered except around
//  a
//    batch that was refused for good. (The broker recognises the last 256 batches of a producer; no
//    more are ever on the wire. A broker that restarts has lost its messages and that memory with
//    them.)
//  - Every message has exactly one outcome: a sequence, or an error. A sequence means that the
//  broker
//    holds the message. After UNAVAILABLE, DEADLINE_EXCEEDED or CANCELLED it may hold it or not.
//
// Batching: a message goes out at once when no write is under way; while one is, messages gather
// and go out together when it completes, or when a batch is full. So batches are as large as the
// load makes them, without a timer. `linger` adds a wait for traffic where larger batches matter
// more.
//
// Retries: UNAVAILABLE and RESOURCE_EXHAUSTED (waiting as long as the broker asked), with back-off
// and jitter, until `retry_timeout` has passed since the batch was begun. Anything else is final
// for the batch concerned; the others go on.
//
//   estiba::Publisher publisher(client, "orders");
//   auto sequence = publisher.Publish({.data = "hello"}).get();      // StatusOr<uint64_t>
//   for (const auto& line : lines) publisher.Post(line).IgnoreError();    // fast: no outcome each
//   absl::Status all = publisher.Flush(absl::Now() + absl::Seconds(10));  // ... but one for all
#ifndef ESTIBA_PUBLISHER_H_
#define ESTIBA_PUBLISHER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "estiba/client.h"
#include "estiba/message.h"

namespace estiba {

namespace internal {
class PublisherImpl;
}  // namespace internal

// One batch the broker has taken: sequences first_sequence .. first_sequence + count - 1, and
// messages that are scheduled, which get theirs later.
struct PublishedBatch {
  uint64_t first_sequence = 0;  // 0: all are scheduled
  uint32_t count = 0;
  uint32_t scheduled = 0;
  // The batch had been taken on an earlier try whose answer was lost.
  bool duplicate = false;
};

// Messages that the broker will not hold, or perhaps not (see the guarantees above).
struct PublishFailure {
  absl::Status status;
  uint64_t messages = 0;
};

struct PublisherOptions {
  // A batch is closed when it has this many encoded bytes (1 - 15 MiB; one message may exceed it)
  // or messages (1 - 100,000).
  size_t max_batch_bytes = 64 * 1024;
  size_t max_batch_messages = 10'000;
  // How long a batch may wait for company when nothing else keeps it waiting. Zero: not at all.
  absl::Duration linger = absl::ZeroDuration();

  // How long the broker may hold back the answers to batches it has taken, so that one response
  // carries up to 128 of them, or those to 64 KiB: 0 - 10 s, in whole milliseconds. Zero: not at
  // all. Reading an answer costs as much as publishing a small batch. Nobody waits for these:
  // errors are not held back, nor what a future, a callback, Flush, Close or a publish that finds
  // the window full waits for. Only a Try call, or a publish on one of the Client's threads, may
  // find the window full for so much longer.
  absl::Duration max_answer_delay = absl::Milliseconds(20);

  // The window: what was published and is not answered. When it is full, publishing waits, and the
  // Try calls fail. A message larger than the window passes when the window is empty. What waits in
  // it is late, and beyond a few MiB publishing gets slower, as memory comes to be read that the
  // processor no longer has at hand; more is for bursts, and for distances (100 MB/s over 20 ms).
  size_t max_in_flight_messages = 1'000'000;
  size_t max_in_flight_bytes = size_t{2} << 20;

  // How long a batch is tried, from when its first message came. What a live broker makes wait (a
  // full topic with the block policy) is waited for without limit. Infinite is allowed.
  absl::Duration retry_timeout = absl::Seconds(60);
  // Waiting between tries that RESOURCE_EXHAUSTED made necessary, where the broker does not say;
  // the back-off of connecting is the Client's.
  absl::Duration min_retry_backoff = absl::Milliseconds(10);
  absl::Duration max_retry_backoff = absl::Seconds(2);

  // What the destructor grants to messages on their way.
  absl::Duration close_timeout = absl::Seconds(5);

  // Each batch that was taken, and messages posted without a callback that were not. On a Client
  // thread (in Close also on the thread that closes).
  std::function<void(const PublishedBatch&)> on_batch = {};
  std::function<void(const PublishFailure&)> on_failure = {};
};

// Counters since the Publisher was made; a snapshot in which each value is right by itself.
struct PublisherStats {
  uint64_t accepted_messages = 0;   // taken over from the application
  uint64_t published_messages = 0;  // answered: they have a sequence, or are scheduled
  uint64_t published_bytes = 0;     // of these, encoded
  uint64_t failed_messages = 0;
  uint64_t published_batches = 0;
  uint64_t duplicate_batches = 0;  // taken on a try whose answer was lost
  uint64_t resent_batches = 0;
  uint64_t reconnects = 0;
  // Now, not since the start.
  uint64_t in_flight_messages = 0;
  uint64_t in_flight_bytes = 0;
};

class Publisher {
 public:
  // The message's sequence, or why it has none. 0: the broker holds it, and will publish it at its
  // time (MessageTiming).
  using Callback = absl::AnyInvocable<void(absl::StatusOr<uint64_t>)>;

  // Connects in the background; cannot fail. `topic` as in message.proto; a bad name shows in the
  // outcome of what is published.
  Publisher(const Client& client, std::string topic, PublisherOptions options = {});
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Publishes one message. Waits while the window is full. After Close: FAILED_PRECONDITION. Larger
  // than 10 MiB encoded: INVALID_ARGUMENT.
  std::future<absl::StatusOr<uint64_t>> Publish(const Message& message);
  // The same; `callback` is called exactly once, on a Client thread, or on this one before the call
  // returns if the message was not accepted.
  void Publish(const Message& message, Callback callback);
  // The same without waiting: RESOURCE_EXHAUSTED if the window is full. If the result is not OK,
  // the message was not accepted and `callback` is not called.
  absl::Status TryPublish(const Message& message, Callback callback);

  // The fast path: encodes straight into the batch that is being gathered and keeps nothing per
  // message. OK means accepted; the outcome shows in Flush, in the counters and in on_batch and
  // on_failure. Post waits while the window is full, TryPost returns RESOURCE_EXHAUSTED.
  absl::Status Post(std::string_view data);
  absl::Status Post(const MessageRef& message);
  absl::Status TryPost(std::string_view data);
  absl::Status TryPost(const MessageRef& message);
  // Many at once, in order, at the cost of one lock. Stops at the first that is not accepted (only
  // possible after Close, for an oversized message, or on a Client thread); `*accepted`, if given,
  // says how many were.
  absl::Status PostBatch(absl::Span<const std::string_view> data, size_t* accepted = nullptr);
  absl::Status PostBatch(absl::Span<const MessageRef> messages, size_t* accepted = nullptr);

  // Sends what is gathered at once, and waits until everything accepted before this call is
  // answered. OK: nothing has failed since the previous Flush. Otherwise the first failure since
  // then. DEADLINE_EXCEEDED: something is still unanswered (it stays on its way).
  absl::Status Flush(absl::Time deadline = absl::InfiniteFuture());

  // Accepts nothing more, flushes, then ends the stream; at the deadline, whatever is unanswered
  // fails with CANCELLED. Returns as Flush does. A second call returns OK once the first is
  // through.
  absl::Status Close(absl::Time deadline = absl::InfiniteFuture());

  PublisherStats Stats() const;
  const std::string& topic() const;

 private:
  std::unique_ptr<internal::PublisherImpl> impl_;
};

}  // namespace estiba

#endif  // ESTIBA_PUBLISHER_H_
