// NATS core, through its C client. In batches the library gathers messages in its own buffer (its
// default, meant for throughput); where latency counts it writes each at once
// (natsOptions_SetSendAsap, which its manual recommends over a flush). Each publisher and each
// subscriber has a connection. NATS keeps nothing and drops what a receiver cannot take, so
// publishers stay within the library's own limit of pending messages.
#include <nats/nats.h>

#include <string>

#include "tests/bench/peers/nats_connection.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

class NatsPublisher final : public PeerPublisher {
 public:
  explicit NatsPublisher(const PeerSettings& settings) : settings_(settings) {}

  absl::Status Connect() override {
    return ConnectToNats(settings_.server, settings_.prompt, connection_);
  }
  absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) override {
    const char* subject = settings_.topics[topic].c_str();
    for (const std::string_view payload : payloads) {
      const natsStatus status = natsConnection_Publish(connection_.get(), subject, payload.data(),
                                                       static_cast<int>(payload.size()));
      if (status != NATS_OK) return FromNats(status, "publishing");
    }
    return absl::OkStatus();
  }
  absl::Status Flush() override { return FlushNats(*connection_, settings_.patience); }

 private:
  const PeerSettings& settings_;
  NatsConnectionPtr connection_;
};

class NatsSubscriber final : public PeerSubscriber {
 public:
  NatsSubscriber(const PeerSettings& settings, std::vector<size_t> topics, Receiver& receiver)
      : settings_(settings), topics_(std::move(topics)), receiver_(receiver) {}
  ~NatsSubscriber() override { Stop(); }

  absl::Status Start() override {
    absl::Status status = ConnectToNats(settings_.server, false, connection_);
    if (!status.ok()) return status;
    // One subscription for all, as each has a thread of its own.
    const std::string& first = settings_.topics[topics_.front()];
    const std::string subject =
        topics_.size() == 1 ? first : first.substr(0, first.rfind('.')) + ".*";
    natsSubscription* subscription = nullptr;
    status = FromNats(natsConnection_Subscribe(&subscription, connection_.get(), subject.c_str(),
                                               &OnMessage, this),
                      "subscribing");
    if (!status.ok()) return status;
    subscription_.reset(subscription);
    // Without limits the library drops nothing; the publishers' window bounds what is pending.
    status = FromNats(natsSubscription_SetPendingLimits(subscription, -1, -1), "raising limits");
    if (!status.ok()) return status;
    return FlushNats(*connection_, settings_.patience);
  }

  void Stop() override {
    // Closing joins the thread that delivers.
    if (connection_ != nullptr) natsConnection_Close(connection_.get());
    subscription_.reset();
    connection_.reset();
  }

 private:
  static void OnMessage(natsConnection*, natsSubscription*, natsMsg* message, void* self) {
    static_cast<NatsSubscriber*>(self)->receiver_.Receive(
        {natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message))});
    natsMsg_Destroy(message);
  }

  const PeerSettings& settings_;
  const std::vector<size_t> topics_;
  Receiver& receiver_;
  NatsConnectionPtr connection_;
  NatsSubscriptionPtr subscription_;
};

class NatsPeer final : public Peer {
 public:
  explicit NatsPeer(const PeerSettings& settings) : settings_(settings) {}
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<NatsPublisher>(settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    return std::make_unique<NatsSubscriber>(settings_, std::move(topics), receiver);
  }
  uint64_t window() const override { return 65'536; }

 private:
  const PeerSettings settings_;
};

}  // namespace

std::unique_ptr<Peer> MakeNatsPeer(const PeerSettings& settings) {
  return std::make_unique<NatsPeer>(settings);
}

}  // namespace estiba::bench
