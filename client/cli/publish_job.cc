#include "client/cli/publish_job.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace estiba::cli {
namespace {

constexpr absl::Duration kGraceAfterInterrupt = absl::Seconds(2);
// How many messages are posted between looks at failures, interrupts and the clock.
constexpr size_t kPiece = 16'384;

}  // namespace

Message WithDefaults(Message message, const PublishJob::Options& options) {
  std::vector<Attribute> common;
  for (const Attribute& attribute : options.attributes) {
    const auto own = std::find_if(message.attributes.begin(), message.attributes.end(),
                                  [&](const Attribute& a) { return a.first == attribute.first; });
    if (own == message.attributes.end()) common.push_back(attribute);
  }
  message.attributes.insert(message.attributes.end(), common.begin(), common.end());
  if (message.ordering_key.empty()) message.ordering_key = options.ordering_key;
  MessageTiming timing = message.timing.scheduled() ? message.timing : options.timing;
  timing.time_to_live = message.timing.time_to_live == absl::ZeroDuration()
                            ? options.timing.time_to_live
                            : message.timing.time_to_live;
  message.timing = timing;
  return message;
}

PublishJob::PublishJob(const Client& client, Interrupt& interrupt, Options options)
    : options_(std::move(options)),
      interrupt_(interrupt),
      attributes_(options_.attributes.begin(), options_.attributes.end()),
      plain_(attributes_.empty() && options_.ordering_key.empty() && !options_.timing.scheduled() &&
             options_.timing.time_to_live == absl::ZeroDuration()),
      pacer_(options_.rate, interrupt),
      progress_(options_.progress),
      publisher_(client, options_.topic, [this] {
        PublisherOptions publisher = options_.publisher;
        publisher.on_batch = [this](const PublishedBatch& batch) {
          const absl::MutexLock lock(&mutex_);
          scheduled_ += batch.scheduled;
          if (batch.count == 0) return;
          if (first_sequence_ == 0) first_sequence_ = batch.first_sequence;
          last_sequence_ = std::max(last_sequence_, batch.first_sequence + batch.count - 1);
        };
        publisher.on_failure = [this](const PublishFailure& failure) {
          const absl::MutexLock lock(&mutex_);
          if (failure_.ok()) failure_ = failure.status;
          failed_.store(true, std::memory_order_relaxed);
        };
        return publisher;
      }()) {
  // Closing also wakes a post that waits for room in the window.
  interrupt_.OnInterrupt(
      [this] { publisher_.Close(absl::Now() + kGraceAfterInterrupt).IgnoreError(); });
}

PublishJob::~PublishJob() { interrupt_.OnInterrupt(nullptr); }

absl::Status PublishJob::Post(absl::Span<const std::string_view> payloads) {
  while (!payloads.empty()) {
    const size_t count = pacer_.Take(std::min(payloads.size(), kPiece));
    if (count == 0) return absl::CancelledError("interrupted");
    if (failed_.load(std::memory_order_relaxed)) return FirstFailure();
    if (absl::Status posted = PostPiece(payloads.first(count)); !posted.ok()) return posted;
    payloads.remove_prefix(count);
    progress_.Update(messages_, bytes_);
  }
  return absl::OkStatus();
}

absl::Status PublishJob::PostPiece(absl::Span<const std::string_view> payloads) {
  size_t accepted = 0;
  absl::Status posted;
  if (plain_) {
    posted = publisher_.PostBatch(payloads, &accepted);
  } else {
    refs_.clear();
    for (const std::string_view data : payloads) {
      refs_.push_back({data, attributes_, options_.ordering_key, &options_.timing});
    }
    posted = publisher_.PostBatch(refs_, &accepted);
  }
  messages_ += accepted;
  for (const std::string_view data : payloads.first(accepted)) bytes_ += data.size();
  return Reason(posted);
}

absl::Status PublishJob::Post(const Message& message) {
  if (pacer_.Take(1) == 0) return absl::CancelledError("interrupted");
  if (failed_.load(std::memory_order_relaxed)) return FirstFailure();
  const Message whole = WithDefaults(message, options_);
  const std::vector<AttributeRef> attributes(whole.attributes.begin(), whole.attributes.end());
  const absl::Status posted =
      publisher_.Post(MessageRef{whole.data, attributes, whole.ordering_key, &whole.timing});
  if (!posted.ok()) return Reason(posted);
  bytes_ += message.data.size();
  if (++messages_ % 1024 == 0) progress_.Update(messages_, bytes_);
  return absl::OkStatus();
}

absl::Status PublishJob::Finish() {
  const absl::Status closed = publisher_.Close();
  progress_.Clear();
  const absl::Status failure = FirstFailure();
  if (!failure.ok()) return failure;
  return interrupt_.interrupted() ? absl::OkStatus() : closed;
}

PublishSummary PublishJob::summary() const {
  const PublisherStats stats = publisher_.Stats();
  const absl::MutexLock lock(&mutex_);
  return {stats.published_messages, bytes_,        stats.failed_messages, scheduled_,
          first_sequence_,          last_sequence_};
}

absl::Status PublishJob::Reason(const absl::Status& refused) const {
  if (refused.ok()) return refused;
  if (failed_.load(std::memory_order_relaxed)) return FirstFailure();
  return interrupt_.interrupted() ? absl::CancelledError("interrupted") : refused;
}

absl::Status PublishJob::FirstFailure() const {
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace estiba::cli
