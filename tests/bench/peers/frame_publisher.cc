#include "tests/bench/peers/frame_publisher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/src/wire.h"

namespace estiba::bench {
namespace {

namespace wire = internal::wire;

// As Estiba's client: a batch is full at this size.
constexpr size_t kFrameBytes = 64 << 10;
// What may wait to be written, and to be answered.
constexpr size_t kMostWaitingBytes = size_t{1} << 20;
constexpr size_t kMostWaitingFrames = 1024;
constexpr size_t kMostUnanswered = 4096;
// Fields of estiba.v1.PublishRequest, Message, PublishResponse and BatchResult.
constexpr uint32_t kTopic = 1;
constexpr uint32_t kMessages = 2;
constexpr uint32_t kData = 1;
constexpr uint32_t kResults = 1;
constexpr uint32_t kError = 5;

// How many batches the response answers; nothing if it refuses one.
std::optional<size_t> CountResults(std::string_view response) {
  size_t results = 0;
  wire::Reader reader(response);
  while (reader.Next()) {
    if (reader.tag() != wire::Tag(kResults, wire::Type::kBytes)) continue;
    ++results;
    wire::Reader fields(reader.bytes());
    while (fields.Next()) {
      if (fields.tag() == wire::Tag(kError, wire::Type::kBytes)) return std::nullopt;
    }
  }
  return results;
}

}  // namespace

FramePublisher::FramePublisher(GrpcLink& link, const PeerSettings& settings, std::string method,
                               Protocol protocol)
    : link_(link),
      settings_(settings),
      method_(std::move(method)),
      protocol_(protocol),
      frame_bytes_(settings.batch_bytes > 0 ? settings.batch_bytes : kFrameBytes),
      most_messages_(settings.batch.value_or(std::numeric_limits<size_t>::max())),
      data_bytes_(wire::BytesFieldSize(settings.size)),
      record_bytes_(wire::BytesFieldSize(data_bytes_)) {}

FramePublisher::~FramePublisher() {
  if (call_ == nullptr) return;
  context_.TryCancel();
  const auto idle = [this]()
                        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !writing_ && !reading_; };
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&idle));
  }
  GrpcStep finished;
  call_->Finish(&status_, &finished);
  finished.Wait(absl::InfiniteDuration());
}

absl::Status FramePublisher::Connect() {
  call_ = link_.Call(context_, GrpcLink::Direction::kPublish, method_);
  GrpcStep opened;
  call_->StartCall(&opened);
  if (!opened.Wait(settings_.patience)) return absl::UnavailableError("no stream to publish on");
  if (protocol_ == Protocol::kEstiba) {
    {
      const absl::MutexLock lock(&mutex_);
      reading_ = true;
    }
    call_->Read(&answer_, &answered_);
  }
  return absl::OkStatus();
}

absl::Status FramePublisher::Publish(size_t topic, absl::Span<const std::string_view> payloads) {
  if (frame_messages_ > 0 && topic_ != topic && !Send()) return Flush();
  while (!payloads.empty()) {
    if (frame_messages_ == 0) Renew(topic, payloads.size());
    char* out = frame_ + frame_used_;
    const size_t n = std::min({payloads.size(), (frame_size_ - frame_used_) / record_bytes_,
                               most_messages_ - frame_messages_});
    for (const std::string_view payload : payloads.first(n)) {
      *out++ = static_cast<char>(wire::Tag(kMessages, wire::Type::kBytes));
      out = wire::WriteVarint(out, data_bytes_);
      out = wire::WriteBytesField(out, kData, payload);
    }
    frame_used_ = static_cast<size_t>(out - frame_);
    frame_messages_ += n;
    payloads.remove_prefix(n);
    const bool full =
        frame_size_ - frame_used_ < record_bytes_ || frame_messages_ == most_messages_;
    if ((full || settings_.prompt) && !Send()) return Flush();
  }
  return absl::OkStatus();
}

absl::Status FramePublisher::Flush() {
  if (frame_messages_ > 0) Send();
  const auto done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return broken_ || (!writing_ && unanswered_ == 0);
  };
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&done));
  return broken_ ? absl::UnavailableError("the stream to publish on broke, or a batch was refused")
                 : absl::OkStatus();
}

void FramePublisher::Renew(size_t topic, size_t messages) {
  size_t records = std::max<size_t>(1, frame_bytes_ / record_bytes_);
  records = std::min(records, most_messages_);
  if (settings_.prompt) records = std::min(records, messages);
  frame_size_ = records * record_bytes_;
  frame_used_ = 0;
  // A request without a topic is for that of the one before.
  const bool tell = protocol_ == Protocol::kEstiba && topic_ != topic;
  if (tell) frame_size_ += wire::BytesFieldSize(settings_.topics[topic].size());
  slice_ = grpc::Slice(frame_size_);
  frame_ = reinterpret_cast<char*>(const_cast<uint8_t*>(slice_.begin()));
  if (tell) {
    frame_used_ = static_cast<size_t>(
        wire::WriteBytesField(frame_, kTopic, settings_.topics[topic]) - frame_);
  }
  topic_ = topic;
}

bool FramePublisher::Send() {
  if (frame_used_ < frame_size_) slice_ = slice_.sub(0, frame_used_);
  const grpc::ByteBuffer frame(&slice_, 1);
  frame_messages_ = 0;
  const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return broken_ || (waiting_.size() < kMostWaitingFrames && waiting_bytes_ < kMostWaitingBytes &&
                       unanswered_ < kMostUnanswered);
  };
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&room));
  if (broken_) return false;
  if (protocol_ == Protocol::kEstiba) ++unanswered_;
  if (writing_) {
    waiting_bytes_ += frame.Length();
    waiting_.push_back(frame);
  } else {
    writing_ = true;
    call_->Write(frame, &written_);
  }
  return true;
}

void FramePublisher::OnWritten(bool ok) {
  const absl::MutexLock lock(&mutex_);
  broken_ = broken_ || !ok;
  if (broken_ || waiting_.empty()) {
    writing_ = false;
    return;
  }
  const grpc::ByteBuffer frame = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= frame.Length();
  grpc::WriteOptions options;
  // What more is there may share a system call with this.
  if (!waiting_.empty()) options.set_buffer_hint();
  call_->Write(frame, options, &written_);
}

void FramePublisher::OnAnswered(bool ok) {
  std::optional<size_t> results;
  grpc::Slice slice;
  if (ok && (answer_.TrySingleSlice(&slice).ok() || answer_.DumpToSingleSlice(&slice).ok())) {
    results = CountResults({reinterpret_cast<const char*>(slice.begin()), slice.size()});
  }
  const absl::MutexLock lock(&mutex_);
  broken_ = broken_ || !results || *results > unanswered_;
  if (results) unanswered_ -= std::min(unanswered_, *results);
  if (ok) {
    call_->Read(&answer_, &answered_);
  } else {
    reading_ = false;
  }
}

}  // namespace estiba::bench
