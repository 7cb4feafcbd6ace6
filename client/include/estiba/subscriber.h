// Consumes a topic: by callback, or by pulling.
//
// Owner and lifetime: the application; see client.h for the order of destruction. The destructor
// stops the stream and waits for a running callback to return; it waits for nothing else. What was
// delivered and not acked goes back to the broker, which redelivers it.
//
// Threads: every method may be called from any thread, Ack and its like also from callbacks.
// Callbacks run on the Client's threads and never overlap. In a callback, Next and Wait fail with
// FAILED_PRECONDITION instead of waiting.
//
// Order: that of the topic, apart from redeliveries (delivery_attempt above 1), which come when
// they come.
//
// Flow control: the next frame is not read before the callback has returned, or, when pulling,
// while `buffer_bytes` wait to be taken; HTTP/2 then holds the broker back. Credit bounds more
// tightly how much the broker sends ahead. With automatic acks the library returns credit as
// messages are taken; with explicit acks, acks do.
//
// Reconnecting (`reconnect`, on by default): a stream that breaks, or that a broker shutting down
// ends with UNAVAILABLE, is opened again with back-off, without limit. A named subscription goes on
// as the broker sees it: what was unacked comes again, and with automatic acks what was on the wire
// is lost. A private one ends with its stream, so a new one is asked to start after the last
// message received: nothing is lost that the topic still keeps, and a Gap tells what it does not.
// Whether the topic keeps it is the topic's affair: a message that every other subscription has
// consumed is gone.
//
// When the broker was restarted, or the topic deleted and made again, its messages are gone with
// it, and its sequences begin at 1 again. The next stream says so (Started::anew). A subscription
// that it makes then begins with the first message, so that nothing of the new topic is missed.
// Acks and the like of messages from before would meet others of the same number: they are not
// sent, and counted (SubscriberStats::stale_acks).
//
// Exactly once (SubscriptionConfig::exactly_once): the broker answers every ack, and one that it
// confirmed is for good. Ack with a callback, or AckConfirmed, say which. Do what must not be done
// twice after that, or so that it is taken back when the ack is refused. What was not confirmed
// when a stream breaks may come again, and acks that were gathered for it are dropped.
//
// Failure: any other status of the stream is final. It is what Next and Wait then return.
//
//   estiba::Subscriber subscriber(client, {.topic = "orders", .subscription = "billing",
//                                          .ack_mode = estiba::AckMode::kExplicit});
//   while (true) {
//     absl::StatusOr<estiba::ReceivedMessage> message = subscriber.Next();
//     if (!message.ok()) break;
//     Handle(message->data());
//     subscriber.Ack(*message);
//   }
#ifndef ESTIBA_SUBSCRIBER_H_
#define ESTIBA_SUBSCRIBER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "estiba/client.h"
#include "estiba/message.h"

namespace estiba {

namespace internal {
class FrameBuffer;
class SubscriberImpl;
}  // namespace internal

// Where a subscription that does not exist yet begins.
class StartFrom {
 public:
  // The oldest message still kept.
  static StartFrom Earliest() { return StartFrom(Kind::kEarliest); }
  // Only what is published after the subscription was made.
  static StartFrom Latest() { return StartFrom(Kind::kLatest); }
  // The last message, if it is still kept, or the last one of each ordering key; then what is
  // published after the subscription was made. See estiba.v1.StartFrom.
  static StartFrom Last() { return StartFrom(Kind::kLast); }
  static StartFrom LastOfEachKey() { return StartFrom(Kind::kLastOfEachKey); }
  // This sequence, 1 or more; one that is not reached yet is waited for.
  static StartFrom Sequence(uint64_t sequence) {
    StartFrom from(Kind::kSequence);
    from.sequence_ = sequence;
    return from;
  }
  // The first message published at or after `time` (millisecond precision).
  static StartFrom Time(absl::Time time) {
    StartFrom from(Kind::kTime);
    from.time_ = time;
    return from;
  }

  enum class Kind { kEarliest, kLatest, kSequence, kTime, kLast, kLastOfEachKey };
  Kind kind() const { return kind_; }
  uint64_t sequence() const { return sequence_; }
  absl::Time time() const { return time_; }

 private:
  explicit StartFrom(Kind kind) : kind_(kind) {}

