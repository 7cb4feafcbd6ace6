// Answers the requests of one topic, or of all that match a pattern (MessageView::topic says
// which); requester.h is the other side.
//
// Owner and lifetime: the application; see client.h for the order of destruction. The destructor
// stops: replies given by then are sent, and requests on their way go to other responders.
//
// Threads: every method may be called from any thread. The callback runs on a Client thread, one
// request at a time; it should not block for long, because it holds up everything on that Client.
// To answer later, or from other threads, consume with a Subscriber and use Subscriber::Reply.
//
// Responders of one subscription share the requests. A request is acked together with its reply, so
// that the requests of a responder that dies go to another: a callback may see one twice. What is
// found too late (RequestInfo::deadline, by this machine's clock) is passed over, and counted.
// A message that was published without a request is handed over like one; its reply goes nowhere.
//
// Replies gather while a write is under way and go out together, on the stream that brings the
// requests. One that comes too late for its caller is counted by the broker and not told here.
//
//   estiba::Responder prices(client, "prices");
//   prices.Start([&](const estiba::MessageView& request) -> absl::StatusOr<estiba::Message> {
//     return estiba::Message{.data = PriceOf(request.data())};    // or an absl::Status
//   });
#ifndef ESTIBA_RESPONDER_H_
#define ESTIBA_RESPONDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "estiba/client.h"
#include "estiba/message.h"
#include "estiba/subscriber.h"

namespace estiba {

namespace internal {
class ResponderImpl;
}  // namespace internal

struct ResponderOptions {
  // The subscription whose consumers share the requests. Empty: named like the topic. For a pattern
  // of topics it must be said.
  std::string subscription = {};
  // How long the callback may take, with what waits in front of it: 100 ms - 600 s. Zero: the
  // subscription's own (10 s by default).
  absl::Duration ack_deadline = absl::ZeroDuration();
  // Requests that may be on their way or waiting here. 0: 1,000.
  uint32_t max_outstanding = 0;
  bool reconnect = true;
  // A stream has begun; from now on requests find this responder.
  std::function<void(const Started&)> on_started = {};
  std::function<void(const absl::Status&)> on_disconnect = {};
};

// Counters since the start; a snapshot in which each value is right by itself.
struct ResponderStats {
  uint64_t requests = 0;  // handed to the callback
  uint64_t errors = 0;    // of these, answered with an error
  uint64_t too_late = 0;  // passed over
};

class Responder {
 public:
  // The view is valid during the call. An error becomes the caller's status; its message is cut at
  // 1,024 bytes.
  using Callback = absl::AnyInvocable<absl::StatusOr<Message>(const MessageView&)>;

  Responder(const Client& client, std::string topic, ResponderOptions options = {});
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  // Begins. FAILED_PRECONDITION: begun before.
  absl::Status Start(Callback callback);

  // Ends in order; see Subscriber::Stop. In the callback it does not wait, and the reply of that
  // callback is the last.
  void Stop();
  // Waits until the stream has ended for good and returns why: OK after Stop. DEADLINE_EXCEEDED: it
  // has not.
  absl::Status Wait(absl::Time deadline = absl::InfiniteFuture());

  ResponderStats Stats() const;

 private:
  std::unique_ptr<internal::ResponderImpl> impl_;
};

}  // namespace estiba

#endif  // ESTIBA_RESPONDER_H_
