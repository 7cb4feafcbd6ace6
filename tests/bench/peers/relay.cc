// The relay of ours (tests/bench/relay.cc), through gRPC's generic API and nothing else: encoded
// messages are gathered in frames of a given size, straight in the memory that gRPC sends, and
// taken apart again by the same checks that Estiba's messages pass. No answers, no topics, no
// bookkeeping: the ceiling for the same frames.
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "client/src/wire.h"
#include "tests/bench/peers/frame_publisher.h"
#include "tests/bench/peers/grpc_link.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

namespace wire = internal::wire;

// Fields of estiba.v1: SubscribeResponse.messages, and Message.data.
constexpr uint32_t kMessages = 2;
constexpr uint32_t kData = 1;

class RelaySubscriber final : public PeerSubscriber, private GrpcTag {
 public:
  RelaySubscriber(GrpcLink& link, const PeerSettings& settings, Receiver& receiver)
      : link_(link), settings_(settings), receiver_(receiver) {}
  ~RelaySubscriber() override { Stop(); }

  absl::Status Start() override {
    call_ = link_.Call(context_, GrpcLink::Direction::kSubscribe, "/relay/Subscribe");
    GrpcStep opened;
    call_->StartCall(&opened);
    if (!opened.Wait(settings_.patience)) return absl::UnavailableError("no stream to the relay");
    // Comes when the relay has this stream on its list.
    GrpcStep greeted;
    call_->ReadInitialMetadata(&greeted);
    if (!greeted.Wait(settings_.patience)) return absl::UnavailableError("no word of the relay");
    call_->Read(&frame_, static_cast<GrpcTag*>(this));
    return absl::OkStatus();
  }

  void Stop() override {
    if (call_ == nullptr) return;
    context_.TryCancel();
    ended_.WaitForNotification();
    GrpcStep finished;
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
      if (messages.tag() != wire::Tag(kMessages, wire::Type::kBytes)) continue;
      wire::Reader fields(messages.bytes());
      while (fields.Next()) {
        if (fields.tag() == wire::Tag(kData, wire::Type::kBytes)) receiver_.Check(fields.bytes());
      }
    }
    // Publishes the next message, where they go one at a time: that comes before the window update
    // that gRPC sends for a read.
    receiver_.End();
    call_->Read(&frame_, static_cast<GrpcTag*>(this));
  }

  GrpcLink& link_;
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
    return std::make_unique<FramePublisher>(link_, settings_, "/relay/Publish");
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t>, Receiver& receiver) override {
    return std::make_unique<RelaySubscriber>(link_, settings_, receiver);
  }

 private:
  const PeerSettings settings_;
  GrpcLink link_;
};

}  // namespace

std::unique_ptr<Peer> MakeRelayPeer(const PeerSettings& settings) {
  return std::make_unique<RelayPeer>(settings);
}

}  // namespace estiba::bench
