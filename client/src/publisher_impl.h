// A Publisher's inside: gathers messages into batches, keeps the window, and moves batches between
// the PublishQueue and the stream.
//
// Owner: one Publisher. Threads and guarantees: as publisher.h promises. `mutex_` guards everything
// that changes; no gRPC write and no callback runs under it.
#ifndef ESTIBA_CLIENT_SRC_PUBLISHER_IMPL_H_
#define ESTIBA_CLIENT_SRC_PUBLISHER_IMPL_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/src/backoff.h"
#include "client/src/batch_buffer.h"
#include "client/src/connection.h"
#include "client/src/outcome_queue.h"
#include "client/src/publish_queue.h"
#include "client/src/stream.h"
#include "client/src/timer.h"
#include "estiba/publisher.h"

namespace estiba::internal {

class PublisherImpl final : private StreamListener {
 public:
  enum class WhenFull { kWait, kFail };

  PublisherImpl(std::shared_ptr<Connection> connection, std::string topic,
                PublisherOptions options);
  ~PublisherImpl();

  // Adds `messages` to the batch being gathered, in order; `accepted` says how many. `callback` may
  // be null, and is moved from only if its (single) message is accepted.
  absl::Status Add(absl::Span<const MessageRef> messages, WhenFull when_full,
                   Publisher::Callback* callback, size_t& accepted);
  absl::Status Flush(absl::Time deadline);
  absl::Status Close(absl::Time deadline);

  PublisherStats Stats() const;
  const std::string& topic() const { return topic_; }
  const PublisherOptions& options() const { return options_; }

 private:
  // A write that was decided on under the lock and is carried out without it.
  struct PendingWrite {
    std::shared_ptr<Stream> stream;
    grpc::ByteBuffer request;
    Stream::Followed followed;
  };

  void OnOpen() override;
  void OnRead(grpc::ByteBuffer& message) override;
  void OnWritten() override;
  void OnEnd(const absl::Status& status) override;
  void OnTimer(bool fired);

  // Waits, or says no, until a record of `bytes` fits the window.
  absl::Status WaitForRoom(size_t bytes, WhenFull when_full) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoom(size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Closes the batch being gathered.
  void Seal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LingerIsOver() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Takes the next batch to the wire, if there is one and it may go now.
  std::optional<PendingWrite> TakeWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void CarryOut(std::optional<PendingWrite> write);
  // The same where callbacks come next: what follows may take as long as they do.
  static void CarryOutAtOnce(std::optional<PendingWrite> write);
  grpc::ByteBuffer EncodeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks for what the broker holds back, if somebody waits for it.
  std::optional<PendingWrite> TakeAnswerNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What TakeWrite left for after the write under way.
  std::optional<PendingWrite> TakeFollowing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // TakeWrite and CarryOut for a caller that does not hold the lock.
  void SendNext() ABSL_LOCKS_EXCLUDED(mutex_);
  // The same for an application's thread that holds it, and lets go of it meanwhile. A write that
  // is through at once is followed by what has gathered meanwhile.
  void SendHere() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void OpenStream() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets the timer for whatever comes next: opening, retrying, lingering, giving up.
  void ScheduleTimer() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WantsStream() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<absl::Time> NextEvent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Settle(std::vector<SettledBatch> settled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Settle(SettledBatch settled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Cancels what still runs and waits until nothing of this object is referred to.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::shared_ptr<Connection> connection_;
  const std::string topic_;
  const PublisherOptions options_;
  OutcomeQueue outcomes_{options_};

  mutable absl::Mutex mutex_;
  absl::CondVar room_;   // the window has room, or the end has come
  absl::CondVar ended_;  // the stream or a timer has ended

  BatchBuffer open_ ABSL_GUARDED_BY(mutex_);
  absl::Time open_since_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<uint32_t, Publisher::Callback>> open_callbacks_ ABSL_GUARDED_BY(mutex_);
  PublishQueue queue_ ABSL_GUARDED_BY(mutex_);

  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  bool stream_open_ ABSL_GUARDED_BY(mutex_) = false;
  bool first_request_ ABSL_GUARDED_BY(mutex_) = true;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // When an application's thread has written last.
  absl::Time wrote_here_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Requests that follow the write under way, whatever happens: gRPC keeps what is written before
  // them, to send all at once.
  std::deque<grpc::ByteBuffer> following_ ABSL_GUARDED_BY(mutex_);
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  // TakeAnswerNow has asked since the last batch went.
  bool answers_awaited_ ABSL_GUARDED_BY(mutex_) = false;
  // The last stream ended with a status that trying again will not cure.
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;
  // When to open the next stream, if there is none.
  absl::Time reopen_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time retry_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Status last_stream_error_ ABSL_GUARDED_BY(mutex_);
  std::string producer_ ABSL_GUARDED_BY(mutex_);
  uint64_t producer_identity_ ABSL_GUARDED_BY(mutex_) = 0;
  Backoff reconnect_backoff_ ABSL_GUARDED_BY(mutex_);
  Backoff retry_backoff_ ABSL_GUARDED_BY(mutex_);
  Timer timer_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Time> timer_at_ ABSL_GUARDED_BY(mutex_);
  bool in_timer_ ABSL_GUARDED_BY(mutex_) = false;

  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
  int room_waiters_ ABSL_GUARDED_BY(mutex_) = 0;
  int flushing_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t window_messages_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t window_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  PublisherStats stats_ ABSL_GUARDED_BY(mutex_);

  // Only for OnRead, which is never called twice at once.
  std::vector<BatchResult> results_;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_PUBLISHER_IMPL_H_