  Kind kind_;
  uint64_t sequence_ = 0;
  absl::Time time_ = absl::UnixEpoch();
};

enum class AckMode {
  // Consumed as soon as the broker has sent it: fast, at most once.
  kAuto,
  // Consumed when acked; otherwise it comes again after the ack deadline: at least once.
  kExplicit,
};

// Sequences first .. last, both included.
struct SequenceRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

// How much may be outstanding on this consumer's stream. 0: the broker's default (with explicit
// acks 10,000 messages and 64 MiB, with automatic ones no limit), or, in SetCredit, as it is.
struct Credit {
  uint32_t max_messages = 0;
  uint64_t max_bytes = 0;
};

// What this subscription will not get although it was published.
struct Gap {
  enum class Reason { kUnspecified, kRetention, kDroppedOldest, kNotKept };
  SequenceRange range;
  Reason reason = Reason::kUnspecified;
  // Of a subscription over a pattern: the topic.
  std::string topic = {};
};
const char* GapReasonName(Gap::Reason reason);

// A topic has come under the pattern of a subscription, or was deleted.
struct TopicChange {
  std::string topic;
  bool left = false;
};

// A stream has begun: once after Start, and again after each reconnect.
struct Started {
  std::string topic;
  std::string subscription;
  // The first sequence that may be delivered as new on this stream.
  uint64_t next_sequence = 0;
  // In force; zero with automatic acks.
  absl::Duration ack_deadline;
  // Acks are confirmed, or refused.
  bool exactly_once = false;
  // Whose sequences these are (estiba.v1.Started). 0: the broker does not say.
  uint64_t incarnation = 0;
  // Not those of the stream before: the broker was restarted, or the topic (or the named
  // subscription over a pattern) deleted and made again. What it had not delivered will not come;
  // messages in hand cannot be acked.
  bool anew = false;
};

// A delivery as it came: messages in the order of their sequences, of one delivery attempt. Mostly
// consecutive, but there may be holes: what is missing has been, or will be, delivered elsewhere.
// (AckFrame acks just these.) Valid during the callback, or as long as the ReceivedFrame that owns
// it.
struct Frame {
  absl::Span<const MessageView> messages;
  // Of the messages' records in the frame, as credit counts them.
  size_t bytes = 0;
};

// A message taken with Next. Keeps the frame it came in alive: a message that is to be kept for
// long is better copied with ToMessage.
class ReceivedMessage : public MessageView {
 public:
  ReceivedMessage() = default;
  ReceivedMessage(const MessageView& view, std::shared_ptr<const internal::FrameBuffer> frame)
      : MessageView(view), frame_(std::move(frame)) {}

 private:
  std::shared_ptr<const internal::FrameBuffer> frame_;
};

// A frame taken with NextFrame, with what its views look into.
class ReceivedFrame : public Frame {
 public:
  ReceivedFrame() = default;
  ReceivedFrame(const Frame& view, std::shared_ptr<const internal::FrameBuffer> frame)
      : Frame(view), frame_(std::move(frame)) {}

 private:
  std::shared_ptr<const internal::FrameBuffer> frame_;
};

// How long a message waits before it is delivered again: min_backoff, doubled with each attempt up
// to max_backoff, with jitter. Both 0-600 s. Zero: with neither set, not at all; otherwise 10 s and
// 600 s.
struct RetryPolicy {
  absl::Duration min_backoff = absl::ZeroDuration();
  absl::Duration max_backoff = absl::ZeroDuration();
};

// Where a message goes whose delivery has failed max_attempts times, or that is terminated. Empty
// topic: nowhere, it comes again without limit.
struct DeadLetterPolicy {
  std::string topic = {};
  // 1-100. 0: 5.
  uint32_t max_attempts = 0;
};

// What a subscription is made with. Its meaning is told at estiba.v1.SubscriptionConfig.
struct SubscriptionConfig {
  // 100 ms - 600 s. Zero: the broker's default, 10 s.
  absl::Duration ack_deadline = absl::ZeroDuration();
  // Which messages it wants, by their attributes, in the filter language of google.pubsub.v1, such
  // as: attributes.kind = "new" AND NOT attributes:draft. Empty: every message.
  std::string filter = {};
  // Messages of an ordering key in their order, each key at one consumer at a time; see proto.
  bool ordered = false;
  RetryPolicy retry = {};
  DeadLetterPolicy dead_letter = {};
  // Keep what it has consumed, for seeks, as long as the topic's retention does.
  bool retain_acked = false;
  // Deleted when nobody has used it for this long: 1 s - 366 days. Zero: never.
  absl::Duration idle_expiry = absl::ZeroDuration();
  // Acks count only of what this consumer holds at that moment, and are confirmed or refused. Needs
  // explicit acks.
  bool exactly_once = false;
};

struct SubscriberOptions {
  // May be empty when `subscription` names one that exists. May be a pattern (orders.*.created,
  // orders.>): then the subscription is over all topics that match, also those that are made later.
  // Messages say which topic they are of (MessageView::topic), sequences are that topic's, and acks
  // take the message or its MessageId. A private one whose stream breaks goes on from
  // the time of the last message received, so messages of that millisecond may come twice.
  std::string topic = {};
  // Empty: a private subscription that gets everything and ends with this Subscriber.
  std::string subscription = {};
  StartFrom from = StartFrom::Earliest();
  AckMode ack_mode = AckMode::kAuto;
  // Explicit acks: 100 ms - 600 s. Zero: the subscription's own (10 s by default).
  absl::Duration ack_deadline = absl::ZeroDuration();
  Credit credit = {};
  // Of a subscription that does not exist yet. What is set here must be so for one that exists
  // (otherwise FAILED_PRECONDITION), except its ack_deadline.
  SubscriptionConfig config = {};
  bool reconnect = true;
  // Pulling: how much may wait here to be taken. Exceeded by one frame at most.
  size_t buffer_bytes = size_t{4} << 20;

