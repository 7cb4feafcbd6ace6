// Sends requests to one topic and gets the replies to them; responder.h is the other side.
//
// Owner and lifetime: the application; see client.h for the order of destruction. The destructor
// cancels what is pending and waits for those callbacks; it must not run inside one of them.
//
// Threads: every method may be called from any thread. Callbacks run on the Client's threads, each
// exactly once; what cannot be sent is told before Request returns, on its thread. The blocking
// Request completes on the thread that makes it, and is allowed inside callbacks.
//
// A request is published as an ordinary message of the topic; its reply comes straight back and is
// not stored. It fails with
//   UNAVAILABLE         nobody is there to reply (at once, nothing is published), or the broker
//                       cannot be reached, or is shutting down
//   DEADLINE_EXCEEDED   nobody replied in time; the request may still be carried out later
//   RESOURCE_EXHAUSTED  the topic is full, or too many requests wait, here or at the broker
//   INVALID_ARGUMENT    the message is outside a limit
//   CANCELLED           the Requester went away
// or with what the responder chose: IsResponderError tells the two apart. Nothing is sent again by
// itself: only the caller knows whether its request may be carried out twice.
//
//   estiba::Requester prices(client, "prices");
//   absl::StatusOr<estiba::Message> price = prices.Request({.data = "AAPL"}, absl::Seconds(1));
#ifndef ESTIBA_REQUESTER_H_
#define ESTIBA_REQUESTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "estiba/client.h"
#include "estiba/message.h"

namespace estiba {

namespace internal {
class RequesterImpl;
}  // namespace internal

struct RequesterOptions {
  // Of requests that do not say: up to 10 minutes, which the broker does not exceed either.
  absl::Duration timeout = absl::Seconds(10);
  // Requests that may wait at a time; one more fails with RESOURCE_EXHAUSTED.
  size_t max_pending = 10'000;
};

// Counters since the start; a snapshot in which each value is right by itself.
struct RequesterStats {
  uint64_t pending = 0;
  uint64_t requests = 0;
  uint64_t replies = 0;  // also those that are errors of the responder
  uint64_t failed = 0;   // without a reply
};

class Requester {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<Message>)>;

  Requester(const Client& client, std::string topic, RequesterOptions options = {});
  ~Requester();
  Requester(const Requester&) = delete;
  Requester& operator=(const Requester&) = delete;

  // Sends the request; the callback gets the reply. Never waits.
  void Request(const Message& message, Callback callback);
  void Request(const Message& message, absl::Duration timeout, Callback callback);
  // The same, and waits for the reply.
  absl::StatusOr<Message> Request(const Message& message);
  absl::StatusOr<Message> Request(const Message& message, absl::Duration timeout);

  RequesterStats Stats() const;
  const std::string& topic() const;

 private:
  std::unique_ptr<internal::RequesterImpl> impl_;
};

// Whether a request failed because its responder said so, rather than for want of a reply.
bool IsResponderError(const absl::Status& status);

}  // namespace estiba

#endif  // ESTIBA_REQUESTER_H_
