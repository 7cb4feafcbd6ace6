// Estiba, through the C++ client with its defaults: one Client for everybody, a Publisher for each
// publisher and topic, and for each subscriber a private subscription, over a pattern if it has
// several topics; acked, a named one with explicit acks, whole frames acked at once. The
// publisher's answers always come.
//
// "estiba-stream" publishes without the client, on one bare Publish stream for all topics of a
// publisher, as the protocol allows and a Publisher, which has a stream for its one topic, does
// not.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "estiba/admin.h"
#include "estiba/client.h"
#include "estiba/publisher.h"
#include "estiba/subscriber.h"
#include "tests/bench/peers/frame_publisher.h"
#include "tests/bench/peers/grpc_link.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

enum class Manner { kDefault, kBareStream };

ClientOptions OptionsOf(const PeerSettings& settings) {
  ClientOptions options;
  options.target = settings.server;
  options.client_name = "bench";
  return options;
}

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
    SubscriberOptions options;
    options.topic = settings.topics[topics.front()];
    if (topics.size() > 1) {
      options.topic = absl::StrCat(options.topic.substr(0, options.topic.rfind('.')), ".*");
    }
    if (settings.acked) {
      options.subscription = absl::StrCat(settings.topics[topics.front()], ".acked");
      options.ack_mode = AckMode::kExplicit;
      // As far as the other peers may be ahead, or more.
      options.credit.max_messages = 1'000'000;
    }
    options.on_started = [this](const Started&) {
      if (!started_.HasBeenNotified()) started_.Notify();
    };
    subscriber_ = std::make_unique<Subscriber>(client, std::move(options));
  }

  absl::Status Start() override {
    const absl::Status status =
        subscriber_->StartFrames([this](const Frame& frame) { OnFrame(frame); });
    if (!status.ok()) return status;
    return started_.WaitForNotificationWithTimeout(settings_.patience)
               ? absl::OkStatus()
               : absl::DeadlineExceededError("subscribing");
  }

  void Stop() override { subscriber_->Stop(); }

 private:
  void OnFrame(const Frame& frame) {
    receiver_.Begin();
    for (const MessageView& message : frame.messages) receiver_.Check(message.data());
    if (settings_.acked) subscriber_->AckFrame(frame);
    receiver_.End();
  }

  const PeerSettings& settings_;
  Receiver& receiver_;
  absl::Notification started_;
  std::unique_ptr<Subscriber> subscriber_;
};

// Streams that stand and have nothing to do: subscribers of a topic that nobody publishes to.
class IdleStreams {
 public:
  IdleStreams(const Client& client, const std::string& topic, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      SubscriberOptions options;
      options.topic = topic;
      options.on_started = [this](const Started&) {
        const absl::MutexLock lock(&mutex_);
        ++started_;
      };
      subscribers_.push_back(std::make_unique<Subscriber>(client, std::move(options)));
    }
  }
  absl::Status Start(absl::Duration patience) {
    for (const auto& subscriber : subscribers_) {
      if (absl::Status status = subscriber->StartFrames([](const Frame&) {}); !status.ok()) {
        return status;
      }
    }
    const auto all = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return started_ == subscribers_.size();
    };
    const absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&all), patience)
               ? absl::OkStatus()
               : absl::DeadlineExceededError("opening idle streams");
  }

 private:
  absl::Mutex mutex_;
  size_t started_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
};

class EstibaPeer final : public Peer {
 public:
  EstibaPeer(const PeerSettings& settings, Manner manner)
      : settings_(settings), client_(OptionsOf(settings)), admin_(client_) {
    if (manner == Manner::kBareStream) link_ = std::make_unique<GrpcLink>(settings.server);
  }

  // Publishers wait when memory is full: a benchmark is to measure, not to fail.
  absl::Status Prepare() override {
    absl::Status status;
    for (const std::string& topic : settings_.topics) {
      if (status.ok()) status = MakeTopic(topic);
    }
    const uint64_t beside = settings_.idle_subscriptions;
    for (uint64_t i = 0; i < beside + settings_.idle_subscriptions_here && status.ok(); ++i) {
      // A hundred to a topic, or all to the one that is measured.
      std::string topic = settings_.topics.front();
      if (i < beside) {
        topic = absl::StrCat("idle.", i / kIdlePerTopic);
        if (i % kIdlePerTopic == 0) status = MakeTopic(idle_topics_.emplace_back(topic));
      }
      if (!status.ok()) break;
      status = admin_.CreateSubscription(absl::StrCat("bench-idle-", i), topic).status();
    }
    if (settings_.idle_streams == 0 || !status.ok()) return status;
    status = MakeTopic(idle_topics_.emplace_back("idle.streams"));
    idle_streams_ = std::make_unique<IdleStreams>(client_, "idle.streams", settings_.idle_streams);
    if (status.ok()) status = idle_streams_->Start(settings_.patience);
    return status;
  }
  void CleanUp() override {
    idle_streams_.reset();
    for (const std::string& topic : settings_.topics) admin_.DeleteTopic(topic).IgnoreError();
    for (const std::string& topic : idle_topics_) admin_.DeleteTopic(topic).IgnoreError();
  }
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    if (link_ == nullptr) return std::make_unique<EstibaPublisher>(client_, settings_);
    return std::make_unique<FramePublisher>(*link_, settings_, "/estiba.v1.Broker/Publish",
                                            FramePublisher::Protocol::kEstiba);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    return std::make_unique<EstibaSubscriber>(client_, settings_, topics, receiver);
  }

 private:
  static constexpr uint64_t kIdlePerTopic = 100;

  absl::Status MakeTopic(const std::string& topic) {
    return admin_.CreateTopic(topic, {.full_policy = FullPolicy::kBlock}).status();
  }

  const PeerSettings settings_;
  const Client client_;
  Admin admin_;
  std::unique_ptr<GrpcLink> link_;
  std::unique_ptr<IdleStreams> idle_streams_;
  std::vector<std::string> idle_topics_;
};

}  // namespace

std::unique_ptr<Peer> MakeEstibaPeer(const PeerSettings& settings) {
  return std::make_unique<EstibaPeer>(settings, Manner::kDefault);
}

std::unique_ptr<Peer> MakeEstibaStreamPeer(const PeerSettings& settings) {
  return std::make_unique<EstibaPeer>(settings, Manner::kBareStream);
}

}  // namespace estiba::bench
