// Subscription: messages that leave for the dead-letter topic.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// How long to wait before the dead-letter topic is tried again; doubled each time.
constexpr int64_t kLeastWaitMs = 100;
constexpr int64_t kMostWaitMs = 10'000;

}  // namespace

bool Subscription::IsDead(const Lease& lease) const {
  return config_.dead_letter.max_attempts != 0 && lease.attempt >= config_.dead_letter.max_attempts;
}

void Subscription::Bury(Lease lease, std::shared_ptr<const std::string> reason) {
  static const auto* const kMaxAttempts =
      new std::shared_ptr<const std::string>(std::make_shared<const std::string>("max-attempts"));
  lease.consumer->GiveBack(lease.run.count, lease.run.bytes);
  if (dead_ == nullptr) dead_ = std::make_unique<DeadLetters>(this, &dead_letters_answered_);
  if (reason == nullptr) reason = *kMaxAttempts;
  KeepLetter({std::move(lease.run), lease.attempt, std::move(reason)});
}

void Subscription::KeepLetter(DeadLetter letter) {
  CutGivenUp(&letter.run);
  if (!letter.run.empty()) dead_->waiting.Insert(std::move(letter));
}

void Subscription::SendDeadLetters() {
  if (dead_ == nullptr || dead_->sending || dead_->waiting.empty()) return;
  const int64_t now = around_.clock.SteadyMillis();
  if (now < dead_->retry_at_ms) return ArmDeadLetterTimer();
  const TopicPtr topic = around_.find_topic(config_.dead_letter.topic);
  if (topic == nullptr) return WaitForDeadLetterTopic();
  dead_->sending = true;
  dead_->topic = topic;
  dead_->batch.Fill(dead_->waiting, dead_->most, topic_->name(), name_);
  intrusive_ptr_add_ref(this);  // until HandleDeadLettersAnswered
  topic->Publish(&dead_->batch);
}

void Subscription::HandleDeadLettersAnswered() {
  const boost::intrusive_ptr<Subscription> self(this, /*add_ref=*/false);
  dead_->sending = false;
  dead_->topic = nullptr;
  if (dead_->batch.result.status.ok()) {
    counters_.dead_lettered_messages.Add(dead_->batch.count);
    dead_->wait_ms = 0;
    dead_->most = DeadLetterBatch::kMostMessages;
  } else if (!dead_->batch.letters().empty()) {
    // Where memory is short, there may be room for a few: what they leave makes room for others.
    dead_->most = static_cast<uint32_t>(std::max<uint64_t>(dead_->batch.messages() / 2, 1));
    for (const DeadLetter& letter : dead_->batch.letters()) KeepLetter(letter);
    WaitForDeadLetterTopic();
  }
  dead_->batch.Clear();
}

void Subscription::WaitForDeadLetterTopic() {
  dead_->wait_ms = std::clamp(2 * dead_->wait_ms, kLeastWaitMs, kMostWaitMs);
  dead_->retry_at_ms = around_.clock.SteadyMillis() + dead_->wait_ms;
  ArmDeadLetterTimer();
}

void Subscription::ArmDeadLetterTimer() {
  if (std::exchange(dead_->timer_armed, true)) return;
  around_.timers.At(dead_->retry_at_ms, this, &dead_letter_due_);
}

void Subscription::HandleDeadLetterTimer() { dead_->timer_armed = false; }

void Subscription::TakeSentLetters(IntervalMap<Redelivery>* to) {
  if (dead_ == nullptr || !dead_->sending) return;
  for (const DeadLetter& letter : dead_->batch.letters()) {
    to->Insert({letter.run, letter.attempts});
  }
  dead_->batch.Abandon();
  dead_->topic->DropAbandoned();
}

void Subscription::LeaveDeadLetters() {
  if (dead_ == nullptr) return;
  dead_->waiting.Carve(1, std::numeric_limits<uint64_t>::max(), [&](DeadLetter&& letter) {
    redeliveries_.Insert({letter.run, letter.attempts});
  });
  // Whether the batch is taken is not known yet; it may come twice, but is not lost.
  TakeSentLetters(&redeliveries_);
}

}  // namespace estiba
