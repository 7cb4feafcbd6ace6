// Frames that have arrived and wait to be pulled, message by message or whole.
//
// Owner: one SubscriberImpl, under its lock; not thread-safe.
#ifndef ESTIBA_CLIENT_SRC_FRAME_QUEUE_H_
#define ESTIBA_CLIENT_SRC_FRAME_QUEUE_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "client/src/frame_buffer.h"
#include "client/src/wire.h"

namespace estiba::internal {

class FrameQueue {
 public:
  // A frame with at least one message.
  void Push(std::shared_ptr<const FrameBuffer> frame) {
    bytes_ += frame->frame().bytes;
    frames_.push_back(std::move(frame));
  }

  bool empty() const { return frames_.empty(); }
  // Encoded bytes of the frames that are here, also of what has been taken of the front one.
  size_t bytes() const { return bytes_; }

  // Both only if not empty. PopFrame returns what is left of the front frame.
  ReceivedMessage PopMessage() {
    const std::shared_ptr<const FrameBuffer>& frame = frames_.front();
    ReceivedMessage message(frame->messages()[next_], frame);
    if (++next_ == frame->messages().size()) DropFront();
    return message;
  }
  ReceivedFrame PopFrame() {
    const std::shared_ptr<const FrameBuffer> frame = frames_.front();
    Frame view = frame->frame();
    view.messages.remove_prefix(next_);
    if (next_ > 0) view.bytes = EncodedBytes(view.messages);
    DropFront();
    return ReceivedFrame(view, frame);
  }

  // What a message counts in credit: its record in the frame.
  static size_t RecordBytes(const MessageView& message) {
    return wire::BytesFieldSize(message.encoded().size());
  }

  void Clear() {
    frames_.clear();
    next_ = bytes_ = 0;
  }

 private:
  static size_t EncodedBytes(absl::Span<const MessageView> messages) {
    size_t bytes = 0;
    for (const MessageView& message : messages) bytes += RecordBytes(message);
    return bytes;
  }
  void DropFront() {
    bytes_ -= frames_.front()->frame().bytes;
    frames_.pop_front();
    next_ = 0;
  }

  std::deque<std::shared_ptr<const FrameBuffer>> frames_;
  size_t next_ = 0;  // in the front frame
  size_t bytes_ = 0;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_FRAME_QUEUE_H_
