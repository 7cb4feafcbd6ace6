#include "broker/engine/message_check.h"

#include <boost/locale/utf.hpp>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_reader.h"
#include "broker/engine/limits.h"

namespace estiba {
namespace {

enum Field : uint32_t {
  kData = 1,
  kAttributes = 2,
  kMessageId = 3,
  kPublishTime = 4,
  kOrderingKey = 5,
  kReplyTo = 15
};

absl::Status Invalid(uint32_t index, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("messages[", index, "]", what));
}

absl::Status CheckAttribute(uint32_t index, std::string_view entry) {
  WireReader reader(entry);
  std::string_view key;
  std::string_view value;
  while (!reader.AtEnd()) {
    uint32_t field = 0;
    uint32_t type = 0;
    if (!reader.ReadTag(&field, &type) || type != WireReader::kLength || field > 2 ||
        !reader.ReadBytes(field == 1 ? &key : &value)) {
      return Invalid(index, ".attributes: not a well-formed map entry");
    }
  }
  if (key.empty()) return Invalid(index, ".attributes: a key is not empty");
  if (key.size() > kMaxAttributeKeyBytes) {
    return Invalid(index, absl::StrCat(".attributes: a key of ", key.size(), " bytes: at most ",
                                       kMaxAttributeKeyBytes));
  }
  if (value.size() > kMaxAttributeValueBytes) {
    return Invalid(index, absl::StrCat(".attributes: a value of ", value.size(), " bytes: at most ",
                                       kMaxAttributeValueBytes));
  }
  if (!IsUtf8(key) || !IsUtf8(value)) {
    return Invalid(index, ".attributes: keys and values are UTF-8");
  }
  return absl::OkStatus();
}

// Reads the value of a time field.
absl::Status CheckTime(uint32_t index, uint32_t field, WireReader& reader, MessageTimes* times) {
  uint64_t value = 0;
  if (!reader.ReadVarint(&value)) return Invalid(index, ": not a well-formed message");
  int64_t* const time = times->Field(field);
  *time = static_cast<int64_t>(value);
  const bool time_of_day = field == MessageTimes::kDeliverAt;
  if (*time >= 0 && *time <= (time_of_day ? kMaxUnixMs : kMaxMessageTimeMs)) {
    return absl::OkStatus();
  }
  const absl::string_view name = time_of_day                          ? "deliver_at_ms"
                                 : field == MessageTimes::kTimeToLive ? "time_to_live_ms"
                                                                      : "deliver_after_ms";
  const absl::string_view rule =
      time_of_day ? "0 (1970) - 253402300799999 (the end of 9999)" : "0 - 31622400000 (366 days)";
  return Invalid(index, absl::StrCat(".", name, ": ", *time, ": ", rule));
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  // Eight ASCII characters at a time.
  for (uint64_t word; end - p >= 8; p += 8) {
    std::memcpy(&word, p, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (p != end) {
    const auto c = boost::locale::utf::utf_traits<char>::decode(p, end);
    if (c == boost::locale::utf::illegal || c == boost::locale::utf::incomplete) return false;
  }
  return true;
}

absl::Status CheckMessage(uint32_t index, std::string_view encoded, MessageTimes* times) {
  *times = {};
  if (encoded.size() > kMaxMessageBytes) {
    return Invalid(index, absl::StrCat(": ", encoded.size(), " bytes: at most ", kMaxMessageBytes));
  }
  WireReader reader(encoded);
  uint32_t attributes = 0;
  while (!reader.AtEnd()) {
    uint32_t field = 0;
    uint32_t type = 0;
    std::string_view bytes;
    if (!reader.ReadTag(&field, &type)) return Invalid(index, ": not a well-formed message");
    if (field == kMessageId || field == kPublishTime || field == kReplyTo) {
      return Invalid(index, absl::StrCat(": field ", field, ": is set by the broker"));
    }
    if (times->Field(field) != nullptr) {
      if (type != WireReader::kVarint) return Invalid(index, ": not a well-formed message");
      if (absl::Status status = CheckTime(index, field, reader, times); !status.ok()) return status;
      continue;
    }
    if (field > kOrderingKey) {
      return Invalid(index, absl::StrCat(": field ", field, ": is not known to this broker"));
    }
    if (type != WireReader::kLength || !reader.ReadBytes(&bytes)) {
      return Invalid(index, ": not a well-formed message");
    }
    if (field == kAttributes) {
      if (++attributes > kMaxAttributes) {
        return Invalid(index, absl::StrCat(".attributes: at most ", kMaxAttributes));
      }
      if (absl::Status status = CheckAttribute(index, bytes); !status.ok()) return status;
    } else if (field == kOrderingKey) {
      if (bytes.size() > kMaxOrderingKeyBytes) {
        return Invalid(index, absl::StrCat(".ordering_key: ", bytes.size(), " bytes: at most ",
                                           kMaxOrderingKeyBytes));
      }
      if (!IsUtf8(bytes)) return Invalid(index, ".ordering_key: is UTF-8");
    }
  }
  if (times->deliver_after_ms != 0 && times->deliver_at_ms != 0) {
    return Invalid(index, ".deliver_at_ms: not together with deliver_after_ms");
  }
  return absl::OkStatus();
}

}  // namespace estiba
