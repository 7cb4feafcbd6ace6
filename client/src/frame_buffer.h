// One SubscribeResponse as it came from the broker, and views into it.
//
// Owner: the Subscriber while a callback runs, or the messages that an application has pulled from
// it. Not thread-safe while it is parsed; afterwards it is immutable and may be read from any
// thread.
#ifndef ESTIBA_CLIENT_SRC_FRAME_BUFFER_H_
#define ESTIBA_CLIENT_SRC_FRAME_BUFFER_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "client/src/confirmations.h"
#include "estiba/message.h"
#include "estiba/subscriber.h"

namespace estiba {

// Fills in views; the only one who may.
class MessageViewBuilder {
 public:
  // Finds the parts of one encoded estiba.v1.Message. False: it is malformed.
  static bool Parse(std::string_view encoded, MessageView& view);
  // Most messages are data and nothing else: takes as many of these, up to 16 KiB, as follow one
  // another from `p` on, in a fraction of the time. Returns where they end.
  static const char* ParsePlain(const char* p, const char* end, std::vector<MessageView>& views);
  static void Place(MessageView& view, uint64_t sequence, int64_t publish_time_ms,
                    uint32_t delivery_attempt, uint32_t epoch) {
    view.sequence_ = sequence;
    view.publish_time_ms_ = publish_time_ms;
    view.delivery_attempt_ = delivery_attempt;
    view.epoch_ = epoch;
  }
  static void SetTopic(MessageView& view, const internal::PatternTopic* topic) {
    view.topic_ = topic;
  }
};

}  // namespace estiba

namespace estiba::internal {

class FrameBuffer {
 public:
  // Takes over `buffer` and forgets what was here before (keeping the memory for the views). False:
  // this is no well-formed SubscribeResponse. `epoch`: of its messages.
  bool Parse(const grpc::ByteBuffer& buffer, uint32_t epoch = 0);
  // The same, from bytes that the caller keeps alive.
  bool Parse(std::string_view encoded, uint32_t epoch = 0);

  Frame frame() const { return Frame{absl::MakeConstSpan(messages_), bytes_}; }
  const std::vector<MessageView>& messages() const { return messages_; }
  const std::optional<Started>& started() const { return started_; }
  std::optional<Started>& started() { return started_; }
  const std::optional<Gap>& gap() const { return gap_; }

  // Of a subscription over a pattern: the number of the topic (0: none), and topics that come and
  // go.
  uint32_t topic_number() const { return topic_number_; }
  struct NumberedChange {
    uint32_t number = 0;
    TopicChange change;
  };
  const std::vector<NumberedChange>& topic_changes() const { return topic_changes_; }
  // Of an exactly-once subscription: what has come of requests.
  const std::vector<Answer>& answers() const { return answers_; }
  // Says which topic the messages and the gap are of; kept as long as they are.
  void SetTopic(std::shared_ptr<const PatternTopic> topic);

 private:
  struct Header {
    uint64_t first_sequence = 0;
    uint32_t delivery_attempt = 0;
    int64_t publish_time_ms = 0;
    uint32_t epoch = 0;
  };
  // From messages_[index] on, so much is added.
  struct Mark {
    uint32_t index = 0;
    uint64_t more = 0;
  };

  static bool AddMark(std::string_view encoded, std::vector<Mark>& marks);
  bool AddMessage(std::string_view encoded);
  void PlaceMessages(const Header& header);

  grpc::Slice slice_;
  std::vector<MessageView> messages_;
  std::vector<Mark> time_marks_;
  std::vector<Mark> sequence_marks_;
  size_t bytes_ = 0;
  std::optional<Started> started_;
  std::optional<Gap> gap_;
  uint32_t topic_number_ = 0;
  std::vector<NumberedChange> topic_changes_;
  std::vector<Answer> answers_;
  std::shared_ptr<const PatternTopic> topic_;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_FRAME_BUFFER_H_
