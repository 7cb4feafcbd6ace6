#include "estiba/subscriber.h"

#include <utility>
#include <vector>

#include "client/src/ack_outbox.h"
#include "client/src/reply_codec.h"
#include "client/src/subscriber_impl.h"

namespace estiba {

using internal::AckOutbox;
using internal::Settlements;
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

namespace {

uint64_t CountOf(const MessageId& first, uint64_t last) {
  return first.sequence() == 0 || first.sequence() > last ? 0 : last - first.sequence() + 1;
}

}  // namespace

void Subscriber::Ack(const MessageId& message) { AckRange(message, message.sequence()); }
void Subscriber::AckRange(const MessageId& first, uint64_t last) {
  impl_->Settle(first, CountOf(first, last), [&](Settlements& topic) {
    topic.Ack({first.sequence(), last});
  });
}
void Subscriber::AckFrame(const Frame& frame) {
  if (frame.messages.empty()) return;
  // Neighbours become ranges.
  impl_->Settle(frame.messages.front().id(), frame.messages.size(), [&](Settlements& topic) {
    for (const MessageView& message : frame.messages) {
      topic.Ack({message.sequence(), message.sequence()});
    }
  });
}

void Subscriber::Ack(const MessageId& message, AckCallback done) {
  impl_->AckConfirmed(message, {{message.sequence(), message.sequence()}}, std::move(done));
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
  const MessageId first = frame.messages.empty() ? MessageId() : frame.messages.front().id();
  impl_->AckConfirmed(first, std::move(ranges), std::move(done));
}
std::future<absl::Status> Subscriber::AckConfirmed(const MessageId& message) {
  std::promise<absl::Status> promise;
  std::future<absl::Status> future = promise.get_future();
  Ack(message, [promise = std::move(promise)](absl::Status status) mutable {
    promise.set_value(std::move(status));
  });
  return future;
}

void Subscriber::Nack(const MessageId& message) { NackRange(message, message.sequence()); }
void Subscriber::Nack(const MessageId& message, absl::Duration delay) {
  NackRange(message, message.sequence(), delay);
}
void Subscriber::NackRange(const MessageId& first, uint64_t last) {
  impl_->Settle(first, CountOf(first, last), [&](Settlements& topic) {
    topic.Nack({first.sequence(), last});
  });
}
void Subscriber::NackRange(const MessageId& first, uint64_t last, absl::Duration delay) {
  impl_->Settle(first, CountOf(first, last), [&](Settlements& topic) {
    topic.NackLater({first.sequence(), last}, delay);
  });
}
void Subscriber::Terminate(const MessageId& message, std::string reason) {
  impl_->Settle(message, 1, [&](Settlements& topic) {
    topic.Terminate(message.sequence(), std::move(reason));
  });
}
void Subscriber::Extend(const MessageId& first, uint64_t last, absl::Duration deadline) {
  impl_->Settle(first, CountOf(first, last), [&](Settlements& topic) {
    topic.Extend({first.sequence(), last}, deadline);
  });
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
