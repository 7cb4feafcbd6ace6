// The relay of ours (tests/bench/relay.cc), through gRPC's generic API and nothing else: encoded
// messages are gathered in frames of a given size, straight in the memory that gRPC sends, and
// taken apart again by the same checks that Estiba's messages pass. No answers, no topics, no
// bookkeeping: the ceiling for the same frames.
//
// As in Estiba's client there is one connection for each direction, and one thread that completes
// all that is under way.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "client/src/wire.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

namespace wire = internal::wire;

// As Estiba's client: a batch is full at this size.
constexpr size_t kFrameBytes = 64 << 10;
// Frames that a publisher may have waiting to be written.
constexpr size_t kMostWaitingBytes = size_t{1} << 20;
constexpr size_t kMostWaitingFrames = 1024;
// Fields of estiba.v1: PublishRequest.messages and SubscribeResponse.messages, and Message.data.
constexpr uint32_t kMessages = 2;
constexpr uint32_t kData = 1;

struct Tag {
  virtual void Done(bool ok) = 0;

 protected:
  ~Tag() = default;
};

class Link {
 public:
  explicit Link(const std::string& server)
      : publish_(Open(server)), subscribe_(Open(server)), thread_([this] { Serve(); }) {}
  ~Link() {
    queue_.Shutdown();
    thread_.join();
  }
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> Call(grpc::ClientContext& context,
                                                             bool subscribe) {
    grpc::GenericStub& stub = subscribe ? subscribe_ : publish_;
    return stub.PrepareCall(&context, subscribe ? "/relay/Subscribe" : "/relay/Publish", &queue_);
  }

 private:
  static std::shared_ptr<grpc::Channel> Open(const std::string& server) {
    grpc::ChannelArguments arguments;
    // As Estiba's client; the defaults are slower here.
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
    arguments.SetInt(GRPC_ARG_TCP_READ_CHUNK_SIZE, 256 << 10);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
  }
  void Serve() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) static_cast<Tag*>(tag)->Done(ok);
  }

  grpc::GenericStub publish_;
  grpc::GenericStub subscribe_;
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

// A step that its owner waits for.
class Step final : public Tag {
 public:
  void Done(bool ok) override {
    ok_ = ok;
    done_.Notify();
  }
  bool Wait(absl::Duration timeout) { return done_.WaitForNotificationWithTimeout(timeout) && ok_; }

 private:
  bool ok_ = false;
  absl::Notification done_;
};

class RelayPublisher final : public PeerPublisher, private Tag {
 public:
  RelayPublisher(Link& link, const PeerSettings& settings)
      : link_(link),
        settings_(settings),
        frame_bytes_(settings.batch_bytes > 0 ? settings.batch_bytes : kFrameBytes),
        most_messages_(settings.batch.value_or(std::numeric_limits<size_t>::max())),
        data_bytes_(wire::BytesFieldSize(settings.size)),
        record_bytes_(wire::BytesFieldSize(data_bytes_)) {}

  ~RelayPublisher() override {
    if (call_ == nullptr) return;
    Step finished;
    call_->Finish(&status_, &finished);
    context_.TryCancel();
    finished.Wait(absl::InfiniteDuration());
  }

  absl::Status Connect() override {
    call_ = link_.Call(context_, false);
    Step opened;
    call_->StartCall(&opened);
    return opened.Wait(settings_.patience) ? absl::OkStatus()
                                           : absl::UnavailableError("no stream to the relay");
  }

  absl::Status Publish(size_t, absl::Span<const std::string_view> payloads) override {
    while (!payloads.empty()) {
      if (frame_used_ == 0) Renew(payloads.size());
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
      if (full || settings_.prompt) {
        if (!Send()) return absl::UnavailableError("the relay's stream broke");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Flush() override {
    if (frame_used_ > 0) Send();
    const auto done = [this]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !writing_ || broken_; };
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&done));
    return broken_ ? absl::UnavailableError("the relay's stream broke") : absl::OkStatus();
  }