  // All optional; on a Client thread, in order with the deliveries (when pulling: as they arrive).
  std::function<void(const Started&)> on_started = {};
  std::function<void(const Gap&)> on_gap = {};
  // Subscriptions over a pattern: before the first message of a topic, again on each stream.
  std::function<void(const TopicChange&)> on_topic_change = {};
  // The stream broke and is about to be opened again.
  std::function<void(const absl::Status&)> on_disconnect = {};
};

// Counters since Start; a snapshot in which each value is right by itself.
struct SubscriberStats {
  uint64_t received_messages = 0;
  uint64_t received_bytes = 0;
  uint64_t received_frames = 0;
  uint64_t redelivered_messages = 0;  // of the received: delivery_attempt above 1
  uint64_t gap_messages = 0;
  uint64_t acked_messages = 0;  // sent to the broker
  uint64_t refused_acks = 0;    // of these: refused by an exactly-once subscription
  // Messages that were acked, nacked and so on when they were of an epoch before; not sent.
  uint64_t stale_acks = 0;
  uint64_t reconnects = 0;
};

class Subscriber {
 public:
  // The view is valid during the call.
  using MessageCallback = absl::AnyInvocable<void(const MessageView&)>;
  // The frame and its messages are valid during the call.
  using FrameCallback = absl::AnyInvocable<void(const Frame&)>;
  // OK: confirmed; the message never comes again, to anybody.
  // FAILED_PRECONDITION: it did not count, and why. Either the consumer does not hold the message
  // any
  //   more, so it comes again, perhaps to another (what has been done for it is to be taken back,
  //   or to be repeatable); or an earlier message of its ordering key is not acked, and this one is
  //   held on, to be acked after that one. Also: the message is of an epoch before (Started::anew),
  //   and will not come again; or the subscription is not exactly-once, and confirms nothing.
  // UNAVAILABLE: the stream broke before the answer came. The ack may have counted or not; if not,
  // the
  //   message comes again.
  // CANCELLED: the Subscriber had been stopped, or never started.
  using AckCallback = absl::AnyInvocable<void(absl::Status)>;

  // Does not connect yet.
  Subscriber(const Client& client, SubscriberOptions options);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // Opens the stream and delivers to `callback`: message by message, or whole frames for
  // throughput. FAILED_PRECONDITION: started before. Returns without waiting; errors of the stream
  // come from Wait.
  absl::Status Start(MessageCallback callback);
  absl::Status StartFrames(FrameCallback callback);
  // Opens the stream for pulling. Next and its like do so by themselves; calling Start earlier lets
  // messages arrive meanwhile.
  absl::Status Start();

