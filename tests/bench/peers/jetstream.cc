// NATS JetStream, through its C client, as its manual recommends: a stream in memory, published to
// asynchronously with a window of answers to come; for each subscriber a durable pull consumer,
// which fetches batches and acks each message explicitly, without waiting for that.
#include <nats/nats.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/bench/peers/nats_connection.h"
#include "tests/bench/peers/peers.h"

namespace estiba::bench {
namespace {

// Answers that may be missing, messages in a fetch, and messages that may be unacked: larger ones
// were no faster.
constexpr int64_t kMaxPending = 16'384;
constexpr int kFetch = 1'000;
constexpr int64_t kMaxAckPending = 100'000;
constexpr int64_t kFetchMilliseconds = 200;

absl::Status Context(const PeerSettings& settings, natsConnection* connection,
                     std::atomic<uint64_t>* refused, JetStreamContextPtr& context) {
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = absl::ToInt64Milliseconds(settings.patience);
  options.PublishAsync.MaxPending = kMaxPending;
  // For a window that stays full, or an answer that stays away.
  options.PublishAsync.StallWait = absl::ToInt64Milliseconds(settings.patience);
  if (refused != nullptr) {
    options.PublishAsync.ErrHandler = [](jsCtx*, jsPubAckErr*, void* count) {
      static_cast<std::atomic<uint64_t>*>(count)->fetch_add(1);
    };
    options.PublishAsync.ErrHandlerClosure = refused;
  }
  jsCtx* made = nullptr;
  const natsStatus status = natsConnection_JetStream(&made, connection, &options);
  context.reset(made);
  return FromNats(status, "opening JetStream");
}

class JetStreamPublisher final : public PeerPublisher {
 public:
  explicit JetStreamPublisher(const PeerSettings& settings) : settings_(settings) {}

  absl::Status Connect() override {
    const absl::Status status = ConnectToNats(settings_.server, settings_.prompt, connection_);
    return status.ok() ? Context(settings_, connection_.get(), &refused_, context_) : status;
  }
  absl::Status Publish(size_t topic, absl::Span<const std::string_view> payloads) override {
    const char* subject = settings_.topics[topic].c_str();
    for (const std::string_view payload : payloads) {
      const natsStatus status = js_PublishAsync(context_.get(), subject, payload.data(),
                                                static_cast<int>(payload.size()), nullptr);
      if (status != NATS_OK) return FromNats(status, "publishing");
    }
    return absl::OkStatus();
  }
  absl::Status Flush() override {
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = absl::ToInt64Milliseconds(settings_.patience);
    const natsStatus status = js_PublishAsyncComplete(context_.get(), &options);
    if (status != NATS_OK) return FromNats(status, "waiting for answers");
    return refused_ == 0 ? absl::OkStatus() : absl::UnavailableError("publishes were refused");
  }

 private:
  const PeerSettings& settings_;
  std::atomic<uint64_t> refused_ = 0;
  NatsConnectionPtr connection_;
  JetStreamContextPtr context_;
};

class JetStreamSubscriber final : public PeerSubscriber {
 public:
  JetStreamSubscriber(const PeerSettings& settings, const std::string& stream, std::string durable,
                      absl::Status made, Receiver& receiver)
      : settings_(settings),
        stream_(stream),
        durable_(std::move(durable)),
        made_(std::move(made)),
        receiver_(receiver) {}
  ~JetStreamSubscriber() override { Stop(); }

  absl::Status Start() override {
    if (!made_.ok()) return made_;
    absl::Status status = ConnectToNats(settings_.server, settings_.prompt, connection_);
    if (status.ok()) status = Context(settings_, connection_.get(), nullptr, context_);
    if (!status.ok()) return status;
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = stream_.c_str();
    options.Consumer = durable_.c_str();
    natsSubscription* made = nullptr;
    status = FromNats(js_PullSubscribe(&made, context_.get(), nullptr, durable_.c_str(), nullptr,
                                       &options, nullptr),
                      "subscribing");
    subscription_.reset(made);
    if (!status.ok()) return status;
    thread_ = std::thread([this] { Fetch(); });
    return absl::OkStatus();
  }

