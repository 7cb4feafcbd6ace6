#include "tests/bench/nats_peer.h"

#include <nats/nats.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "client/cli/bench_payload.h"

namespace estiba::bench {
namespace {

absl::Status FromNats(natsStatus status, absl::string_view doing) {
  if (status == NATS_OK) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(doing, ": ", natsStatus_GetText(status)));
}

absl::Status ConnectTo(const std::string& url, bool send_asap, NatsConnectionPtr& connection) {
  natsOptions* options = nullptr;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, url.c_str());
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, send_asap);
  // A connection that breaks has lost messages: better to see it.
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  natsConnection* made = nullptr;
  if (status == NATS_OK) status = natsConnection_Connect(&made, options);
  natsOptions_Destroy(options);
  connection.reset(made);
  return FromNats(status, absl::StrCat("connecting to ", url));
}

}  // namespace

void NatsConnectionDeleter::operator()(__natsConnection* connection) const {
  natsConnection_Destroy(connection);
}

absl::Status NatsPublisher::Connect(const std::string& url, bool send_asap) {
  return ConnectTo(url, send_asap, connection_);
}

absl::Status NatsPublisher::Publish(const std::string& subject, std::string_view payload) {
  const natsStatus status = natsConnection_Publish(
      connection_.get(), subject.c_str(), payload.data(), static_cast<int>(payload.size()));
  return status == NATS_OK ? absl::OkStatus() : FromNats(status, "publishing");
}

absl::Status NatsPublisher::Flush(absl::Duration timeout) {
  return FromNats(
      natsConnection_FlushTimeout(connection_.get(), absl::ToInt64Milliseconds(timeout)),
      "flushing");
}

NatsSubscriber::NatsSubscriber(const Options& options)
    : options_(options),
      filling_(cli::MakeBenchPayload(options.size)),
      verify_(options.size >= cli::kBenchHeaderBytes) {}

NatsSubscriber::~NatsSubscriber() { Stop(); }

absl::Status NatsSubscriber::Start(absl::Duration timeout) {
  absl::Status status = ConnectTo(options_.url, false, connection_);
  if (!status.ok()) return status;
  status = FromNats(natsConnection_Subscribe(&subscription_, connection_.get(),
                                             options_.subject.c_str(), &OnMessage, this),
                    "subscribing");
  // Without limits the library drops nothing; the publisher's window bounds what is pending.
  if (status.ok()) {
    status = FromNats(natsSubscription_SetPendingLimits(subscription_, -1, -1), "raising limits");
  }
  if (!status.ok()) return status;
  return FromNats(
      natsConnection_FlushTimeout(connection_.get(), absl::ToInt64Milliseconds(timeout)),
      "flushing");
}

void NatsSubscriber::Stop() {
  // Closing joins the thread that delivers.
  if (connection_ != nullptr) natsConnection_Close(connection_.get());
  natsSubscription_Destroy(subscription_);
  subscription_ = nullptr;
  connection_.reset();
}

void NatsSubscriber::OnMessage(__natsConnection*, __natsSubscription*, __natsMsg* message,
                               void* self) {
  static_cast<NatsSubscriber*>(self)->Receive(
      {natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message))});
  natsMsg_Destroy(message);
}

void NatsSubscriber::Receive(std::string_view payload) {
  uint64_t number = received_.load(std::memory_order_relaxed);
  int64_t sent_ns = 0;
  if (verify_) {
    if (payload.size() != filling_.size() ||
        std::memcmp(payload.data() + cli::kBenchHeaderBytes,
                    filling_.data() + cli::kBenchHeaderBytes,
                    payload.size() - cli::kBenchHeaderBytes) != 0) {
      ++changed_;
    } else {
      const cli::BenchHeader header = cli::ReadHeader(payload);
      tracker_.Receive(header.number);
      number = header.number;
      sent_ns = header.sent_ns;
    }
  }
  const uint64_t received = received_.load(std::memory_order_relaxed) + 1;
  const bool last = received >= wanted_.load(std::memory_order_relaxed);
  if (last || (number & (options_.clock_every - 1)) == 0) {
    const int64_t now = cli::SteadyNanoseconds();
    last_ns_.store(now, std::memory_order_release);
    if (sent_ns != 0) latency_.Record(now - sent_ns);
  }
  received_.store(received, std::memory_order_release);
  if (options_.one_at_a_time != nullptr) options_.one_at_a_time->Delivered(1);
  if (last) {
    const absl::MutexLock lock(&mutex_);
    arrived_.SignalAll();
  }
}

void NatsSubscriber::WaitFor(uint64_t wanted, absl::Duration patience) {
  wanted_.store(wanted, std::memory_order_relaxed);
  const absl::MutexLock lock(&mutex_);
  uint64_t before = received();
  absl::Time deadline = absl::Now() + patience;
  while (received() < wanted && absl::Now() < deadline) {
    // Not long, for the one signal may have gone just before this wait began.
    arrived_.WaitWithTimeout(&mutex_, absl::Milliseconds(1));
    if (received() == before) continue;
    before = received();
    deadline = absl::Now() + patience;
  }
  wanted_.store(kNone, std::memory_order_relaxed);
}

}  // namespace estiba::bench
