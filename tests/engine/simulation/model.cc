#include "tests/engine/simulation/model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace estiba::testing {

void SubscriptionModel::Fail(uint64_t sequence, const std::string& what) const {
  fail_(absl::StrCat("message ", sequence, ": ", what));
}

std::string SubscriptionModel::KeyOf(uint64_t sequence) const {
  if (!ordered) return "";
  const auto body = topic_.bodies.find(sequence);
  // Field 5, if it has one, is the first.
  if (body == topic_.bodies.end() || body->second.empty() || body->second[0] != '\x2a') return "";
  return body->second.substr(2, static_cast<size_t>(body->second[1]));
}

bool SubscriptionModel::MayExpire(uint64_t sequence) const {
  const auto body = topic_.bodies.find(sequence);
  return body != topic_.bodies.end() && ReadTimes(body->second).time_to_live_ms != 0;
}

bool SubscriptionModel::Done(const Message& m) const {
  return m.consumed || m.lost || m.dead || m.terminated ||
         (max_attempts != 0 && m.attempt >= max_attempts);
}

bool SubscriptionModel::AllDoneBefore(uint64_t sequence) {
  bool done = true;
  ForKey(KeyOf(sequence), begin_, sequence, [&](uint64_t, Message& m) {
    done &= m.lost || m.dead || (!m.early && (m.consumed || m.ack_handed_over));
  });
  return done;
}

bool SubscriptionModel::FirstOfKey(uint64_t sequence) {
  bool first = true;  // or has none
  ForKey(KeyOf(sequence), begin_, sequence, [&](uint64_t, Message&) { first = false; });
  return first;
}

void SubscriptionModel::CheckKeyOrder(const void* consumer, uint64_t sequence, int64_t now_ms) {
  if (mixed || topic_.may_give_up) return;
  // One that expires when its lease is over brings those behind it back, and nobody tells.
  bool brought_back = false;
  ForKey(KeyOf(sequence), owed_, sequence, [&](uint64_t earlier, Message& m) {
    if (Done(m) || m.maybe || m.ack_handed_over) return;
    const bool held = m.consumer != nullptr && (m.automatic || now_ms < m.lease_until_ms);
    const bool may_have_expired = MayExpire(earlier) && (!held || brought_back);
    brought_back |= may_have_expired && m.attempt > 0;
    if (may_have_expired || m.nack_handed_over) return;
    if (m.consumer == consumer) return;
    Fail(sequence, absl::StrCat("delivered before ", earlier, ", of the same key"));
  });
}

void SubscriptionModel::BringBack(const void* consumer, uint64_t sequence) {
  if (Done(messages_[sequence])) return;  // a dead letter; the others stay
  ForKey(KeyOf(sequence), sequence + 1, UINT64_MAX, [&](uint64_t, Message& m) {
    if (m.consumer != consumer) return;
    m.consumer = nullptr;
    m.nack_handed_over = true;
  });
}

void SubscriptionModel::Delivered(const void* consumer, AckMode mode, const Stream::Frame& frame,
                                  int64_t deadline_ms, int64_t now_ms) {
  for (size_t i = 0; i < frame.bodies.size(); ++i) {
    const uint64_t sequence = frame.sequences[i];
    const auto [published, unknown] = topic_.bodies.emplace(sequence, frame.bodies[i]);
    if (published->second != frame.bodies[i])
      Fail(sequence, "delivered bytes are not those published");
    if (!wants(frame.bodies[i])) Fail(sequence, "delivered, and the filter does not match");
    if (sequence < begin_) Fail(sequence, "delivered, from before the subscription's start");
    Message& m = messages_[sequence];
    const bool keyed = !KeyOf(sequence).empty();
    if (keyed) CheckKeyOrder(consumer, sequence, now_ms);
    if (m.consumed && !mixed && !m.early) Fail(sequence, "delivered after it was consumed");
    if (m.early) m.consumed = false;
    if (m.lost) Fail(sequence, "delivered after it was declared lost");
    // An earlier one of its key may have brought it back.
    if (m.consumer != nullptr && (m.automatic || now_ms < m.lease_until_ms) &&
        (!keyed || FirstOfKey(sequence))) {
      Fail(sequence,
           m.automatic ? "delivered twice at a time" : "delivered inside its ack deadline");
    }
    if (max_attempts != 0 && !mixed && m.attempt >= max_attempts && !m.same_attempt &&
        (!keyed || FirstOfKey(sequence))) {
      Fail(sequence, "delivered again, although its last attempt had failed");
    }
    if (now_ms < m.not_before_ms) Fail(sequence, "delivered before its delay was over");
    if (m.attempt == 0) {
      if (frame.attempt != 1)
        Fail(sequence, absl::StrCat("first delivery is attempt ", frame.attempt));
      if (sequence <= highest_new_ && !keyed) Fail(sequence, "new, and comes after a later one");
      if (!keyed) highest_new_ = sequence;
    } else if (!mixed && frame.attempt != m.attempt + (m.same_attempt ? 0 : 1)) {
      Fail(sequence, absl::StrCat("attempt ", frame.attempt, " after attempt ", m.attempt));
    }
    if (keyed && m.attempt > 0) {
      // And so do those after it.
      ForKey(KeyOf(sequence), sequence + 1, UINT64_MAX,
             [](uint64_t, Message& later) { later.consumer = nullptr; });
    }
    m.attempt = frame.attempt;
    m.same_attempt = false;
    m.nack_handed_over = false;
    m.consumer = consumer;
    m.automatic = mode == AckMode::kAuto;
    m.lease_until_ms = now_ms + deadline_ms;
    m.not_before_ms = 0;
  }
}

