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
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/src/confirmations.h"
#include "estiba/subscriber.h"

namespace estiba::internal {

// Acks, nacks, terminations and extensions: of a topic, or of one of a pattern's.
class Settlements {
 public:
  // Empty ranges (first of 0 or above last) are passed over.
  void Ack(SequenceRange range) { Add(acks_, range); }
  // To be confirmed. Not an empty range; only on a stream whose acks are.
  void Ack(SequenceRange range, ConfirmationPtr confirmation) {
    confirmed_.push_back({range, std::move(confirmation)});
  }
  void Nack(SequenceRange range) { Add(nacks_, range); }
  void NackLater(SequenceRange range, absl::Duration delay) {
    AddTimed(nacks_later_, range, delay);
  }
  void Terminate(uint64_t sequence, std::string reason) {
    if (sequence != 0) terminations_.push_back({sequence, std::move(reason)});
  }
  void Extend(SequenceRange range, absl::Duration deadline) {
    AddTimed(extensions_, range, deadline);
  }
  bool empty() const {
    return acks_.empty() && confirmed_.empty() && nacks_.empty() && !has_rare();
  }
  // How many messages something is said of. (Not those whose acks are to be confirmed.)
  uint64_t messages() const;

 private:
  friend class AckOutbox;
  struct Timed {
    SequenceRange range;
    absl::Duration time;
  };
  struct Termination {
    uint64_t sequence;
    std::string reason;
  };
  using Ranges = std::deque<SequenceRange>;

  bool has_rare() const {
    return !nacks_later_.empty() || !terminations_.empty() || !extensions_.empty();
  }
  static void Add(Ranges& ranges, SequenceRange range);
  static void AddTimed(std::deque<Timed>& list, SequenceRange range, absl::Duration time);

  Ranges acks_;
  std::deque<ConfirmedAck> confirmed_;
  Ranges nacks_;
  std::deque<Timed> nacks_later_;
  std::deque<Termination> terminations_;
  std::deque<Timed> extensions_;
};

class AckOutbox : public Settlements {
 public:
  // Most entries of one kind in a request, as the broker allows.
  static constexpr size_t kMaxEntries = 10'000;
  // A request takes replies, and what topics have to say, until it has about this many bytes: to
  // stay well below what the broker reads.
  static constexpr size_t kSoftBytes = size_t{1} << 20;

  // Where a topic's go, by its number; 0: there is only one topic.
  Settlements& Of(uint32_t topic) {
    if (topic == 0) return *this;
    return topics_[topic];
  }
  // An encoded estiba.v1.Reply.
  void Reply(std::string reply) { replies_.push_back(std::move(reply)); }
  void SetCredit(Credit credit) { credit_ = credit; }
  void ReturnCredit(uint64_t messages, uint64_t bytes) {
    return_messages_ += messages;
    return_bytes_ += bytes;
  }

  // The consumer asks for an orderly end, after everything else that is here.
  void Stop() { stop_ = true; }

  bool empty() const {
    return !stop_ && !settles() && replies_.empty() && !credit_ && return_messages_ == 0 &&
           return_bytes_ == 0;
  }
  // Whether it names messages, which must be those of the broker that it goes to.
  bool settles() const { return !Settlements::empty() || !topics_.empty(); }

  // The next SubscribeRequest, encoded, and how many acked messages it holds. Only if not empty.
  // Adds to `asked`, unless it is null, what an exactly-once subscription will answer.
  std::string Take(uint64_t& acked_messages, std::vector<Asked>* asked = nullptr);

  // The stream has ended: credit belongs to it, and so do extensions and Stop. Acks and nacks stay
  // if `keep_acks`, replies if `keep_replies`. Returns the acks that nobody will confirm.
  std::vector<ConfirmedAck> OnStreamEnd(bool keep_acks, bool keep_replies = false);
  // The next stream's messages are others. Forgets what was said of these, and returns of how many.
  // Only before anything is to be confirmed on it.
  uint64_t DropSettlements();

 private:
  // The rest of `from`, which is rare enough for a message object, as far as the broker takes it in
  // one request. To: SubscribeRequest, TopicUpdate.
  template <typename To>
  static void MoveRare(Settlements& from, To& to);
  void MoveReplies(std::string& out);
  // A topic's acks.
  static uint64_t MoveAcks(Settlements& from, uint32_t topic, std::string& out,
                           std::vector<Asked>* asked);
  // Moves up to kMaxEntries to `out` as field `field`; returns how many messages.
  static uint64_t Move(Ranges& ranges, uint32_t field, std::string& out);

  // What the topics of a pattern have to say, as TopicUpdates.
  uint64_t MoveTopics(std::string& out, std::vector<Asked>* asked);

  std::map<uint32_t, Settlements> topics_;
  std::deque<std::string> replies_;
  std::optional<Credit> credit_;
  uint64_t return_messages_ = 0;
  uint64_t return_bytes_ = 0;
  bool stop_ = false;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_ACK_OUTBOX_H_
