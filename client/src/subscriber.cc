#include "estiba/subscriber.h"

#include <utility>
#include <vector>

#include "client/src/ack_outbox.h"
#include "client/src/reply_codec.h"
#include "client/src/subscriber_impl.h"

namespace estiba {

using internal::AckOutbox;
using internal::SubscriberImpl;

const char* GapReasonName(Gap::Reason reason) {
  switch (reason) {
    case Gap::Reason::kRetention:
      return "retention";
    case Gap::Reason::kDroppedOldest:
      return "dropped-oldest";
    case Gap::Reason::kNotKept:
      return "not-kept";
    case Gap::Reason::kUnspecified:
      break;
  }
  return "unspecified";
}

Subscriber::Subscriber(const Client& client, SubscriberOptions options)
    : impl_(std::make_unique<SubscriberImpl>(client.connection(), std::move(options))) {}

Subscriber::~Subscriber() = default;

absl::Status Subscriber::Start(MessageCallback callback) {
  return impl_->Start(std::move(callback), nullptr);
}
absl::Status Subscriber::StartFrames(FrameCallback callback) {
  return impl_->Start(nullptr, std::move(callback));
}
absl::Status Subscriber::Start() { return impl_->Start(nullptr, nullptr); }

absl::StatusOr<ReceivedMessage> Subscriber::Next(absl::Time deadline) {
  return impl_->Next(deadline);
}
absl::StatusOr<std::optional<ReceivedMessage>> Subscriber::TryNext() { return impl_->TryNext(); }
absl::StatusOr<ReceivedFrame> Subscriber::NextFrame(absl::Time deadline) {
  return impl_->NextFrame(deadline);
}

void Subscriber::Ack(uint64_t sequence) { AckRange(sequence, sequence); }
void Subscriber::AckRange(uint64_t first, uint64_t last) {
  if (!impl_->explicit_acks()) return;
  impl_->Say([=](AckOutbox& outbox) { outbox.Ack({first, last}); });
}
namespace {

uint32_t NumberOf(const MessageView& message) {
  const internal::PatternTopic* const topic = MessageViewBuilder::TopicOf(message);
  return topic == nullptr ? 0 : topic->number;
}

}  // namespace

void Subscriber::AckFrame(const Frame& frame) {
  if (!impl_->explicit_acks()) return;
  // The outbox makes ranges of neighbours.
  impl_->Say([&](AckOutbox& outbox) {
    for (const MessageView& message : frame.messages) {
      outbox.Of(NumberOf(message)).Ack({message.sequence(), message.sequence()});
    }
  });
}

void Subscriber::Ack(const MessageView& message, AckCallback done) {
  impl_->AckConfirmed(NumberOf(message), {{message.sequence(), message.sequence()}},
                      std::move(done));
}
void Subscriber::AckFrame(const Frame& frame, AckCallback done) {
  std::vector<SequenceRange> ranges;
  for (const MessageView& message : frame.messages) {
    const uint64_t sequence = message.sequence();
    if (!ranges.empty() && ranges.back().last + 1 == sequence) {
      ranges.back().last = sequence;
    } else {
      ranges.push_back({sequence, sequence});
    }
  }
  const uint32_t topic = frame.messages.empty() ? 0 : NumberOf(frame.messages.front());
  impl_->AckConfirmed(topic, std::move(ranges), std::move(done));
}
std::future<absl::Status> Subscriber::AckConfirmed(const MessageView& message) {
  std::promise<absl::Status> promise;
  std::future<absl::Status> future = promise.get_future();
  Ack(message, [promise = std::move(promise)](absl::Status status) mutable {
    promise.set_value(std::move(status));
  });
  return future;
}

void Subscriber::Nack(uint64_t sequence) { NackRange(sequence, sequence); }
void Subscriber::NackRange(uint64_t first, uint64_t last) {
  if (!impl_->explicit_acks()) return;
  impl_->Say([=](AckOutbox& outbox) { outbox.Nack({first, last}); });
}
void Subscriber::Nack(uint64_t sequence, absl::Duration delay) {
  NackRange(sequence, sequence, delay);
}
void Subscriber::NackRange(uint64_t first, uint64_t last, absl::Duration delay) {
  if (!impl_->explicit_acks()) return;
  impl_->Say([=](AckOutbox& outbox) { outbox.NackLater({first, last}, delay); });
}
void Subscriber::Terminate(uint64_t sequence, std::string reason) {
  if (!impl_->explicit_acks()) return;
  impl_->Say([&](AckOutbox& outbox) { outbox.Terminate(sequence, std::move(reason)); });
}
void Subscriber::Extend(uint64_t first, uint64_t last, absl::Duration deadline) {
  if (!impl_->explicit_acks()) return;
  impl_->Say([=](AckOutbox& outbox) { outbox.Extend({first, last}, deadline); });
}

void Subscriber::Ack(const MessageView& message) {
  if (!impl_->explicit_acks()) return;
  const SequenceRange range{message.sequence(), message.sequence()};
  impl_->Say([&](AckOutbox& outbox) { outbox.Of(NumberOf(message)).Ack(range); });
}
void Subscriber::AckRange(std::string_view topic, uint64_t first, uint64_t last) {
  if (impl_->explicit_acks()) impl_->AckTopic(topic, {first, last});
}
void Subscriber::Nack(const MessageView& message) {
  if (!impl_->explicit_acks()) return;
  const SequenceRange range{message.sequence(), message.sequence()};
  impl_->Say([&](AckOutbox& outbox) { outbox.Of(NumberOf(message)).Nack(range); });
}
void Subscriber::Nack(const MessageView& message, absl::Duration delay) {
  if (!impl_->explicit_acks()) return;
  const SequenceRange range{message.sequence(), message.sequence()};
  impl_->Say([&](AckOutbox& outbox) { outbox.Of(NumberOf(message)).NackLater(range, delay); });
}
void Subscriber::Terminate(const MessageView& message, std::string reason) {
  if (!impl_->explicit_acks()) return;
  impl_->Say([&](AckOutbox& outbox) {
    outbox.Of(NumberOf(message)).Terminate(message.sequence(), std::move(reason));
  });
}
void Subscriber::Extend(const MessageView& message, absl::Duration deadline) {
  if (!impl_->explicit_acks()) return;
  const SequenceRange range{message.sequence(), message.sequence()};
  impl_->Say([&](AckOutbox& outbox) { outbox.Of(NumberOf(message)).Extend(range, deadline); });
}

void Subscriber::Reply(std::string_view reply_address, const absl::StatusOr<Message>& reply) {
  impl_->Say([&](AckOutbox& outbox) { outbox.Reply(internal::EncodeReply(reply_address, reply)); });
}

void Subscriber::SetCredit(Credit credit) { impl_->SetCredit(credit); }
absl::Status Subscriber::FlushAcks(absl::Time deadline) { return impl_->FlushAcks(deadline); }
void Subscriber::Stop() { impl_->Stop(); }
absl::Status Subscriber::Wait(absl::Time deadline) { return impl_->Wait(deadline); }
SubscriberStats Subscriber::Stats() const { return impl_->Stats(); }

}  // namespace estiba