void SubscriptionModel::Continue() {
  for (auto& [sequence, m] : messages_) {
    m.attempt = 0;
    m.consumer = nullptr;
    m.same_attempt = false;
    m.not_before_ms = 0;
  }
  highest_new_ = 0;
}

void SubscriptionModel::Told(const Gap& gap) {
  if (!topic_.may_give_up && !(gap.reason == GapReason::kNotKept && allow_gaps_not_kept)) {
    Fail(gap.first, "declared lost, where nothing may be given up");
  }
  for (uint64_t sequence = gap.first; sequence <= gap.last; ++sequence) {
    Message& m = messages_[sequence];
    // Consumed as well is fine: it may have been given up before its ack came.
    m.lost = true;
  }
}

void SubscriptionModel::Accepted(const void* consumer) {
  for (auto& [sequence, m] : messages_) {
    if (m.consumer != consumer || !m.automatic) continue;
    m.consumed = true;
    m.consumer = nullptr;
  }
}

void SubscriptionModel::Refused(const void* consumer) {
  for (auto& [sequence, m] : messages_) {
    if (m.consumer != consumer || !m.automatic) continue;
    m.same_attempt = true;
    m.consumer = nullptr;
  }
}

void SubscriptionModel::Acked(uint64_t first, uint64_t last) {
  const auto end = messages_.upper_bound(last);
  for (auto it = messages_.lower_bound(first); it != end; ++it) {
    Message& m = it->second;
    // Where modes are mixed, an ack may meet what an automatic consumer has just refused.
    if (m.attempt == 0 || (m.automatic && !mixed)) continue;
    m.ack_handed_over = true;
    m.early = m.early || !AllDoneBefore(it->first);
    m.consumer = nullptr;
  }
}

void SubscriptionModel::Nacked(const void* consumer, uint64_t first, uint64_t last,
                               int64_t now_ms) {
  const auto end = messages_.upper_bound(last);
  for (auto it = messages_.lower_bound(first); it != end; ++it) {
    Message& m = it->second;
    if (m.consumer != consumer || m.automatic) continue;
    m.consumer = nullptr;
    m.nack_handed_over = true;
    // One that is gone brings back nothing, and nobody tells that its time to live is over.
    if (MayExpire(it->first) && now_ms >= m.lease_until_ms) continue;
    BringBack(consumer, it->first);
  }
}

void SubscriptionModel::NackedAndSettled(const void* consumer, uint64_t sequence, int64_t now_ms,
                                         int64_t not_before_ms) {
  Message& m = messages_[sequence];
  if (m.consumer != consumer || m.automatic || now_ms >= m.lease_until_ms) return;
  m.consumer = nullptr;
  m.nack_handed_over = true;
  // An earlier one of its key may have brought it back already.
  if (FirstOfKey(sequence)) m.not_before_ms = not_before_ms;
  BringBack(consumer, sequence);
}

void SubscriptionModel::DeadLettered(uint64_t sequence, uint32_t attempts) {
  Message& m = messages_[sequence];
  if (m.dead) Fail(sequence, "is a dead letter twice");
  if (m.attempt == 0) Fail(sequence, "is a dead letter, and never was delivered");
  if (exactly_once && m.consumed) Fail(sequence, "is a dead letter, and was acked");
  if (attempts != m.attempt) Fail(sequence, "is a dead letter after other attempts than it had");
  if (attempts < max_attempts && !m.terminated) Fail(sequence, "is a dead letter too early");
  // An ack that comes meanwhile may be too late, or not.
  m.dead = m.consumed = true;
  m.consumer = nullptr;
}

void SubscriptionModel::Terminated(const void* consumer, uint64_t sequence) {
  Message& m = messages_[sequence];
  if (m.consumer != consumer || m.automatic) return;
  m.terminated = true;
  m.consumer = nullptr;
}

void SubscriptionModel::ExtendedAndSettled(const void* consumer, uint64_t first, uint64_t last,
                                           int64_t now_ms, int64_t until_ms) {
  const auto end = messages_.upper_bound(last);
  for (auto it = messages_.lower_bound(first); it != end; ++it) {
    Message& m = it->second;
    if (m.consumer == consumer && !m.automatic && now_ms < m.lease_until_ms)
      m.lease_until_ms = until_ms;
  }
}

