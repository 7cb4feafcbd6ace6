#include "broker/runtime/ticker.h"

#include <utility>

namespace estiba {

Ticker::Ticker(boost::asio::thread_pool& pool, absl::Duration period,
               std::function<void()> function)
    : period_(period), function_(std::move(function)), timer_(pool) {}

void Ticker::Start() {
  absl::MutexLock lock(&mutex_);
  if (!stopped_) Arm();
}

void Ticker::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  timer_.cancel();
}

void Ticker::Arm() {
  timer_.expires_after(absl::ToChronoMilliseconds(period_));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Tick();
  });
}

void Ticker::Tick() {
  absl::MutexLock lock(&mutex_);
  // It may have been on its way here when the timer was cancelled.
  if (stopped_) return;
  function_();
  Arm();
}

}  // namespace estiba
