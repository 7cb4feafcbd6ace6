#include "client/cli/message_json.h"

#include <boost/locale/utf.hpp>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/cli/units.h"
#include "client/cli/views.h"

namespace estiba::cli {
namespace {

using nlohmann::json;

// The library's own escaping, without building a document for it.
void AppendString(std::string& out, std::string_view text) {
  bool plain = true;
  for (const char c : text) {
    plain &= static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
  }
  if (plain) {
    absl::StrAppend(&out, "\"", AsAbsl(text), "\"");
  } else {
    out += json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  }
}

absl::Status Wrong(absl::string_view field, absl::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat("\"", field, "\" ", rule));
}

void SetTime(MessageTiming& timing, const std::string& name, int64_t ms) {
  if (name == "deliver_after_ms") timing.deliver_after = absl::Milliseconds(ms);
  if (name == "deliver_at_ms" && ms != 0) timing.deliver_at = absl::FromUnixMillis(ms);
  if (name == "time_to_live_ms") timing.time_to_live = absl::Milliseconds(ms);
}

absl::Status SetField(Message& message, const std::string& name, const json& value) {
  if (name == "data") {
    if (!value.is_string()) return Wrong(name, "must be a string (bytes: \"data_base64\")");
    message.data = value.get<std::string>();
  } else if (name == "data_base64") {
    if (!value.is_string() || !absl::Base64Unescape(value.get<std::string>(), &message.data)) {
      return Wrong(name, "must be a string in base64");
    }
  } else if (name == "ordering_key") {
    if (!value.is_string()) return Wrong(name, "must be a string");
    message.ordering_key = value.get<std::string>();
  } else if (name == "attributes") {
    if (!value.is_object()) return Wrong(name, "must be an object of strings");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) return Wrong(name, "must be an object of strings");
      message.attributes.emplace_back(key, text.get<std::string>());
    }
  } else if (name == "deliver_after_ms" || name == "deliver_at_ms" || name == "time_to_live_ms") {
    if (!value.is_number_integer()) return Wrong(name, "must be a number of milliseconds");
    SetTime(message.timing, name, value.get<int64_t>());
  } else if (name != "topic" && name != "sequence" && name != "publish_time" && name != "attempt") {
    return Wrong(name,
                 "is not known: data, data_base64, attributes, ordering_key, deliver_after_ms, "
                 "deliver_at_ms and time_to_live_ms are");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  using Utf8 = boost::locale::utf::utf_traits<char>;
  for (const char* at = bytes.begin(); at != bytes.end();) {
    if (static_cast<signed char>(*at) >= 0) {
      ++at;
    } else if (!boost::locale::utf::is_valid_codepoint(Utf8::decode(at, bytes.end()))) {
      return false;
    }
  }
  return true;
}

void AppendMessageJson(std::string& out, std::string_view topic, const MessageView& message) {
  out += "{\"topic\":";
  AppendString(out, topic);
  absl::StrAppend(&out, ",\"sequence\":", message.sequence(), ",\"publish_time\":\"",
                  IsoTime(message.publish_time()), "\",\"attempt\":", message.delivery_attempt());
  if (!message.ordering_key().empty()) {
    out += ",\"ordering_key\":";
    AppendString(out, message.ordering_key());
  }
  if (message.time_to_live() > absl::ZeroDuration()) {
    absl::StrAppend(&out,
                    ",\"time_to_live_ms\":", absl::ToInt64Milliseconds(message.time_to_live()));
  }
  bool any = false;
  for (const auto& [key, value] : message.attributes()) {
    out += any ? "," : ",\"attributes\":{";
    AppendString(out, key);
    out += ':';
    AppendString(out, value);
    any = true;
  }
  if (any) out += '}';
  if (IsUtf8(message.data())) {
    out += ",\"data\":";
    AppendString(out, message.data());
  } else {
    absl::StrAppend(&out, ",\"data_base64\":\"", absl::Base64Escape(AsAbsl(message.data())), "\"");
  }
  out += "}\n";
}

void AppendGapJson(std::string& out, std::string_view topic, const Gap& gap) {
  out += "{\"topic\":";
  AppendString(out, topic);
  absl::StrAppend(&out, ",\"gap\":{\"first\":", gap.range.first, ",\"last\":", gap.range.last,
                  ",\"reason\":\"", GapReasonName(gap.reason), "\"}}\n");
}

absl::StatusOr<Message> ParseMessageJson(std::string_view line) {
  // Parsing as such reports errors without throwing; the accessors are guarded by type checks.
  const json document = json::parse(line, nullptr, false);
  if (document.is_discarded()) return absl::InvalidArgumentError("not JSON");
  if (!document.is_object()) return absl::InvalidArgumentError("not a JSON object");
  if (document.contains("gap")) return absl::NotFoundError("tells of a gap");
  if (document.contains("data") && document.contains("data_base64")) {
    return Wrong("data", "and \"data_base64\" exclude each other");
  }
  Message message;
  for (const auto& [name, value] : document.items()) {
    if (absl::Status set = SetField(message, name, value); !set.ok()) return set;
  }
  return message;
}

}  // namespace estiba::cli
