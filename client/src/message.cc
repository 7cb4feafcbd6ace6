#include "estiba/message.h"

#include "client/src/wire.h"

namespace estiba {

using internal::wire::Reader;
using internal::wire::Tag;
using internal::wire::Type;

void AttributesView::Iterator::Advance() {
  done_ = true;
  Reader reader(rest_);
  while (reader.Next()) {
    if (reader.tag() != Tag(2, Type::kBytes)) continue;
    // A map entry may leave out an empty key or value.
    current_ = {};
    Reader entry(reader.bytes());
    while (entry.Next()) {
      if (entry.tag() == Tag(1, Type::kBytes)) current_.first = entry.bytes();
      if (entry.tag() == Tag(2, Type::kBytes)) current_.second = entry.bytes();
    }
    done_ = !entry.ok();
    break;
  }
  rest_ = reader.rest();
}

std::optional<std::string_view> AttributesView::Find(std::string_view key) const {
  std::optional<std::string_view> found;
  for (const auto& [name, value] : *this) {
    if (name == key) found = value;
  }
  return found;
}

std::optional<RequestInfo> MessageView::request() const {
  // The broker writes it first.
  Reader reader(encoded_);
  if (!reader.Next() || reader.tag() != Tag(15, Type::kBytes)) return std::nullopt;
  RequestInfo info;
  Reader fields(reader.bytes());
  while (fields.Next()) {
    if (fields.tag() == Tag(1, Type::kBytes)) info.reply_address = fields.bytes();
    if (fields.tag() == Tag(2, Type::kVarint)) {
      info.deadline = absl::FromUnixMillis(static_cast<int64_t>(fields.number()));
    }
  }
  if (!fields.ok() || info.reply_address.empty()) return std::nullopt;
  return info;
}

absl::Duration MessageView::time_to_live() const {
  Reader reader(encoded_);
  absl::Duration time = absl::ZeroDuration();
  while (reader.Next()) {
    if (reader.tag() != Tag(14, Type::kVarint)) continue;
    time = absl::Milliseconds(static_cast<int64_t>(reader.number()));
  }
  return time;
}

Message MessageView::ToMessage() const {
  Message message{.data = std::string(data_), .ordering_key = std::string(ordering_key_)};
  for (const auto& [key, value] : attributes()) {
    message.attributes.emplace_back(std::string(key), std::string(value));
  }
  message.timing.time_to_live = time_to_live();
  return message;
}

}  // namespace estiba
