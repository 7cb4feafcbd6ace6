#include "broker/rpc/subscribe_request.h"

#include <grpcpp/support/byte_buffer.h>

#include "absl/strings/str_cat.h"
#include "broker/engine/limits.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/convert.h"
#include "estiba/v1/broker.pb.h"

namespace estiba {
namespace {

constexpr CreditLimits kExplicitCredit = {10'000, 64 << 20};

absl::Status Invalid(absl::string_view field, absl::string_view rule) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", rule));
}

absl::Status CheckRange(absl::string_view field, const v1::SequenceRange& range) {
  if (range.first() >= 1 && range.last() >= range.first()) return absl::OkStatus();
  return Invalid(field, absl::StrCat(range.first(), "-", range.last(),
                                     ": first is at least 1 and last at least first"));
}

template <typename List>
absl::Status CheckCount(absl::string_view field, const List& list) {
  if (static_cast<uint32_t>(list.size()) <= kMaxAckEntries) return absl::OkStatus();
  return Invalid(field, absl::StrCat(list.size(), " entries: at most ", kMaxAckEntries));
}

template <typename Ranges, typename Sequences>
absl::Status AddRanges(absl::string_view field, const Ranges& ranges, const Sequences& sequences,
                       std::vector<SequenceRange>* out) {
  if (absl::Status status = CheckCount(field, ranges); !status.ok()) return status;
  if (absl::Status status = CheckCount(absl::StrCat(field, "_sequences"), sequences);
      !status.ok()) {
    return status;
  }
  for (const v1::SequenceRange& range : ranges) {
    if (absl::Status status = CheckRange(field, range); !status.ok()) return status;
    out->push_back({range.first(), range.last()});
  }
  for (const uint64_t sequence : sequences) {
    if (sequence == 0) return Invalid(absl::StrCat(field, "_sequences"), "0: at least 1");
    // Neighbours become one range.
    if (!out->empty() && out->back().last + 1 == sequence) {
      out->back().last = sequence;
    } else {
      out->push_back({sequence, sequence});
    }
  }
  return absl::OkStatus();
}

absl::Status ReadCredit(absl::string_view field, const v1::Credit& credit, CreditLimits* limits) {
  if (credit.max_messages() > kMaxCreditMessages) {
    return Invalid(absl::StrCat(field, ".max_messages"),
                   absl::StrCat(credit.max_messages(), ": at most ", kMaxCreditMessages));
  }
  if (credit.max_bytes() > kMaxCreditBytes) {
    return Invalid(absl::StrCat(field, ".max_bytes"),
                   absl::StrCat(credit.max_bytes(), ": at most ", kMaxCreditBytes));
  }
  if (credit.max_messages() != 0) limits->max_messages = credit.max_messages();
  if (credit.max_bytes() != 0) limits->max_bytes = credit.max_bytes();
  return absl::OkStatus();
}

absl::Status ReadStart(const v1::Start& in, SubscribeStart* out) {
  out->topic = in.topic();
  out->subscription = in.subscription();
  if (in.topic().empty() && in.subscription().empty()) {
    return Invalid("start.topic", "is required, unless subscription names one that exists");
  }
  if (absl::Status s = ReadStartFrom("start.from", in.from(), &out->from); !s.ok()) return s;
  out->from.incarnation = in.incarnation();
  switch (in.ack_mode()) {
    case v1::ACK_MODE_AUTO:
      out->options.ack_mode = AckMode::kAuto;
      break;
    case v1::ACK_MODE_EXPLICIT:
      out->options.ack_mode = AckMode::kExplicit;
      out->options.credit = kExplicitCredit;
      break;
    default:
      return Invalid("start.ack_mode", absl::StrCat(in.ack_mode(), ": is not a known mode"));
  }
  if (in.has_ack_deadline()) {
    if (out->options.ack_mode == AckMode::kAuto) {
      return Invalid("start.ack_deadline", "only with ACK_MODE_EXPLICIT");
    }
    if (absl::Status s = ReadMillis("start.ack_deadline", in.ack_deadline(), kMinAckDeadlineMs,
                                    kMaxAckDeadlineMs, &out->options.ack_deadline_ms);
        !s.ok()) {
      return s;
    }
  }
  out->config.ack_deadline_ms = 0;
  if (absl::Status s = ReadSubscriptionConfig("start.config", in.config(), &out->config); !s.ok()) {
    return s;
  }
  if (in.credit().return_messages() != 0 || in.credit().return_bytes() != 0) {
    return Invalid("start.credit", "nothing is outstanding yet that could be returned");
  }
  return ReadCredit("start.credit", in.credit(), &out->options.credit);
}

template <typename List>
absl::Status ReadExtensions(const List& extensions, ConsumerUpdate* out) {
  if (absl::Status s = CheckCount("extend", extensions); !s.ok()) return s;
  for (const v1::Extension& e : extensions) {
    if (absl::Status s = CheckRange("extend.range", e.range()); !s.ok()) return s;
    Extension extension{{e.range().first(), e.range().last()}, 0};
    if (absl::Status s = ReadMillis("extend.deadline", e.deadline(), 0, kMaxAckDeadlineMs,
                                    &extension.deadline_ms);
        !s.ok()) {
      return s;
    }
    out->extensions.push_back(extension);
  }
  return absl::OkStatus();
}

template <typename List>
absl::Status ReadNacksLater(const List& nacks, ConsumerUpdate* out) {
  if (absl::Status s = CheckCount("nack_later", nacks); !s.ok()) return s;
  for (const v1::NackLater& n : nacks) {
    if (absl::Status s = CheckRange("nack_later.range", n.range()); !s.ok()) return s;
    DelayedNack nack{{n.range().first(), n.range().last()}, 0};
    if (absl::Status s = ReadMillis("nack_later.delay", n.delay(), 0, kMaxRetryMs, &nack.delay_ms);
        !s.ok()) {
      return s;
    }
    out->delayed_nacks.push_back(nack);
  }
  return absl::OkStatus();
}

template <typename List>
absl::Status ReadTerminations(const List& terminations, ConsumerUpdate* out) {
  if (absl::Status s = CheckCount("terminate", terminations); !s.ok()) return s;
  for (const v1::Termination& t : terminations) {
    if (absl::Status s = CheckRange("terminate.range", t.range()); !s.ok()) return s;
    if (t.reason().size() > kMaxReasonBytes) {
      return Invalid("terminate.reason",
                     absl::StrCat(t.reason().size(), " bytes: at most ", kMaxReasonBytes));
    }
    out->terminations.push_back(
        {{t.range().first(), t.range().last()}, t.reason().empty() ? "terminated" : t.reason()});
  }
  return absl::OkStatus();
}

// Acks, nacks, terminations and extensions: of a SubscribeRequest, or of one topic in it.
template <typename Settles>
absl::Status ReadSettles(const Settles& in, AckMode mode, ConsumerUpdate* out) {
  const bool settles = in.ack_size() + in.ack_sequences_size() + in.nack_size() +
                           in.nack_sequences_size() + in.nack_later_size() + in.terminate_size() +
                           in.extend_size() >
                       0;
  if (settles && mode == AckMode::kAuto) {
    return Invalid("ack", "acks, nacks, terminations and extensions need ACK_MODE_EXPLICIT");
  }
  if (absl::Status s = AddRanges("ack", in.ack(), in.ack_sequences(), &out->acks); !s.ok()) {
    return s;
  }
  if (absl::Status s = AddRanges("nack", in.nack(), in.nack_sequences(), &out->nacks); !s.ok()) {
    return s;
  }
  if (absl::Status s = ReadNacksLater(in.nack_later(), out); !s.ok()) return s;
  if (absl::Status s = ReadTerminations(in.terminate(), out); !s.ok()) return s;
  return ReadExtensions(in.extend(), out);
}

absl::Status ReadUpdate(const v1::SubscribeRequest& in, AckMode mode, SubscribeRequestView* view) {
  ConsumerUpdate* const out = &view->update;
  if (absl::Status s = ReadSettles(in, mode, out); !s.ok()) return s;
  if (absl::Status s = CheckCount("topic_updates", in.topic_updates()); !s.ok()) return s;
  for (const v1::TopicUpdate& update : in.topic_updates()) {
    view->topic_updates.emplace_back(update.topic(), ConsumerUpdate());
    absl::Status s = ReadSettles(update, mode, &view->topic_updates.back().second);
    if (!s.ok()) {
      return Invalid(absl::StrCat("topic_updates[", view->topic_updates.size() - 1, "]"),
                     s.message());
    }
  }
  const bool returns = in.credit().return_messages() != 0 || in.credit().return_bytes() != 0;
  if (returns && mode == AckMode::kExplicit) {
    return Invalid("credit.return_messages", "only with ACK_MODE_AUTO; acks return credit here");
  }
  out->return_messages = in.credit().return_messages();
  out->return_bytes = in.credit().return_bytes();
  return ReadCredit("credit", in.credit(), &out->credit);
}

}  // namespace

absl::StatusOr<SubscribeRequestView> ParseSubscribeRequest(grpc::ByteBuffer* bytes, bool first,
                                                           AckMode mode) {
  v1::SubscribeRequest in;
  const ReceivedBytes received(bytes);
  if (!received.ok() ||
      !in.ParseFromArray(received.view().data(), static_cast<int>(received.view().size()))) {
    return Invalid("request", "not a well-formed estiba.v1.SubscribeRequest");
  }
  SubscribeRequestView out;
  if (in.has_start() != first) {
    return Invalid("start",
                   first ? "is required in the first request" : "is for the first request only");
  }
  if (first) {
    out.has_start = true;
    if (absl::Status s = ReadStart(in.start(), &out.start); !s.ok()) return s;
    mode = out.start.options.ack_mode;
  }
  if (absl::Status s = ReadUpdate(in, mode, &out); !s.ok()) return s;
  out.stop = in.stop();
  return out;
}

}  // namespace estiba
