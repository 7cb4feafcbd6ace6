// Mosquitto, through libmosquitto: MQTT 3.1.1 with QoS 0, or, acked, QoS 1, with as many messages
// in flight as the protocol allows. Publishers drive their connection themselves, for then the
// library writes each message at once, where with a thread of its own it would wake that for each.
// The library has no batches. What a subscriber does not take in time is dropped, so publishers
// stay within a window.
#include <mosquitto.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

constexpr int kInFlight = 10'000;
constexpr int kKeepAliveSeconds = 60;

struct Deleter {
  void operator()(mosquitto* client) const { mosquitto_destroy(client); }
};
using ClientPtr = std::unique_ptr<mosquitto, Deleter>;

absl::Status FromMosquitto(int code, absl::string_view doing) {
  if (code == MOSQ_ERR_SUCCESS) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(doing, ": ", mosquitto_strerror(code)));
}

absl::Status ConnectTo(const std::string& server, void* self, ClientPtr& client) {
  const size_t colon = server.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError("the server is HOST:PORT");
  client.reset(mosquitto_new(nullptr, true, self));
  mosquitto_int_option(client.get(), MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(client.get(), MOSQ_OPT_SEND_MAXIMUM, kInFlight);
  mosquitto_int_option(client.get(), MOSQ_OPT_RECEIVE_MAXIMUM, kInFlight);
  return FromMosquitto(mosquitto_connect(client.get(), server.substr(0, colon).c_str(),
                                         std::atoi(server.c_str() + colon + 1), kKeepAliveSeconds),
                       absl::StrCat("connecting to ", server));
}

class MosquittoPublisher final : public PeerPublisher {
 public:
  explicit MosquittoPublisher(const PeerSettings& settings) : settings_(settings) {}

  absl::Status Connect() override {
    absl::Status status = ConnectTo(settings_.server, this, client_);
    if (!status.ok()) return status;
    mosquitto_connect_callback_set(client_.get(), [](mosquitto*, void* self, int) {
      static_cast<MosquittoPublisher*>(self)->connected_ = true;
    });
    // QoS 0: has been written. QoS 1: has been answered.
    mosquitto_publish_callback_set(client_.get(), [](mosquitto*, void* self, int) {
      --static_cast<MosquittoPublisher*>(self)->in_flight_;
    });
    const absl::Time deadline = absl::Now() + settings_.patience;
    while (status.ok() && !connected_) {
      if (absl::Now() > deadline) return absl::DeadlineExceededError("connecting");
      status = Drive(10);
    }
    return status;
  }

  absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) override {
    const char* name = settings_.topics[topic].c_str();
    absl::Status status;
    for (const std::string_view payload : payloads) {
      ++in_flight_;
      status = FromMosquitto(
          mosquitto_publish(client_.get(), nullptr, name, static_cast<int>(payload.size()),
                            payload.data(), settings_.acked ? 1 : 0, false),
          "publishing");
      // The socket is full, or enough is unanswered.
      while (status.ok() && (mosquitto_want_write(client_.get()) || in_flight_ >= kInFlight)) {
        status = Drive(10);
      }
      if (!status.ok()) return status;
    }
    return settings_.acked ? Drive(0) : status;
  }

  absl::Status Flush() override {
    const absl::Time deadline = absl::Now() + settings_.patience;
    absl::Status status;
    while (status.ok() && (mosquitto_want_write(client_.get()) || in_flight_ > 0)) {
      if (absl::Now() > deadline) return absl::DeadlineExceededError("waiting for answers");
      status = Drive(10);
    }
    return status;
  }

 private:
  absl::Status Drive(int milliseconds) {
    return FromMosquitto(mosquitto_loop(client_.get(), milliseconds, 1), "at work");
  }

  const PeerSettings& settings_;
  bool connected_ = false;
  int in_flight_ = 0;
  ClientPtr client_;
};

class MosquittoSubscriber final : public PeerSubscriber {
 public:
  MosquittoSubscriber(const PeerSettings& settings, std::vector<size_t> topics, Receiver& receiver)
      : settings_(settings), topics_(std::move(topics)), receiver_(receiver) {}
  ~MosquittoSubscriber() override { Stop(); }

  absl::Status Start() override {
    absl::Status status = ConnectTo(settings_.server, this, client_);
    if (!status.ok()) return status;
    mosquitto_message_callback_set(client_.get(), [](mosquitto*, void* self,
                                                     const mosquitto_message* message) {
      static_cast<MosquittoSubscriber*>(self)->receiver_.Receive(
          {static_cast<const char*>(message->payload), static_cast<size_t>(message->payloadlen)});
    });
    mosquitto_subscribe_callback_set(client_.get(),
                                     [](mosquitto*, void* self, int, int, const int*) {
                                       auto* me = static_cast<MosquittoSubscriber*>(self);
                                       if (++me->granted_ == me->topics_.size()) {
                                         me->subscribed_.Notify();
                                       }
                                     });
    for (const size_t topic : topics_) {
      status =
          FromMosquitto(mosquitto_subscribe(client_.get(), nullptr, settings_.topics[topic].c_str(),
                                            settings_.acked ? 1 : 0),
                        "subscribing");
      if (!status.ok()) return status;
    }
    status = FromMosquitto(mosquitto_loop_start(client_.get()), "starting");
    if (!status.ok()) return status;
    running_ = true;
    return subscribed_.WaitForNotificationWithTimeout(settings_.patience)
               ? absl::OkStatus()
               : absl::DeadlineExceededError("subscribing");
  }

  void Stop() override {
    if (!std::exchange(running_, false)) return;
    mosquitto_disconnect(client_.get());
    mosquitto_loop_stop(client_.get(), false);
  }

 private:
  const PeerSettings& settings_;
  const std::vector<size_t> topics_;
  Receiver& receiver_;
  ClientPtr client_;
  size_t granted_ = 0;
  absl::Notification subscribed_;
  bool running_ = false;
};

class MosquittoPeer final : public Peer {
 public:
  explicit MosquittoPeer(const PeerSettings& settings) : settings_(settings) {
    mosquitto_lib_init();
  }
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<MosquittoPublisher>(settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    return std::make_unique<MosquittoSubscriber>(settings_, std::move(topics), receiver);
  }
  uint64_t window() const override { return 65'536; }

 private:
  const PeerSettings settings_;
};

}  // namespace

std::unique_ptr<Peer> MakeMosquittoPeer(const PeerSettings& settings) {
  return std::make_unique<MosquittoPeer>(settings);
}

}  // namespace estiba::bench
