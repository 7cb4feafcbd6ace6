// Estiba, through the C++ client with its defaults: one Client for everybody, a Publisher for each
// publisher and topic, a private subscription for each subscriber; acked, a named one with explicit
// acks, whole frames acked at once. The publisher's answers always come.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "estiba/admin.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

class EstibaPublisher final : public PeerPublisher {
 public:
  EstibaPublisher(const Client& client, const PeerSettings& settings)
      : client_(client), settings_(settings), publishers_(settings.topics.size()) {}

  absl::Status Connect() override { return client_.WaitReady(absl::Now() + settings_.patience); }

  absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) override {
    std::unique_ptr<Publisher>& publisher = publishers_[topic];
    if (publisher == nullptr) {
      PublisherOptions options;
      if (settings_.batch) options.max_batch_messages = *settings_.batch;
      if (settings_.batch_bytes > 0) options.max_batch_bytes = settings_.batch_bytes;
      publisher = std::make_unique<Publisher>(client_, settings_.topics[topic], options);
    }
    return publisher->PostBatch(payloads);
  }

  absl::Status Flush() override {
    absl::Status status;
    for (const auto& publisher : publishers_) {
      if (publisher != nullptr) status.Update(publisher->Flush());
    }
    return status;
  }

 private:
  const Client& client_;
  const PeerSettings& settings_;
  // By topic, made when first used.
  std::vector<std::unique_ptr<Publisher>> publishers_;
};

class EstibaSubscriber final : public PeerSubscriber {
 public:
  EstibaSubscriber(const Client& client, const PeerSettings& settings,
                   const std::vector<size_t>& topics, Receiver& receiver)
      : settings_(settings), receiver_(receiver) {
    for (const size_t topic : topics) {
      SubscriberOptions options;
      options.topic = settings.topics[topic];
      if (settings.acked) {
        options.subscription = absl::StrCat(options.topic, ".acked");
        options.ack_mode = AckMode::kExplicit;
        // As far as the other peers may be ahead, or more.
        options.credit.max_messages = 1'000'000;
      }
      options.on_started = [this](const Started&) {
        const absl::MutexLock lock(&mutex_);
        ++started_;
      };
      subscribers_.push_back(std::make_unique<Subscriber>(client, std::move(options)));
    }
  }

  absl::Status Start() override {
    for (const auto& subscriber : subscribers_) {
      const absl::Status status = subscriber->StartFrames(
          [this, &subscriber](const Frame& frame) { OnFrame(*subscriber, frame); });
      if (!status.ok()) return status;
    }
    const auto all = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return started_ == subscribers_.size();
    };
    const absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&all), settings_.patience)
               ? absl::OkStatus()
               : absl::DeadlineExceededError("subscribing");
  }

  void Stop() override {
    for (const auto& subscriber : subscribers_) subscriber->Stop();
  }

 private:
  void OnFrame(Subscriber& subscriber, const Frame& frame) {
    receiver_.Begin();
    for (const MessageView& message : frame.messages) receiver_.Check(message.data());
    if (settings_.acked) subscriber.AckFrame(frame);
    receiver_.End();
  }

  const PeerSettings& settings_;
  Receiver& receiver_;
  absl::Mutex mutex_;
  size_t started_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
};

class EstibaPeer final : public Peer {
 public:
  explicit EstibaPeer(const PeerSettings& settings)
      : settings_(settings),
        client_({.target = settings.server, .client_name = "bench"}),
        admin_(client_) {}

  // Publishers wait when memory is full: a benchmark is to measure, not to fail.
  absl::Status Prepare() override {
    for (const std::string& topic : settings_.topics) {
      const absl::Status made =
          admin_.CreateTopic(topic, {.full_policy = FullPolicy::kBlock}).status();
      if (!made.ok()) return made;
    }
    return absl::OkStatus();
  }
  void CleanUp() override {
    for (const std::string& topic : settings_.topics) admin_.DeleteTopic(topic).IgnoreError();
  }
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<EstibaPublisher>(client_, settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    return std::make_unique<EstibaSubscriber>(client_, settings_, topics, receiver);
  }

 private:
  const PeerSettings settings_;
  const Client client_;
  Admin admin_;
};

}  // namespace

std::unique_ptr<Peer> MakeEstibaPeer(const PeerSettings& settings) {
  return std::make_unique<EstibaPeer>(settings);
}

}  // namespace estiba::bench
