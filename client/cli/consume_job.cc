#include "client/cli/consume_job.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/exit_code.h"

namespace estiba::cli {
namespace {

// Outstanding messages with explicit acks: enough that acks never hold up the stream.
constexpr uint32_t kCreditMessages = 200'000;

constexpr absl::Duration kAskForReader = absl::Milliseconds(500);

bool Explicit(const ConsumeJob::Options& options) {
  return options.subscriber.ack_mode == AckMode::kExplicit;
}

uint32_t CreditFor(const ConsumeJob::Options& options) {
  if (!Explicit(options)) return 0;
  const uint64_t most = options.count.value_or(std::numeric_limits<uint64_t>::max());
  return static_cast<uint32_t>(std::min<uint64_t>(kCreditMessages, most));
}

}  // namespace

ConsumeJob::ConsumeJob(const Client& client, Interrupt& interrupt, MessageWriter writer,
                       Options options)
    : options_(std::move(options)),
      writer_(std::move(writer)),
      interrupt_(interrupt),
      output_(STDOUT_FILENO),
      credit_(CreditFor(options_)),
      topic_(options_.subscriber.topic),
      subscriber_(client, [this] {
        SubscriberOptions subscriber = options_.subscriber;
        subscriber.credit.max_messages = credit_;
        subscriber.on_gap = [this](const Gap& gap) { AddGap(gap); };
        subscriber.on_started = [this](const Started& started) {
          const absl::MutexLock lock(&mutex_);
          connected_ = true;
          topic_ = started.topic;
          if (started.anew) {
            Warn(absl::StrCat("'", topic_,
                              "' begins anew: the broker was restarted, or this was deleted and "
                              "made again; what was not delivered before is lost"));
          }
        };
        subscriber.on_disconnect = [this](const absl::Status& why) {
          Warn(absl::StrCat("connection lost, trying again: ", why.message()));
          const absl::MutexLock lock(&mutex_);
          connected_ = false;
        };
        return subscriber;
      }()) {
  // While something is being written or acked the main thread looks at the interrupt by itself.
  interrupt_.OnInterrupt([this] {
    bool waiting = false;
    {
      const absl::MutexLock lock(&mutex_);
      waiting = waiting_;
    }
    if (waiting) subscriber_.Stop();
  });
}

ConsumeJob::~ConsumeJob() { interrupt_.OnInterrupt(nullptr); }

ConsumeJob::Result ConsumeJob::Run() {
  Result result;
  while (!counted_out() && !interrupt_.interrupted()) {
    const absl::StatusOr<ReceivedFrame> frame = NextFrame();
    if (!frame.ok()) {
      result.status = frame.status();
      break;
    }
    if (interrupt_.interrupted()) break;
    Write(*frame);
    if (!output_.full()) continue;
    result.status = Flush();
    if (!result.status.ok()) break;
  }
  if (result.status.ok()) {
    {
      const absl::MutexLock lock(&mutex_);
      if (!counted_out()) WriteGapsBefore(std::numeric_limits<uint64_t>::max());
    }
    result.status = Flush();
  }
  subscriber_.Stop();
  if (result.status.ok() && !Explicit(options_)) result.status = WriteRest();
  if (const uint64_t refused = subscriber_.Stats().refused_acks; refused > 0) {
    Warn(absl::StrCat(refused, refused == 1 ? " ack was" : " acks were",
                      " refused: what they were for comes again, perhaps to others"));
  }
  result.messages = messages_;
  result.count_reached = counted_out();
  // Asked for, or nobody reads any more: no failure.
  if (interrupt_.interrupted() || absl::IsCancelled(result.status)) {
    result.status = absl::OkStatus();
  }
  return result;
}

absl::Status ConsumeJob::WriteRest() {
  while (true) {
    const absl::StatusOr<ReceivedFrame> frame = subscriber_.NextFrame(absl::InfinitePast());
    if (!frame.ok()) return Flush();
    Write(*frame);
    if (!output_.full()) continue;
    if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  }
}

absl::StatusOr<ReceivedFrame> ConsumeJob::NextFrame() {
  absl::StatusOr<ReceivedFrame> frame = subscriber_.NextFrame(absl::InfinitePast());
  if (!absl::IsDeadlineExceeded(frame.status())) return frame;
  {
    const absl::MutexLock lock(&mutex_);
    WriteGapsBefore(std::numeric_limits<uint64_t>::max());
  }
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;

  const absl::Time deadline =
      options_.until_idle ? absl::Now() + *options_.until_idle : absl::InfiniteFuture();
  {
    const absl::MutexLock lock(&mutex_);
    if (interrupt_.interrupted()) return absl::CancelledError("interrupted");
    waiting_ = true;
  }
  // A reader that goes away shows only when something is written, or to who asks now and then.
  do {
    frame = subscriber_.NextFrame(std::min(deadline, absl::Now() + kAskForReader));
  } while (absl::IsDeadlineExceeded(frame.status()) && absl::Now() < deadline &&
           !ReaderGone(STDOUT_FILENO));
  const absl::MutexLock lock(&mutex_);
  waiting_ = false;
  if (absl::IsDeadlineExceeded(frame.status())) {
    return connected_ || absl::Now() < deadline ? absl::CancelledError("idle")
                                                : absl::UnavailableError("the connection was lost");
  }
  return frame;
}

void ConsumeJob::Write(const ReceivedFrame& frame) {
  absl::Span<const MessageView> messages = frame.messages;
  if (messages.empty()) return;
  const absl::MutexLock lock(&mutex_);
  // A frame is of one topic; those of a pattern have sequences of their own.
  const std::string topic(messages.front().topic());
  if (const uint32_t epoch = messages.front().id().epoch(); epoch != seen_epoch_) {
    seen_.clear();  // those were other messages
    seen_epoch_ = epoch;
  }
  auto& seen = seen_[topic];
  WriteGapsBefore(topic.empty() ? messages.front().sequence()
                                : std::numeric_limits<uint64_t>::max());
  std::string& out = output_.text();
  const bool again = messages.front().delivery_attempt() > 1;
  // Neighbours, as far as they have been written; a frame may have holes.
  Written run{messages.front().id(), messages.front().sequence() - 1};
  for (const MessageView& message : messages) {
    if (counted_out()) break;
    if (message.sequence() != run.last + 1) {
      NoteWritten(topic, run);
      run.first = message.id();
    }
    run.last = message.sequence();
    if (again && boost::icl::contains(seen, run.last)) continue;
    writer_.AppendMessage(out, topic.empty() ? topic_ : topic, message);
    ++messages_;
  }
  NoteWritten(topic, run);
}

void ConsumeJob::NoteWritten(const std::string& topic, const Written& run) {
  if (!Explicit(options_) || run.last < run.first.sequence()) return;
  written_.push_back(run);
  seen_[topic].add(boost::icl::interval<uint64_t>::closed(run.first.sequence(), run.last));
}

absl::Status ConsumeJob::Flush() {
  if (absl::Status flushed = output_.Flush(); !flushed.ok()) return flushed;
  for (const Written& written : written_) Ack(written);
  written_.clear();
  return absl::OkStatus();
}

void ConsumeJob::Ack(const Written& written) {
  acked_ += written.last - written.first.sequence() + 1;
  if (options_.count && acked_ + credit_ > *options_.count) {
    // No credit at all cannot be asked for. So the last ack is made to wait for a request of its
    // own, which by then asks for the end of the stream as well.
    credit_ = acked_ < *options_.count ? static_cast<uint32_t>(*options_.count - acked_) : 1;
    subscriber_.SetCredit({credit_, 0});
  }
  subscriber_.AckRange(written.first, written.last);
}

void ConsumeJob::AddGap(const Gap& gap) {
  Warn(absl::StrCat("gap: ", DescribeGap(gap)));
  if (writer_.style() != MessageStyle::kJson) return;
  const absl::MutexLock lock(&mutex_);
  gaps_.push_back(gap);
  if (!waiting_) return;
  // Nothing is buffered, and the main thread does not write before it has taken the lock again.
  std::string line;
  writer_.AppendGap(line, gaps_.front().topic.empty() ? topic_ : gaps_.front().topic,
                    gaps_.front());
  gaps_.pop_front();
  WriteFully(STDOUT_FILENO, line).IgnoreError();
}

void ConsumeJob::WriteGapsBefore(uint64_t sequence) {
  while (!gaps_.empty() && gaps_.front().range.first < sequence) {
    const Gap& gap = gaps_.front();
    writer_.AppendGap(output_.text(), gap.topic.empty() ? topic_ : gap.topic, gap);
    gaps_.pop_front();
  }
}

}  // namespace estiba::cli