 private:
  void Renew(size_t messages) {
    size_t records = std::max<size_t>(1, frame_bytes_ / record_bytes_);
    records = std::min(records, most_messages_);
    if (settings_.prompt) records = std::min(records, messages);
    frame_size_ = records * record_bytes_;
    slice_ = grpc::Slice(frame_size_);
    frame_ = reinterpret_cast<char*>(const_cast<uint8_t*>(slice_.begin()));
  }

  // Hands the frame over; waits while many wait to be written.
  bool Send() {
    if (frame_used_ < frame_size_) slice_ = slice_.sub(0, frame_used_);
    const grpc::ByteBuffer frame(&slice_, 1);
    frame_used_ = frame_messages_ = 0;
    const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return broken_ ||
             (waiting_.size() < kMostWaitingFrames && waiting_bytes_ < kMostWaitingBytes);
    };
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&room));
    if (broken_) return false;
    if (writing_) {
      waiting_bytes_ += frame.Length();
      waiting_.push_back(frame);
    } else {
      writing_ = true;
      call_->Write(frame, static_cast<Tag*>(this));
    }
    return true;
  }

  void Done(bool ok) override {
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
    call_->Write(frame, options, static_cast<Tag*>(this));
  }

  Link& link_;
  const PeerSettings& settings_;
  const size_t frame_bytes_;
  const size_t most_messages_;
  const size_t data_bytes_;
  const size_t record_bytes_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Status status_;
  // The frame that is being filled.
  grpc::Slice slice_;
  char* frame_ = nullptr;
  size_t frame_size_ = 0;
  size_t frame_used_ = 0;
  size_t frame_messages_ = 0;

  absl::Mutex mutex_;
  std::deque<grpc::ByteBuffer> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

class RelaySubscriber final : public PeerSubscriber, private Tag {
 public:
  RelaySubscriber(Link& link, const PeerSettings& settings, Receiver& receiver)
      : link_(link), settings_(settings), receiver_(receiver) {}
  ~RelaySubscriber() override { Stop(); }

  absl::Status Start() override {
    call_ = link_.Call(context_, true);
    Step opened;
    call_->StartCall(&opened);
    if (!opened.Wait(settings_.patience)) return absl::UnavailableError("no stream to the relay");
    // Comes when the relay has this stream on its list.
    Step greeted;
    call_->ReadInitialMetadata(&greeted);
    if (!greeted.Wait(settings_.patience)) return absl::UnavailableError("no word of the relay");
    call_->Read(&frame_, static_cast<Tag*>(this));
    return absl::OkStatus();
  }

  void Stop() override {
    if (call_ == nullptr) return;
    context_.TryCancel();
    ended_.WaitForNotification();
    Step finished;
    call_->Finish(&final_, &finished);
    finished.Wait(absl::InfiniteDuration());
    call_.reset();
  }

 private:
  void Done(bool ok) override {
    if (!ok) {
      ended_.Notify();
      return;
    }
    grpc::Slice slice;
    if (!frame_.TrySingleSlice(&slice).ok()) frame_.DumpToSingleSlice(&slice);
    receiver_.Begin();
    wire::Reader messages({reinterpret_cast<const char*>(slice.begin()), slice.size()});
    while (messages.Next()) {
      wire::Reader fields(messages.bytes());
      while (fields.Next()) {
        if (fields.tag() == wire::Tag(kData, wire::Type::kBytes)) receiver_.Check(fields.bytes());
      }
    }
    // Publishes the next message, where they go one at a time: that comes before the window update
    // that gRPC sends for a read.
    receiver_.End();
    call_->Read(&frame_, static_cast<Tag*>(this));
  }

  Link& link_;
  const PeerSettings& settings_;
  Receiver& receiver_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer frame_;
  grpc::Status final_;
  absl::Notification ended_;
};

class RelayPeer final : public Peer {
 public:
  explicit RelayPeer(const PeerSettings& settings) : settings_(settings), link_(settings.server) {}
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<RelayPublisher>(link_, settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t>, Receiver& receiver) override {
    return std::make_unique<RelaySubscriber>(link_, settings_, receiver);
  }

 private:
  const PeerSettings settings_;
  Link link_;
};

}  // namespace

std::unique_ptr<Peer> MakeRelayPeer(const PeerSettings& settings) {
  return std::make_unique<RelayPeer>(settings);
}

}  // namespace estiba::bench
