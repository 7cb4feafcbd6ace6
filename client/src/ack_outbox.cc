#include "client/src/ack_outbox.h"

#include <algorithm>

#include "client/src/duration_codec.h"
#include "client/src/wire.h"
#include "estiba/v1/broker.pb.h"

namespace estiba::internal {
namespace {

// Field numbers of SubscribeRequest.
constexpr uint32_t kAck = 2;
constexpr uint32_t kNack = 4;
constexpr uint32_t kReplies = 20;

void SetRange(const SequenceRange& range, v1::SequenceRange& to) {
  to.set_first(range.first);
  to.set_last(range.last);
}

void SetExtension(const SequenceRange& range, absl::Duration deadline, v1::Extension& to) {
  SetRange(range, *to.mutable_range());
  ToProto(deadline, *to.mutable_deadline());
}

}  // namespace

void Settlements::Add(Ranges& ranges, SequenceRange range) {
  if (range.first == 0 || range.first > range.last) return;
  if (!ranges.empty() && ranges.back().last + 1 == range.first) {
    ranges.back().last = range.last;
  } else {
    ranges.push_back(range);
  }
}

void Settlements::AddTimed(std::deque<Timed>& list, SequenceRange range, absl::Duration time) {
  if (range.first == 0 || range.first > range.last) return;
  list.push_back({range, time});
}

uint64_t Settlements::messages() const {
  uint64_t sum = terminations_.size();
  for (const Ranges* ranges : {&acks_, &nacks_}) {
    for (const SequenceRange& range : *ranges) sum += range.last - range.first + 1;
  }
  for (const auto* list : {&nacks_later_, &extensions_}) {
    for (const Timed& timed : *list) sum += timed.range.last - timed.range.first + 1;
  }
  return sum;
}

namespace {

void AppendRange(uint32_t field, const SequenceRange& range, std::string& out) {
  char entry[32];
  char* end = entry;
  *end++ = static_cast<char>(wire::Tag(field, wire::Type::kBytes));
  *end++ = static_cast<char>(2 + wire::VarintSize(range.first) + wire::VarintSize(range.last));
  *end++ = static_cast<char>(wire::Tag(1, wire::Type::kVarint));
  end = wire::WriteVarint(end, range.first);
  *end++ = static_cast<char>(wire::Tag(2, wire::Type::kVarint));
  end = wire::WriteVarint(end, range.last);
  out.append(entry, end);
}

}  // namespace

uint64_t AckOutbox::Move(Ranges& ranges, uint32_t field, std::string& out) {
  uint64_t messages = 0;
  const size_t count = std::min(ranges.size(), kMaxEntries);
  for (size_t i = 0; i < count; ++i) {
    const SequenceRange range = ranges.front();
    ranges.pop_front();
    messages += range.last - range.first + 1;
    AppendRange(field, range, out);
  }
  return messages;
}

uint64_t AckOutbox::MoveAcks(Settlements& from, uint32_t topic, std::string& out,
                             std::vector<Asked>* asked) {
  // (The rest of what is said of the topic is answered with them.)
  if (asked != nullptr && !from.empty()) asked->push_back({topic, {}});
  size_t room = kMaxEntries - std::min(from.acks_.size(), kMaxEntries);
  uint64_t messages = Move(from.acks_, kAck, out);
  for (; asked != nullptr && room > 0 && !from.confirmed_.empty(); --room) {
    const SequenceRange& range = from.confirmed_.front().range;
    messages += range.last - range.first + 1;
    AppendRange(kAck, range, out);
    asked->back().acks.push_back(std::move(from.confirmed_.front()));
    from.confirmed_.pop_front();
  }
  return messages;
}

void AckOutbox::MoveReplies(std::string& out) {
  for (size_t count = 0; count < kMaxEntries && !replies_.empty(); ++count) {
    const std::string& reply = replies_.front();
    if (count > 0 && out.size() + reply.size() > kSoftBytes) return;
    char header[16];
    char* end = wire::WriteVarint(header, wire::Tag(kReplies, wire::Type::kBytes));
    end = wire::WriteVarint(end, reply.size());
    out.append(header, end);
    out.append(reply);
    replies_.pop_front();
  }
}

template <typename To>
void AckOutbox::MoveRare(Settlements& from, To& to) {
  for (size_t i = std::min(from.extensions_.size(), kMaxEntries); i > 0; --i) {
    SetExtension(from.extensions_.front().range, from.extensions_.front().time, *to.add_extend());
    from.extensions_.pop_front();
  }
  for (size_t i = std::min(from.nacks_later_.size(), kMaxEntries); i > 0; --i) {
    const Timed& nack = from.nacks_later_.front();
    v1::NackLater& later = *to.add_nack_later();
    SetRange(nack.range, *later.mutable_range());
    ToProto(nack.time, *later.mutable_delay());
    from.nacks_later_.pop_front();
  }
  size_t bytes = 0;
  for (size_t i = std::min(from.terminations_.size(), kMaxEntries); i > 0 && bytes < kSoftBytes;
       --i) {
    Termination& termination = from.terminations_.front();
    bytes += termination.reason.size();
    v1::Termination& terminate = *to.add_terminate();
    SetRange({termination.sequence, termination.sequence}, *terminate.mutable_range());
    terminate.set_reason(std::move(termination.reason));
    from.terminations_.pop_front();
  }
}

uint64_t AckOutbox::MoveTopics(std::string& out, std::vector<Asked>* asked) {
  uint64_t acked = 0;
  for (size_t count = 0; count < kMaxEntries && !topics_.empty(); ++count) {
    if (count > 0 && out.size() > kSoftBytes) break;
    const auto it = topics_.begin();
    Settlements& topic = it->second;
    v1::SubscribeRequest request;
    v1::TopicUpdate& update = *request.add_topic_updates();
    update.set_topic(it->first);
    // Acks and nacks have the numbers they have in a SubscribeRequest, and the field is the last.
    std::string settled;
    acked += MoveAcks(topic, it->first, settled, asked);
    MoveRare(topic, update);
    Move(topic.nacks_, kNack, settled);
    update.MergeFromString(settled);
    request.AppendToString(&out);
    if (topic.empty()) topics_.erase(it);
  }
  return acked;
}

std::string AckOutbox::Take(uint64_t& acked_messages, std::vector<Asked>* asked) {
  std::string request;
  acked_messages = MoveAcks(*this, 0, request, asked);
  Move(nacks_, kNack, request);
  acked_messages += MoveTopics(request, asked);
  MoveReplies(request);
  if (!stop_ && !has_rare() && !credit_ && return_messages_ == 0 && return_bytes_ == 0) {
    return request;
  }

  // Encodings of the same message may be concatenated.
  v1::SubscribeRequest rest;
  MoveRare(*this, rest);
  if (credit_) {
    rest.mutable_credit()->set_max_messages(credit_->max_messages);
    rest.mutable_credit()->set_max_bytes(credit_->max_bytes);
    credit_.reset();
  }
  if (return_messages_ > 0 || return_bytes_ > 0) {
    const uint64_t messages = std::min<uint64_t>(return_messages_, UINT32_MAX);
    rest.mutable_credit()->set_return_messages(static_cast<uint32_t>(messages));
    rest.mutable_credit()->set_return_bytes(return_bytes_);
    return_messages_ -= messages;
    return_bytes_ = 0;
  }
  if (stop_ && !settles() && replies_.empty() && return_messages_ == 0) {
    rest.set_stop(true);
    stop_ = false;
  }
  rest.AppendToString(&request);
  return request;
}

std::vector<ConfirmedAck> AckOutbox::OnStreamEnd(bool keep_acks, bool keep_replies) {
  std::vector<ConfirmedAck> unconfirmed;
  const auto take_confirmed = [&](Settlements& from) {
    for (ConfirmedAck& ack : from.confirmed_) unconfirmed.push_back(std::move(ack));
    from.confirmed_.clear();
  };
  take_confirmed(*this);
  for (auto& [number, topic] : topics_) take_confirmed(topic);
  if (!keep_acks) {
    acks_.clear();
    nacks_.clear();
    nacks_later_.clear();
    terminations_.clear();
    topics_.clear();
  }
  for (auto& [number, topic] : topics_) topic.extensions_.clear();
  std::erase_if(topics_, [](const auto& topic) { return topic.second.empty(); });
  if (!keep_replies) replies_.clear();
  extensions_.clear();
  credit_.reset();
  return_messages_ = return_bytes_ = 0;
  stop_ = false;
  return unconfirmed;
}

uint64_t AckOutbox::DropSettlements() {
  uint64_t dropped = messages();
  for (const auto& [number, topic] : topics_) dropped += topic.messages();
  static_cast<Settlements&>(*this) = {};
  topics_.clear();
  return dropped;
}

}  // namespace estiba::internal
