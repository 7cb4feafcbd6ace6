// What a consumer has to say to the broker and has not sent yet: acks, nacks, extensions, credit,
// the wish to stop.
//
// Owner: one SubscriberImpl, under its lock; not thread-safe. It grows with what is outstanding on
// the stream at most (acks of neighbours become one range).
#ifndef ESTIBA_CLIENT_SRC_ACK_OUTBOX_H_
#define ESTIBA_CLIENT_SRC_ACK_OUTBOX_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "estiba/subscriber.h"

namespace estiba::internal {

class AckOutbox {
 public:
  // Most entries of one kind in a request, as the broker allows.
  static constexpr size_t kMaxEntries = 10'000;
  // A request takes replies until it has this many bytes, to stay well below what the broker reads.
  static constexpr size_t kReplyBytes = size_t{1} << 20;

  // Empty ranges (first of 0 or above last) are passed over.
  void Ack(SequenceRange range) { Add(acks_, range); }
  void Nack(SequenceRange range) { Add(nacks_, range); }
  // An encoded estiba.v1.Reply.
  void Reply(std::string reply) { replies_.push_back(std::move(reply)); }
  void NackLater(SequenceRange range, absl::Duration delay) {
    AddTimed(nacks_later_, range, delay);
  }
  void Extend(SequenceRange range, absl::Duration deadline) {
    AddTimed(extensions_, range, deadline);
  }
  void SetCredit(Credit credit) { credit_ = credit; }
  void ReturnCredit(uint64_t messages, uint64_t bytes) {
    return_messages_ += messages;
    return_bytes_ += bytes;
  }

  // The consumer asks for an orderly end, after everything else that is here.
  void Stop() { stop_ = true; }

  bool empty() const {
    return !stop_ && acks_.empty() && nacks_.empty() && nacks_later_.empty() &&
           extensions_.empty() && replies_.empty() && !credit_ && return_messages_ == 0 &&
           return_bytes_ == 0;
  }

  // The next SubscribeRequest, encoded, and how many acked messages it holds. Only if not empty.
  std::string Take(uint64_t& acked_messages);

  // The stream has ended: credit belongs to it, and so do extensions and Stop. Acks and nacks stay
  // if `keep_acks`, replies if `keep_replies`.
  void OnStreamEnd(bool keep_acks, bool keep_replies = false);

 private:
  struct Timed {
    SequenceRange range;
    absl::Duration time;
  };
  using Ranges = std::deque<SequenceRange>;

  static void AddTimed(std::deque<Timed>& list, SequenceRange range, absl::Duration time);

  static void Add(Ranges& ranges, SequenceRange range);
  void MoveReplies(std::string& out);
  // Moves up to kMaxEntries to `out` as field `field`; returns how many messages.
  static uint64_t Move(Ranges& ranges, uint32_t field, std::string& out);

  Ranges acks_;
  Ranges nacks_;
  std::deque<Timed> nacks_later_;
  std::deque<Timed> extensions_;
  std::deque<std::string> replies_;
  std::optional<Credit> credit_;
  uint64_t return_messages_ = 0;
  uint64_t return_bytes_ = 0;
  bool stop_ = false;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_ACK_OUTBOX_H_
