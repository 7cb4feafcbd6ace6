#include "estiba/responder.h"

#include <atomic>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "client/src/connection.h"
#include "client/src/frame_buffer.h"
#include "client/src/reply_codec.h"
#include "client/src/subscriber_impl.h"

namespace estiba {
namespace internal {

// A subscriber whose callback answers. Threads and lifetime: as responder.h promises.
class ResponderImpl {
 public:
  ResponderImpl(std::shared_ptr<Connection> connection, SubscriberOptions options)
      : subscriber_(std::move(connection), std::move(options)) {}

  absl::Status Start(Responder::Callback callback) {
    return subscriber_.Start([this, callback = std::move(callback)](
                                 const MessageView& message) mutable { Answer(message, callback); },
                             nullptr);
  }
  void Stop() {
    if (answering_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
      stop_after_ = true;
    } else {
      subscriber_.Stop();
    }
  }

  SubscriberImpl& subscriber() { return subscriber_; }
  ResponderStats Stats() const {
    return {requests_.load(std::memory_order_relaxed), errors_.load(std::memory_order_relaxed),
            too_late_.load(std::memory_order_relaxed)};
  }

 private:
  void Answer(const MessageView& message, Responder::Callback& callback) {
    const std::optional<RequestInfo> request = message.request();
    const MessageId id = message.id();
    std::string encoded;
    if (request && request->deadline <= absl::Now()) {
      too_late_.fetch_add(1, std::memory_order_relaxed);
    } else {
      requests_.fetch_add(1, std::memory_order_relaxed);
      answering_.store(std::this_thread::get_id(), std::memory_order_relaxed);
      const absl::StatusOr<Message> reply = callback(message);
      answering_.store(std::thread::id(), std::memory_order_relaxed);
      if (!reply.ok()) errors_.fetch_add(1, std::memory_order_relaxed);
      if (request) encoded = EncodeReply(request->reply_address, reply);
    }
    subscriber_.AckWithReply(id, std::move(encoded));
    if (stop_after_) subscriber_.Stop();
  }

  std::atomic<std::thread::id> answering_{};  // the thread in the callback
  bool stop_after_ = false;                   // that thread's
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> errors_{0};
  std::atomic<uint64_t> too_late_{0};
  SubscriberImpl subscriber_;  // last: its callbacks use the above
};

}  // namespace internal

namespace {

constexpr uint32_t kOutstanding = 1'000;

SubscriberOptions ToSubscriber(std::string topic, ResponderOptions options) {
  SubscriberOptions subscriber;
  subscriber.subscription = options.subscription.empty() ? topic : std::move(options.subscription);
  subscriber.topic = std::move(topic);
  subscriber.ack_mode = AckMode::kExplicit;
  subscriber.ack_deadline = options.ack_deadline;
  subscriber.credit.max_messages =
      options.max_outstanding == 0 ? kOutstanding : options.max_outstanding;
  subscriber.reconnect = options.reconnect;
  subscriber.on_started = std::move(options.on_started);
  subscriber.on_disconnect = std::move(options.on_disconnect);
  return subscriber;
}

}  // namespace

Responder::Responder(const Client& client, std::string topic, ResponderOptions options)
    : impl_(std::make_unique<internal::ResponderImpl>(
          client.connection(), ToSubscriber(std::move(topic), std::move(options)))) {}

Responder::~Responder() = default;

absl::Status Responder::Start(Callback callback) { return impl_->Start(std::move(callback)); }
void Responder::Stop() { impl_->Stop(); }
absl::Status Responder::Wait(absl::Time deadline) { return impl_->subscriber().Wait(deadline); }
ResponderStats Responder::Stats() const { return impl_->Stats(); }

}  // namespace estiba
