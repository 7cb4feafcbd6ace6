// What travels: a message to publish, and views of messages received.
//
// `Message` owns its parts; `MessageRef` refers to parts that the caller keeps alive for one call;
// `MessageView` looks into a received frame and copies nothing. All three are plain values without
// threads, locks or failure of their own.
//
// Limits (the broker refuses what is outside them with INVALID_ARGUMENT): 10 MiB for an encoded
// message; 100 attributes, keys of 1-256 bytes, values of up to 1,024 bytes; 1,024 bytes of
// ordering key. Keys, values and the ordering key are UTF-8; `data` is any bytes, also none.
#ifndef ESTIBA_MESSAGE_H_
#define ESTIBA_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace estiba {

namespace internal {
// A topic of a pattern subscription.
struct PatternTopic {
  uint32_t number = 0;
  std::string name;
};
class SubscriberImpl;
}  // namespace internal

using Attribute = std::pair<std::string, std::string>;
using AttributeRef = std::pair<std::string_view, std::string_view>;

// When a message is published, and how long it may be delivered after that; in whole milliseconds,
// rounded up. More about each in message.proto: deliver_after_ms, deliver_at_ms, time_to_live_ms.
struct MessageTiming {
  // Publish it so long after the broker has taken it (zero: now), up to 366 days; or at a time, by
  // the broker's clock (InfinitePast: now). Not both. Until then it has no sequence.
  absl::Duration deliver_after = absl::ZeroDuration();
  absl::Time deliver_at = absl::InfinitePast();
  // Not delivered any more so long after that; up to 366 days. Zero: as long as it is kept.
  absl::Duration time_to_live = absl::ZeroDuration();

  bool scheduled() const {
    return deliver_after > absl::ZeroDuration() || deliver_at != absl::InfinitePast();
  }
};

// A message to publish, or a copy of a received one.
struct Message {
  std::string data = {};
  // Keys should be unique; of equal keys the last one counts.
  std::vector<Attribute> attributes = {};
  // Messages of one key are delivered in the order of their sequences. Empty: no key.
  std::string ordering_key = {};
  MessageTiming timing = {};
};

// A message to publish whose parts live elsewhere; read during the call it is passed to, then no
// longer.
struct MessageRef {
  std::string_view data;
  absl::Span<const AttributeRef> attributes = {};
  std::string_view ordering_key = {};
  const MessageTiming* timing = nullptr;  // null: now, and as long as it is kept
};

// The attributes of a received message, decoded while they are walked: a message whose attributes
// nobody asks for costs nothing. Valid as long as the MessageView it came from.
class AttributesView {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = AttributeRef;
    using difference_type = std::ptrdiff_t;
    using pointer = const AttributeRef*;
    using reference = const AttributeRef&;

    Iterator() = default;
    explicit Iterator(std::string_view encoded) : rest_(encoded) { Advance(); }
    reference operator*() const { return current_; }
    pointer operator->() const { return &current_; }
    Iterator& operator++() {
      Advance();
      return *this;
    }
    void operator++(int) { Advance(); }
    bool operator==(const Iterator& other) const {
      return done_ == other.done_ && (done_ || rest_.size() == other.rest_.size());
    }
    bool operator!=(const Iterator& other) const { return !(*this == other); }

   private:
    void Advance();

    std::string_view rest_;
    AttributeRef current_;
    bool done_ = true;
  };

  AttributesView() = default;
  explicit AttributesView(std::string_view encoded_message) : encoded_(encoded_message) {}

  Iterator begin() const { return Iterator(encoded_); }
  Iterator end() const { return Iterator(); }
  bool empty() const { return begin() == end(); }

  // The value of `key`; with several, the last. Linear in the number of attributes.
  std::optional<std::string_view> Find(std::string_view key) const;

 private:
  std::string_view encoded_;
};

// What a message that came through a Requester says of its caller.
struct RequestInfo {
  // For Subscriber::Reply. Valid as long as the MessageView it came from.
  std::string_view reply_address;
  // When the caller stops waiting, by the broker's clock.
  absl::Time deadline;
};

// Names a received message to the Subscriber it came from, when its view is no longer at hand. A
// sequence alone does not: a broker that was restarted, or a topic that was deleted and made again,
// counts from 1 again.
class MessageId {
 public:
  // Names none.
  MessageId() = default;

  uint64_t sequence() const { return sequence_; }
  // 1 for what came first, and one more each time that messages from before can no longer be acked:
  // see Started::anew. (Also with each stream of a private subscription over a pattern.)
  uint32_t epoch() const { return epoch_; }
  bool operator==(const MessageId& other) const = default;

 private:
  friend class MessageView;
  friend class internal::SubscriberImpl;

  MessageId(uint64_t sequence, uint32_t epoch, uint32_t topic)
      : sequence_(sequence), epoch_(epoch), topic_(topic) {}

  uint64_t sequence_ = 0;
  uint32_t epoch_ = 0;
  uint32_t topic_ = 0;  // of a pattern: its number
};

// One received message, as views into the frame that brought it. Its lifetime is said where it is
// handed out: the duration of a callback, or the life of the ReceivedMessage that owns the frame.
// Copying a view copies pointers only.
class MessageView {
 public:
  MessageView() = default;

  // Of a subscription over a pattern: the message's topic. Otherwise empty.
  std::string_view topic() const {
    return topic_ == nullptr ? std::string_view() : std::string_view(topic_->name);
  }
  // The message's number in its topic: from 1, without holes.
  uint64_t sequence() const { return sequence_; }
  // What acks take when this view is gone.
  MessageId id() const {
    return MessageId(sequence_, epoch_, topic_ == nullptr ? 0 : topic_->number);
  }
  std::string_view data() const { return data_; }
  std::string_view ordering_key() const { return ordering_key_; }
  AttributesView attributes() const { return AttributesView(encoded_); }
  // 1 for the first delivery of this message to this subscription, one more with each redelivery.
  uint32_t delivery_attempt() const { return delivery_attempt_; }
  // When the message was published, in milliseconds since the Unix epoch: when the broker took it,
  // or the time it was scheduled for.
  int64_t publish_time_ms() const { return publish_time_ms_; }
  absl::Time publish_time() const { return absl::FromUnixMillis(publish_time_ms_); }
  // After its publish_time; zero: as long as it is kept.
  absl::Duration time_to_live() const;
  // Set if somebody waits for a reply to this message.
  std::optional<RequestInfo> request() const;
  // The estiba.v1.Message as its publisher encoded it (after what the broker added to a request).
  std::string_view encoded() const { return encoded_; }

  // An independent copy, to be published at once: of its timing, it has the time to live.
  Message ToMessage() const;

 private:
  friend class MessageViewBuilder;

  std::string_view encoded_;
  std::string_view data_;
  std::string_view ordering_key_;
  uint64_t sequence_ = 0;
  int64_t publish_time_ms_ = 0;
  uint32_t delivery_attempt_ = 0;
  uint32_t epoch_ = 0;
  const internal::PatternTopic* topic_ = nullptr;
};

}  // namespace estiba

#endif  // ESTIBA_MESSAGE_H_