  void Stop() override {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
    // The last acks.
    if (connection_ != nullptr) FlushNats(*connection_, settings_.patience).IgnoreError();
    subscription_.reset();
    context_.reset();
    connection_.reset();
  }

 private:
  void Fetch() {
    while (!stopped_) {
      natsMsgList list = {};
      const natsStatus status =
          natsSubscription_Fetch(&list, subscription_.get(), kFetch, kFetchMilliseconds, nullptr);
      if (status != NATS_OK && status != NATS_TIMEOUT) return;
      if (list.Count > 0) {
        receiver_.Begin();
        for (int i = 0; i < list.Count; ++i) {
          receiver_.Check({natsMsg_GetData(list.Msgs[i]),
                           static_cast<size_t>(natsMsg_GetDataLength(list.Msgs[i]))});
          natsMsg_Ack(list.Msgs[i], nullptr);
        }
        receiver_.End();
      }
      natsMsgList_Destroy(&list);
    }
  }

  const PeerSettings& settings_;
  const std::string& stream_;
  const std::string durable_;
  const absl::Status made_;
  Receiver& receiver_;
  NatsConnectionPtr connection_;
  JetStreamContextPtr context_;
  NatsSubscriptionPtr subscription_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

class JetStreamPeer final : public Peer {
 public:
  explicit JetStreamPeer(const PeerSettings& settings)
      : settings_(settings), stream_(absl::StrReplaceAll(settings.topics.front(), {{".", "-"}})) {}

  absl::Status Prepare() override {
    absl::Status status = ConnectToNats(settings_.server, false, connection_);
    if (status.ok()) status = Context(settings_, connection_.get(), nullptr, context_);
    if (!status.ok()) return status;
    std::vector<const char*> subjects;
    for (const std::string& topic : settings_.topics) subjects.push_back(topic.c_str());
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = stream_.c_str();
    config.Subjects = subjects.data();
    config.SubjectsLen = static_cast<int>(subjects.size());
    config.Storage = js_MemoryStorage;
    return FromNats(js_AddStream(nullptr, context_.get(), &config, nullptr, nullptr),
                    "adding a stream");
  }
  void CleanUp() override {
    if (context_ != nullptr) js_DeleteStream(context_.get(), stream_.c_str(), nullptr, nullptr);
  }
  std::unique_ptr<PeerPublisher> MakePublisher() override {
    return std::make_unique<JetStreamPublisher>(settings_);
  }
  std::unique_ptr<PeerSubscriber> MakeSubscriber(std::vector<size_t> topics,
                                                 Receiver& receiver) override {
    // Before anything is published: on a long stream the server takes its time.
    const std::string durable = absl::StrCat("c", ++consumers_);
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Durable = durable.c_str();
    config.AckPolicy = js_AckExplicit;
    config.MaxAckPending = kMaxAckPending;
    const std::string& first = settings_.topics[topics.front()];
    const std::string subjects = absl::StrCat(first.substr(0, first.rfind('.')), ".*");
    if (topics.size() < settings_.topics.size()) {
      config.FilterSubject = topics.size() == 1 ? first.c_str() : subjects.c_str();
    }
    const natsStatus made =
        js_AddConsumer(nullptr, context_.get(), stream_.c_str(), &config, nullptr, nullptr);
    return std::make_unique<JetStreamSubscriber>(settings_, stream_, durable,
                                                 FromNats(made, "adding a consumer"), receiver);
  }

 private:
  const PeerSettings settings_;
  const std::string stream_;
  NatsConnectionPtr connection_;
  JetStreamContextPtr context_;
  int consumers_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakeJetStreamPeer(const PeerSettings& settings) {
  return std::make_unique<JetStreamPeer>(settings);
}

}  // namespace estiba::bench
