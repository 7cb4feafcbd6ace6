#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/engine/interval_map.h"
#include "broker/engine/publish.h"
#include "broker/queue/segment.h"

namespace estiba {

// Messages that are to go to a dead-letter topic, and why.
struct DeadLetter {
  Run run;
  uint32_t attempts = 0;
  std::shared_ptr<const std::string> reason;
};

// The attributes that a dead letter gets; what it had under these names before is replaced.
inline constexpr std::string_view kSourceTopic = "estiba-source-topic";
inline constexpr std::string_view kSourceSubscription = "estiba-source-subscription";
inline constexpr std::string_view kSourceSequence = "estiba-source-sequence";
inline constexpr std::string_view kAttempts = "estiba-attempts";
inline constexpr std::string_view kReason = "estiba-reason";

// Appends the record of a dead letter: the message as it was stored, with its ordering key, and
// those attributes. subscription empty: a private one, and no such attribute.
void AppendDeadLetter(std::string_view message, const std::string& topic,
                      const std::string& subscription, uint64_t sequence, uint32_t attempts,
                      const std::string& reason, std::string* records);

// One batch of dead letters on its way to their topic. Sends a command to its owner when it is
// answered.
//
// Lifetime: the owner keeps itself alive from Topic::Publish until that command runs.
// Threads: the owner's turn; Done in the topic's.
class DeadLetterBatch final : public PublishCommand {
 public:
  DeadLetterBatch(Actor* owner, Command* answered) : owner_(owner), answered_(answered) {
    abandoned = &abandoned_;
  }

  // Most messages in a batch.
  static constexpr uint32_t kMostMessages = 64;

  // Takes some from the front of those that wait, as much as makes a good batch, but at most so
  // many messages.
  void Fill(IntervalMap<DeadLetter>& waiting, uint32_t most, const std::string& topic,
            const std::string& subscription);
  // What Fill took.
  const std::vector<DeadLetter>& letters() const { return letters_; }
  uint64_t messages() const { return letters_.empty() ? 0 : count; }
  uint64_t encoded_bytes() const { return encoded_.capacity(); }
  // Nobody waits for the answer any more; what Fill took is forgotten. Ends with Clear.
  void Abandon();
  // Forgets what Fill took.
  void Clear();

  void Done() override { owner_->Send(answered_); }

 private:
  Actor* const owner_;
  Command* const answered_;
  std::atomic<bool> abandoned_{false};
  std::vector<DeadLetter> letters_;
  std::string encoded_;
};

}  // namespace estiba