  // The next message, in order of arrival; waits for it. DEADLINE_EXCEEDED: none came. What had
  // arrived before the stream ended is handed out first; then the stream's final status is returned
  // (CANCELLED after Stop). Taking turns with NextFrame is allowed: it returns what is left of a
  // frame. Several threads may pull; each message goes to one of them.
  absl::StatusOr<ReceivedMessage> Next(absl::Time deadline = absl::InfiniteFuture());
  // The same without waiting; nullopt: nothing is here now.
  absl::StatusOr<std::optional<ReceivedMessage>> TryNext();
  absl::StatusOr<ReceivedFrame> NextFrame(absl::Time deadline = absl::InfiniteFuture());

  // Explicit acks only (ignored otherwise). They never wait: they gather, as ranges, while a write
  // is under way, and go out with the next. While the stream is down, those of a named subscription
  // wait for the next stream. Sequences that are not outstanding are passed over by the broker.
  // What is of an epoch before is not sent (SubscriberStats::stale_acks).
  void Ack(const MessageView& message) { Ack(message.id()); }
  void Ack(const MessageId& message);
  // Also those between; with sequences up to `last`.
  void AckRange(const MessageId& first, uint64_t last);
  // The messages of a frame, and no others.
  void AckFrame(const Frame& frame);
  // Exactly-once subscriptions: acks, and says whether it counted. `done` is called exactly once,
  // on a Client thread, or on this one before the call returns if the ack was not sent. For a
  // frame: OK when all its messages are acked, otherwise about the first that is not (each counts
  // for itself).
  void Ack(const MessageView& message, AckCallback done) { Ack(message.id(), std::move(done)); }
  void Ack(const MessageId& message, AckCallback done);
  void AckFrame(const Frame& frame, AckCallback done);
  // Not to be waited for in a callback.
  std::future<absl::Status> AckConfirmed(const MessageView& message) {
    return AckConfirmed(message.id());
  }
  std::future<absl::Status> AckConfirmed(const MessageId& message);
  // To be delivered again, to any consumer of the subscription: at once, or as its retry policy
  // says; with `delay`, 0-600 s, after that.
  void Nack(const MessageView& message) { Nack(message.id()); }
  void Nack(const MessageId& message);
  void Nack(const MessageView& message, absl::Duration delay) { Nack(message.id(), delay); }
  void Nack(const MessageId& message, absl::Duration delay);
  void NackRange(const MessageId& first, uint64_t last);
  void NackRange(const MessageId& first, uint64_t last, absl::Duration delay);
  // Not to be delivered again: it leaves for the subscription's dead-letter topic, with the reason
  // (up to 1,024 bytes of UTF-8) as an attribute. A subscription without one ends the stream with
  // FAILED_PRECONDITION.
  void Terminate(const MessageView& message, std::string reason = {}) {
    Terminate(message.id(), std::move(reason));
  }
  void Terminate(const MessageId& message, std::string reason = {});
  // A new deadline, counted from when the broker reads it: 0 (the same as Nack) - 600 s.
  void Extend(const MessageView& message, absl::Duration deadline) {
    Extend(message.id(), message.sequence(), deadline);
  }
  void Extend(const MessageId& first, uint64_t last, absl::Duration deadline);

  // Answers a request (MessageView::request) with a message or an error, in either ack mode; the
  // first answer reaches the caller. Never waits: replies go out like acks, which they do not
  // replace. One that comes too late is counted by the broker. While the stream is down they wait
  // for the next.
  void Reply(std::string_view reply_address, const absl::StatusOr<Message>& reply);

  // Changes the credit from now on, also for streams opened later.
  void SetCredit(Credit credit);

  // Sends what acks have gathered and waits until they are written to the connection. OK also when
  // there are none; DEADLINE_EXCEEDED; the final status if the stream has ended.
  absl::Status FlushAcks(absl::Time deadline = absl::InfiniteFuture());

  // Ends the stream in order; no callback begins after Stop has returned. Acks given before have
  // their effect. With automatic acks and a named subscription, what the broker had sent by then is
  // still handed to the callback, or kept for Next; otherwise it is not. If the broker does not
  // answer, the stream is cancelled after 2 s. In a callback, Stop does not wait, and the callback
  // that calls it is the last for a message. Called again, it does nothing.
  void Stop();

  // Waits until the stream has ended for good and returns why: OK after Stop. DEADLINE_EXCEEDED: it
  // has not.
  absl::Status Wait(absl::Time deadline = absl::InfiniteFuture());

  SubscriberStats Stats() const;

 private:
  std::unique_ptr<internal::SubscriberImpl> impl_;
};

}  // namespace estiba

#endif  // ESTIBA_SUBSCRIBER_H_
