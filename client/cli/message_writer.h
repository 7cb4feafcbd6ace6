// Received messages as output: raw bytes, JSON lines, or lines for people.
#ifndef CLIENT_CLI_MESSAGE_WRITER_H_
#define CLIENT_CLI_MESSAGE_WRITER_H_

#include <string>
#include <string_view>

#include "estiba/message.h"
#include "estiba/subscriber.h"

namespace estiba::cli {

enum class MessageStyle { kRaw, kJson, kPretty };

// A plain value; one thread at a time.
class MessageWriter {
 public:
  // `ending` follows every payload of the raw style: "\n", "\0" or nothing.
  MessageWriter(MessageStyle style, std::string ending, bool color)
      : style_(style), ending_(std::move(ending)), color_(color) {}

  void AppendMessage(std::string& out, std::string_view topic, const MessageView& message) const;
  // Nothing in the raw style.
  void AppendGap(std::string& out, std::string_view topic, const Gap& gap) const;

  MessageStyle style() const { return style_; }

 private:
  void AppendPretty(std::string& out, const MessageView& message) const;

  MessageStyle style_;
  std::string ending_;
  bool color_;
};

// "messages 5..9 were given up: retention".
std::string DescribeGap(const Gap& gap);

}  // namespace estiba::cli

#endif  // CLIENT_CLI_MESSAGE_WRITER_H_
