#include "client/cli/message_writer.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/message_json.h"
#include "client/cli/terminal.h"
#include "client/cli/views.h"

namespace estiba::cli {

void MessageWriter::AppendMessage(std::string& out, std::string_view topic,
                                  const MessageView& message) const {
  switch (style_) {
    case MessageStyle::kRaw:
      out.append(message.data()).append(ending_);
      break;
    case MessageStyle::kJson:
      AppendMessageJson(out, topic, message);
      break;
    case MessageStyle::kPretty:
      AppendPretty(out, message);
      break;
  }
}

void MessageWriter::AppendGap(std::string& out, std::string_view topic, const Gap& gap) const {
  if (style_ == MessageStyle::kJson) AppendGapJson(out, topic, gap);
}

// 42  14:03:22.123  key  {kind=new}  payload  (attempt 2)
void MessageWriter::AppendPretty(std::string& out, const MessageView& message) const {
  const std::string time =
      absl::FormatTime("%H:%M:%E3S", message.publish_time(), absl::LocalTimeZone());
  if (!message.topic().empty()) {
    absl::StrAppend(&out, Styled(Printable(AsAbsl(message.topic())), Style::kCyan, color_), "  ");
  }
  absl::StrAppend(&out, Styled(absl::StrCat(message.sequence()), Style::kCyan, color_), "  ",
                  Styled(time, Style::kDim, color_), "  ");
  if (!message.ordering_key().empty()) {
    absl::StrAppend(&out, Styled(Printable(AsAbsl(message.ordering_key())), Style::kYellow, color_),
                    "  ");
  }
  std::string attributes;
  for (const auto& [key, value] : message.attributes()) {
    absl::StrAppend(&attributes, attributes.empty() ? "" : " ", Printable(AsAbsl(key)), "=",
                    Printable(AsAbsl(value)));
  }
  if (!attributes.empty()) {
    absl::StrAppend(&out, Styled(absl::StrCat("{", attributes, "}"), Style::kGreen, color_), "  ");
  }
  out += Printable(AsAbsl(message.data()));
  if (message.delivery_attempt() > 1) {
    out += Styled(absl::StrCat("  (attempt ", message.delivery_attempt(), ")"), Style::kYellow,
                  color_);
  }
  out += '\n';
}

std::string DescribeGap(const Gap& gap) {
  const bool one = gap.range.first == gap.range.last;
  return absl::StrCat(one ? "message " : "messages ", gap.range.first,
                      one ? "" : absl::StrCat("..", gap.range.last), one ? " was" : " were",
                      " given up: ", GapReasonName(gap.reason));
}

}  // namespace estiba::cli
