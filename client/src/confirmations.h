// Acks that wait to be confirmed, and the requests of a stream that the broker has not answered
// yet. Only exactly-once subscriptions have any.
//
// Owner: one SubscriberImpl, under its lock; not thread-safe. Callbacks are not called here: what
// has been decided is returned, for the owner to tell when it holds no lock. Bound: what is
// outstanding on the stream, and as many requests as the broker reads ahead.
#ifndef ESTIBA_CLIENT_SRC_CONFIRMATIONS_H_
#define ESTIBA_CLIENT_SRC_CONFIRMATIONS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "estiba/subscriber.h"

namespace estiba::internal {

// Some messages that an application has acked together.
class Confirmation {
 public:
  Confirmation(uint64_t messages, Subscriber::AckCallback done)
      : open_(messages), done_(std::move(done)) {}

  // True: nothing more is to come.
  bool Confirmed(uint64_t messages) {
    if (open_ == 0) return false;
    open_ -= std::min(open_, messages);
    return open_ == 0;
  }
  bool Refused(const SequenceRange& range, bool unordered);
  // Nothing more will come. False: that was known, or everything has.
  bool Abandon() { return std::exchange(open_, 0) != 0; }
  // How it stands, when nothing more is to come.
  const absl::Status& status() const { return status_; }
  // Calls the callback; once.
  void Tell(absl::Status status) { done_(std::move(status)); }

 private:
  uint64_t open_;
  absl::Status status_;  // of the first that was refused
  Subscriber::AckCallback done_;
};
using ConfirmationPtr = std::shared_ptr<Confirmation>;

// Neighbours of one Confirmation.
struct ConfirmedAck {
  SequenceRange range;
  ConfirmationPtr confirmation;
};

// What a request says of the messages of a topic (its number; 0: there is only one): one answer.
struct Asked {
  uint32_t topic = 0;
  std::vector<ConfirmedAck> acks;
};

// One range of an answer, or of a part of one (estiba.v1.Verdicts).
struct VerdictRange {
  SequenceRange range;
  bool ack = false;
  bool done = false;
  bool unordered = false;
};
struct Answer {
  uint32_t topic = 0;
  std::vector<VerdictRange> verdicts;
  bool more = false;
};

class Confirmations {
 public:
  // Decided, with how.
  using Decided = std::vector<std::pair<ConfirmationPtr, absl::Status>>;

  // A request is being sent.
  void Expect(std::vector<Asked> asked);
  bool empty() const { return asked_.empty(); }

  // An answer has come. Adds what it decides, and returns how many acks were refused.
  uint64_t Take(const Answer& answer, Decided& decided);
  // There will be no more answers.
  void Fail(const absl::Status& status, Decided& decided);

  static void Tell(Decided decided) {
    for (auto& [confirmation, status] : decided) confirmation->Tell(std::move(status));
  }

 private:
  // The requests of a topic, oldest first, and the answer to the first as far as it has come.
  struct Topic {
    std::deque<Asked> asked;
    std::vector<VerdictRange> acks;
  };

  static void Decide(const Asked& asked, const std::vector<VerdictRange>& acks, Decided& decided);

  std::map<uint32_t, Topic> asked_;  // none that is empty
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_CONFIRMATIONS_H_
