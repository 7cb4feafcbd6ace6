#include "tests/bench/peer_publishers.h"

#include <sys/prctl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>

#include "client/cli/bench_payload.h"

namespace estiba::bench {
namespace {

// Messages handed over in one call, with one look at the clock, as in `estiba bench`.
constexpr uint64_t kMostInPiece = 512;
constexpr uint64_t kMostBytesInPiece = uint64_t{1} << 20;

size_t PieceFor(const RunOptions& options) {
  const uint64_t by_size =
      std::max<uint64_t>(1, kMostBytesInPiece / std::max<uint64_t>(1, options.size));
  // With several topics a batch at a time takes turns.
  const uint64_t by_batch =
      options.topics > 1 ? options.batch.value_or(kMostInPiece) : kMostInPiece;
  return std::min({kMostInPiece, by_size, by_batch});
}

void SleepUntil(double steady_ns) {
  std::this_thread::sleep_until(std::chrono::steady_clock::time_point(
      std::chrono::nanoseconds(static_cast<int64_t>(steady_ns))));
}

}  // namespace

PeerPublishers::PeerPublishers(const RunOptions& options, size_t topics, Peer& peer,
                               std::function<uint64_t()> delivered_by_all)
    : options_(options),
      window_(options.backlog ? 0 : peer.window()),
      delivered_by_all_(std::move(delivered_by_all)),
      piece_(PieceFor(options)),
      senders_(options.publishers) {
  for (size_t i = 0; i < senders_.size(); ++i) {
    Sender& sender = senders_[i];
    sender.index = i;
    // Every topic has a publisher, and every publisher a topic.
    for (size_t topic = i % topics; topic < topics; topic += options.publishers) {
      sender.lanes.push_back(lanes_.size());
      lanes_.push_back({topic, 0});
    }
    sender.payloads.assign(piece_, cli::MakeBenchPayload(options.size));
    sender.views.assign(sender.payloads.begin(), sender.payloads.end());
    sender.publisher = peer.MakePublisher();
  }
}

absl::Status PeerPublishers::Connect() {
  for (const Sender& sender : senders_) {
    if (absl::Status status = sender.publisher->Connect(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PeerPublishers::Run(const Phase& phase) {
  const int64_t end_ns = phase.duration == absl::InfiniteDuration()
                             ? std::numeric_limits<int64_t>::max()
                             : cli::SteadyNanoseconds() + absl::ToInt64Nanoseconds(phase.duration);
  std::vector<absl::Status> ends(senders_.size());
  std::vector<std::thread> threads;
  for (Sender& sender : senders_) {
    std::optional<uint64_t> count = phase.count;
    if (count) {
      // Evenly; the first ones take what is left over.
      *count = *phase.count / senders_.size() + (sender.index < *phase.count % senders_.size());
    }
    threads.emplace_back([this, &sender, &end = ends[sender.index], count, end_ns] {
      end = Send(sender, count, end_ns);
      end.Update(sender.publisher->Flush());
    });
  }
  absl::Status status;
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    status.Update(ends[i]);
  }
  return status;
}

absl::Status PeerPublishers::Send(Sender& sender, std::optional<uint64_t> count, int64_t end_ns) {
  // The kernel's usual 50 us of slack would show in the latencies of an open loop.
  prctl(PR_SET_TIMERSLACK, 1);
  const double senders = static_cast<double>(senders_.size());
  const double step_ns = options_.rate ? 1e9 * senders / *options_.rate : 0;
  // Publishers take turns, so that several make an even stream.
  double due_ns = static_cast<double>(cli::SteadyNanoseconds()) +
                  step_ns * static_cast<double>(sender.index) / senders;
  uint64_t left = count.value_or(std::numeric_limits<uint64_t>::max());
  while (left > 0) {
    if (options_.rate && due_ns < static_cast<double>(end_ns)) SleepUntil(due_ns);
    const int64_t now = cli::SteadyNanoseconds();
    if (now >= end_ns) break;
    uint64_t piece = std::min<uint64_t>(left, piece_);
    if (options_.rate) {
      const double due = std::floor((static_cast<double>(now) - due_ns) / step_ns) + 1;
      piece = std::min<uint64_t>(piece, static_cast<uint64_t>(std::max(1.0, due)));
    } else {
      due_ns = static_cast<double>(now);
    }
    if (absl::Status status = Publish(sender, piece, due_ns, step_ns); !status.ok()) return status;
    due_ns += step_ns * static_cast<double>(piece);
    left -= piece;
    if (window_ > 0 && !WaitForRoom()) break;
  }
  return absl::OkStatus();
}

absl::Status PeerPublishers::Publish(Sender& sender, size_t count, double first_ns,
                                     double step_ns) {
  const uint64_t lane = sender.lanes[sender.turn];
  if (++sender.turn == sender.lanes.size()) sender.turn = 0;
  uint64_t& next_number = lanes_[lane].next_number;
  if (options_.size >= cli::kBenchHeaderBytes) {
    for (size_t i = 0; i < count; ++i) {
      const double sent_ns = first_ns + step_ns * static_cast<double>(i);
      cli::WriteHeader(sender.payloads[i].data(),
                       {static_cast<int64_t>(sent_ns), lane, next_number + i});
    }
  }
  // Counted before, as it may be delivered before the call returns.
  next_number += count;
  published_.fetch_add(count, std::memory_order_relaxed);
  return sender.publisher->Publish(lanes_[lane].topic,
                                   absl::MakeConstSpan(sender.views).first(count));
}

absl::Status PeerPublishers::SendOne() {
  return Publish(senders_.front(), 1, static_cast<double>(cli::SteadyNanoseconds()), 0);
}

bool PeerPublishers::WaitForRoom() const {
  uint64_t slowest = delivered_by_all_();
  if (published() <= slowest + window_) return true;
  int64_t since_ns = cli::SteadyNanoseconds();
  while (published() > slowest + window_) {
    // A small part of what it takes to work off the window.
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    const int64_t now = cli::SteadyNanoseconds();
    if (const uint64_t delivered = delivered_by_all_(); delivered != slowest) {
      slowest = delivered;
      since_ns = now;
    }
    if (absl::Nanoseconds(now - since_ns) > options_.patience) return false;
  }
  return true;
}

}  // namespace estiba::bench
