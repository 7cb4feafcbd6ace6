#include "client/cli/bench_consumers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/bench_payload.h"

namespace estiba::cli {

BenchConsumers::BenchConsumers(const Client& client, const BenchOptions& options,
                               const std::vector<std::string>& topics, OneAtATime* one_at_a_time)
    : client_(client),
      options_(options),
      one_at_a_time_(one_at_a_time),
      filling_(MakeBenchPayload(options.size)),
      verify_(options.size >= kBenchHeaderBytes),
      consumers_(options.all_subscribers()),
      shared_(options.all_publishers()) {
  size_t next = 0;
  for (const std::string& topic : topics) {
    for (uint64_t i = 0; i < options.subscribers; ++i) {
      Consumer& consumer = consumers_[next++];
      consumer.trackers.resize(options.all_publishers());
      consumer.subscriber = std::make_unique<Subscriber>(client_, OptionsFor(topic));
    }
  }
}

BenchConsumers::~BenchConsumers() { StopAll(); }

SubscriberOptions BenchConsumers::OptionsFor(const std::string& topic) {
  SubscriberOptions subscriber;
  subscriber.topic = topic;
  if (options_.shared) subscriber.subscription = topic + "/shared";
  subscriber.ack_mode = options_.ack;
  if (options_.ack == AckMode::kExplicit) subscriber.credit.max_messages = 1'000'000;
  subscriber.on_started = [this](const Started&) {
    const absl::MutexLock lock(&mutex_);
    ++started_;
    progress_.SignalAll();
  };
  return subscriber;
}

absl::Status BenchConsumers::StartAll(absl::Duration timeout) {
  for (Consumer& consumer : consumers_) {
    const absl::Status started = consumer.subscriber->StartFrames(
        [this, &consumer](const Frame& frame) { OnFrame(consumer, frame); });
    if (!started.ok()) return started;
  }
  const absl::Time deadline = absl::Now() + timeout;
  const absl::MutexLock lock(&mutex_);
  while (started_ < consumers_.size()) {
    if (!progress_.WaitWithDeadline(&mutex_, deadline)) continue;
    for (const Consumer& consumer : consumers_) {
      const absl::Status ended = consumer.subscriber->Wait(absl::InfinitePast());
      if (!absl::IsDeadlineExceeded(ended)) return ended;
    }
    return absl::DeadlineExceededError(
        absl::StrCat(started_, " of ", consumers_.size(), " subscribers got through"));
  }
  return absl::OkStatus();
}

uint64_t BenchConsumers::WaitFor(uint64_t deliveries) {
  const absl::MutexLock lock(&mutex_);
  wanted_ = deliveries;
  uint64_t before = received();
  absl::Time deadline = absl::Now() + options_.patience;
  while (received() < deliveries && !abandoned_) {
    const bool timed_out = progress_.WaitWithDeadline(&mutex_, deadline);
    if (received() != before) {
      before = received();
      deadline = absl::Now() + options_.patience;
    } else if (timed_out) {
      break;
    }
  }
  return received();
}

void BenchConsumers::Abandon() {
  const absl::MutexLock lock(&mutex_);
  abandoned_ = true;
  progress_.SignalAll();
}

void BenchConsumers::ResetLatencies() { latency_.Reset(); }

void BenchConsumers::StopAll() {
  for (Consumer& consumer : consumers_) consumer.subscriber->Stop();
}

void BenchConsumers::OnFrame(Consumer& consumer, const Frame& frame) {
  const int64_t now = SteadyNanoseconds();
  if (verify_) Verify(consumer, frame, now);
  if (options_.ack == AckMode::kExplicit) consumer.subscriber->AckFrame(frame);
  last_ns_.store(now, std::memory_order_release);
  const uint64_t count = frame.messages.size();
  const uint64_t received = received_.fetch_add(count, std::memory_order_acq_rel) + count;
  if (one_at_a_time_ != nullptr) one_at_a_time_->Delivered(count);
  // The waiting thread is woken when it has what it waits for, not for every frame.
  const absl::MutexLock lock(&mutex_);
  if (wanted_ > 0 && received >= wanted_) progress_.SignalAll();
}

void BenchConsumers::Verify(Consumer& consumer, const Frame& frame, int64_t now) {
  // Messages that were handed over together have one send time: they are counted in one go.
  int64_t sent_ns = 0;
  uint64_t run = 0;
  for (const MessageView& message : frame.messages) {
    const std::string_view payload = message.data();
    if (payload.size() != filling_.size() ||
        std::memcmp(payload.data() + kBenchHeaderBytes, filling_.data() + kBenchHeaderBytes,
                    payload.size() - kBenchHeaderBytes) != 0) {
      ++changed_;
      continue;
    }
    const BenchHeader header = ReadHeader(payload);
    if (header.publisher >= shared_.size()) {
      ++changed_;
      continue;
    }
    consumer.trackers[header.publisher].Receive(header.number);
    if (options_.shared) shared_[header.publisher].Receive(header.number);
    if (header.sent_ns != sent_ns && run > 0) {
      latency_.Record(now - sent_ns, run);
      run = 0;
    }
    sent_ns = header.sent_ns;
    ++run;
  }
  if (run > 0) latency_.Record(now - sent_ns, run);
}

void BenchConsumers::Report(const std::vector<uint64_t>& published, BenchResult& result) const {
  result.latency = latency_;
  result.verified = verify_;
  result.changed = changed_;
  if (!verify_) {
    uint64_t wanted = 0;
    for (const uint64_t count : published) wanted += count * options_.fan_out();
    if (wanted > received()) result.lost = wanted - received();
    if (received() > wanted) result.duplicated = received() - wanted;
    return;
  }
  for (size_t i = 0; i < consumers_.size(); ++i) {
    const size_t topic = i / options_.subscribers;
    for (size_t j = 0; j < options_.publishers; ++j) {
      const size_t publisher = topic * options_.publishers + j;
      const DeliveryTracker& tracker = consumers_[i].trackers[publisher];
      result.out_of_order += tracker.late();
      if (options_.shared) continue;
      result.duplicated += tracker.duplicates();
      result.lost += tracker.Missing(published[publisher]);
    }
  }
  if (!options_.shared) return;
  for (size_t publisher = 0; publisher < shared_.size(); ++publisher) {
    result.duplicated += shared_[publisher].duplicates();
    result.lost += shared_[publisher].Missing(published[publisher]);
  }
}

}  // namespace estiba::cli
