#include "broker/runtime/asio_timers.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace estiba {

void AsioTimers::At(int64_t steady_ms, boost::intrusive_ptr<Actor> actor, Command* command) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return;
  entries_.push({steady_ms, std::move(actor), command});
  if (armed_ms_ == 0 || steady_ms < armed_ms_) Arm();
}

void AsioTimers::Arm() {
  armed_ms_ = entries_.top().steady_ms;
  const int64_t wait_ms = std::max<int64_t>(0, armed_ms_ - clock_.SteadyMillis());
  timer_.expires_after(std::chrono::milliseconds(wait_ms));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Fire();
  });
}

void AsioTimers::Fire() {
  std::vector<Entry> due;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
    armed_ms_ = 0;
    const int64_t now = clock_.SteadyMillis();
    while (!entries_.empty() && entries_.top().steady_ms <= now) {
      due.push_back(entries_.top());
      entries_.pop();
    }
    if (!entries_.empty()) Arm();
  }
  for (const Entry& entry : due) entry.actor->Send(entry.command);
}

void AsioTimers::Stop() {
  std::priority_queue<Entry> entries;  // actors are released without the lock
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  entries.swap(entries_);
  timer_.cancel();
}

}  // namespace estiba
