#include "client/cli/bench_publishers.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "absl/time/clock.h"
#include "client/cli/bench_payload.h"

namespace estiba::cli {
namespace {

// Messages handed over in one call, with one look at the clock.
constexpr uint64_t kMostInPiece = 512;
constexpr uint64_t kMostBytesInPiece = uint64_t{1} << 20;

size_t PieceFor(const BenchOptions& options) {
  const uint64_t by_size =
      std::max<uint64_t>(1, kMostBytesInPiece / std::max<uint64_t>(1, options.size));
  return std::min({kMostInPiece, by_size, options.batch.value_or(kMostInPiece)});
}

void SleepUntil(double steady_ns) {
  std::this_thread::sleep_until(std::chrono::steady_clock::time_point(
      std::chrono::nanoseconds(static_cast<int64_t>(steady_ns))));
}

}  // namespace

BenchPublishers::BenchPublishers(const Client& client, const BenchOptions& options,
                                 const std::vector<std::string>& topics)
    : options_(options), piece_(PieceFor(options)), senders_(options.all_publishers()) {
  for (uint64_t i = 0; i < senders_.size(); ++i) {
    Sender& sender = senders_[i];
    sender.index = i;
    sender.payloads.assign(piece_, MakeBenchPayload(options.size));
    sender.views.assign(sender.payloads.begin(), sender.payloads.end());
    sender.publisher =
        std::make_unique<Publisher>(client, topics[i / options.publishers], MakePublisherOptions());
  }
}

BenchPublishers::~BenchPublishers() = default;

PublisherOptions BenchPublishers::MakePublisherOptions() {
  PublisherOptions publisher;
  if (options_.batch) publisher.max_batch_messages = *options_.batch;
  if (options_.batch_bytes > 0) publisher.max_batch_bytes = options_.batch_bytes;
  publisher.max_answer_delay = options_.max_answer_delay;
  publisher.on_failure = [this](const PublishFailure& failure) {
    const absl::MutexLock lock(&mutex_);
    if (failure_.ok()) failure_ = failure.status;
  };
  return publisher;
}

uint64_t BenchPublishers::Run(const Phase& phase) {
  uint64_t before = 0;
  for (const Sender& sender : senders_) before += sender.next_number;
  const int64_t end_ns = phase.duration == absl::InfiniteDuration()
                             ? std::numeric_limits<int64_t>::max()
                             : SteadyNanoseconds() + absl::ToInt64Nanoseconds(phase.duration);
  std::vector<std::thread> threads;
  for (Sender& sender : senders_) {
    std::optional<uint64_t> count = phase.count;
    if (count) {
      // Evenly; the first ones take what is left over.
      *count = *phase.count / senders_.size() + (sender.index < *phase.count % senders_.size());
    }
    threads.emplace_back([this, &sender, count, end_ns] { Send(sender, count, end_ns); });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t after = 0;
  for (const Sender& sender : senders_) after += sender.next_number;
  return after - before;
}

void BenchPublishers::Send(Sender& sender, std::optional<uint64_t> count, int64_t end_ns) {
  // The kernel's usual 50 us of slack would show in the latencies of an open loop.
  prctl(PR_SET_TIMERSLACK, 1);
  const double step_ns =
      options_.rate ? 1e9 * static_cast<double>(senders_.size()) / *options_.rate : 0;
  // Publishers take turns, so that several make an even stream.
  double due_ns =
      static_cast<double>(SteadyNanoseconds()) +
      step_ns * static_cast<double>(sender.index) / static_cast<double>(senders_.size());
  uint64_t left = count.value_or(std::numeric_limits<uint64_t>::max());
  while (left > 0 && !abandoned_.load(std::memory_order_relaxed)) {
    if (options_.rate && due_ns < static_cast<double>(end_ns)) SleepUntil(due_ns);
    const int64_t now = SteadyNanoseconds();
    if (now >= end_ns) break;
    uint64_t piece = std::min<uint64_t>(left, piece_);
    if (options_.rate) {
      const double due = std::floor((static_cast<double>(now) - due_ns) / step_ns) + 1;
      piece = std::min<uint64_t>(piece, static_cast<uint64_t>(std::max(1.0, due)));
    } else {
      due_ns = static_cast<double>(now);
    }
    if (!Post(sender, piece, due_ns, step_ns).ok()) break;
    due_ns += step_ns * static_cast<double>(piece);
    left -= piece;
  }
  sender.publisher->Flush().IgnoreError();  // Failures have told on_failure.
}

absl::Status BenchPublishers::Post(Sender& sender, size_t count, double first_ns, double step_ns) {
  if (options_.size >= kBenchHeaderBytes) {
    for (size_t i = 0; i < count; ++i) {
      const double sent_ns = first_ns + step_ns * static_cast<double>(i);
      WriteHeader(sender.payloads[i].data(),
                  {static_cast<int64_t>(sent_ns), sender.index, sender.next_number + i});
    }
  }
  size_t accepted = 0;
  const absl::Status posted =
      sender.publisher->PostBatch(absl::MakeConstSpan(sender.views).first(count), &accepted);
  sender.next_number += accepted;
  return posted;
}

absl::Status BenchPublishers::SendOne() {
  return Post(senders_.front(), 1, static_cast<double>(SteadyNanoseconds()), 0);
}

void BenchPublishers::Abandon() {
  abandoned_.store(true, std::memory_order_relaxed);
  for (Sender& sender : senders_) sender.publisher->Close(absl::Now()).IgnoreError();
}

std::vector<uint64_t> BenchPublishers::published() const {
  std::vector<uint64_t> numbers;
  for (const Sender& sender : senders_) numbers.push_back(sender.next_number);
  return numbers;
}

uint64_t BenchPublishers::failed() const {
  uint64_t failed = 0;
  for (const Sender& sender : senders_) failed += sender.publisher->Stats().failed_messages;
  return failed;
}

absl::Status BenchPublishers::failure() const {
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace estiba::cli