void SubscriptionModel::Gone(const void* consumer) {
  for (auto& [sequence, m] : messages_) {
    if (m.consumer != consumer || m.automatic) continue;
    m.consumer = nullptr;
    m.nack_handed_over = true;
  }
}

void SubscriptionModel::Sought(uint64_t from, uint64_t owed, uint64_t end) {
  begin_ = begin_ == 0 ? from : std::min(begin_, from);
  for (uint64_t sequence = owed_; owed_ != 0 && sequence < std::min(from, end); ++sequence) {
    messages_[sequence].consumed = true;
  }
  owed_ = owed;
  for (auto& [sequence, m] : messages_) {
    const bool lost = m.lost;
    m = {};
    m.lost = lost;
    m.consumed = sequence < from;
  }
  highest_new_ = 0;
}

SubscriptionModel::Snapshot SubscriptionModel::Take(uint64_t end) const {
  Snapshot snapshot{begin_, owed_, {}, {}, {}};
  for (const auto& [sequence, body] : topic_.bodies) {
    if (sequence < end && !wants(body)) snapshot.unwanted.insert(sequence);
  }
  for (const auto& [sequence, m] : messages_) {
    if (m.lost) snapshot.lost.insert(sequence);
    if (m.consumed && !m.early) snapshot.consumed.insert(sequence);
    const bool open = (m.consumed && m.early) || (m.maybe && m.attempt == 0);
    if (open) snapshot.unwanted.insert(sequence);
  }
  return snapshot;
}

void SubscriptionModel::Sought(const Snapshot& to) {
  begin_ = std::min(begin_, to.begin);
  owed_ = to.owed;
  for (uint64_t sequence = begin_; sequence < to.begin; ++sequence) messages_[sequence] = {};
  for (auto& [sequence, m] : messages_) {
    m = {};
    m.consumed = sequence < to.begin;
    m.maybe = sequence < to.owed;
  }
  for (const uint64_t sequence : to.consumed) messages_[sequence].consumed = true;
  for (const uint64_t sequence : to.lost) messages_[sequence].lost = true;
  for (const uint64_t sequence : to.unwanted) messages_[sequence].maybe = true;
  highest_new_ = 0;
}

void SubscriptionModel::Settled() {
  for (auto& [sequence, m] : messages_) {
    m.nack_handed_over = false;
    if (!m.ack_handed_over) continue;
    m.ack_handed_over = false;
    // Delivered again since: whether before or after the ack took effect, nobody knows.
    if (m.early && m.consumer != nullptr) continue;
    m.consumed = true;
    m.consumer = nullptr;
  }
}

uint64_t SubscriptionModel::HeldBy(const void* consumer, int64_t now_ms) {
  uint64_t held = 0;
  for (const auto& [sequence, m] : messages_) {
    if (m.consumer != consumer || m.automatic || now_ms >= m.lease_until_ms || m.early) continue;
    // An earlier one of its key may have brought it back.
    held += FirstOfKey(sequence);
  }
  return held;
}

std::vector<uint64_t> SubscriptionModel::LeasedTo(const void* consumer, int64_t now_ms) const {
  std::vector<uint64_t> sequences;
  for (const auto& [sequence, m] : messages_) {
    if (m.consumer != consumer || m.automatic || now_ms >= m.lease_until_ms) continue;
    sequences.push_back(sequence);
  }
  return sequences;
}

void SubscriptionModel::CheckComplete(uint64_t end, uint64_t letters_waiting,
                                      uint64_t expired) const {
  if (begin_ == 0) return;
  // Those for which there is one excuse only, and those that may be either.
  uint64_t letters = 0;
  uint64_t too_old = 0;
  uint64_t either = 0;
  for (uint64_t sequence = owed_; sequence < end; ++sequence) {
    const auto body = topic_.bodies.find(sequence);
    if (body != topic_.bodies.end() && !wants(body->second)) continue;
    const auto it = messages_.find(sequence);
    const Message& m = it == messages_.end() ? Message() : it->second;
    if (m.consumed || m.lost || (m.maybe && m.attempt == 0)) continue;
    const bool letter = m.terminated || (max_attempts != 0 && m.attempt >= max_attempts);
    const bool may_expire = MayExpire(sequence);
    letters += letter && !may_expire;
    too_old += !letter && may_expire;
    either += letter && may_expire;
    const bool excused = letters <= letters_waiting && too_old <= expired &&
                         letters + too_old + either <= letters_waiting + std::min(expired, end);
    if ((letter || may_expire) && excused) continue;
    return Fail(sequence, it == messages_.end() ? "never delivered, and not declared lost"
                                                : "neither consumed nor declared lost");
  }
}

}  // namespace estiba::testing
