#include "client/cli/bench_one_at_a_time.h"

#include "absl/time/clock.h"
#include "client/cli/bench_payload.h"

namespace estiba::cli {

uint64_t OneAtATime::Run(uint64_t count, int64_t end_ns, absl::Duration patience) {
  const absl::MutexLock lock(&mutex_);
  count_ = count;
  end_ns_ = end_ns;
  sent_ = delivered_ = 0;
  running_ = !abandoned_;
  if (running_) SendOrEnd();
  while (running_) {
    const uint64_t before = delivered_;
    if (ended_.WaitWithTimeout(&mutex_, patience) && delivered_ == before) running_ = false;
  }
  return sent_;
}

void OneAtATime::Delivered(uint64_t deliveries) {
  const absl::MutexLock lock(&mutex_);
  delivered_ += deliveries;
  if (running_ && delivered_ >= sent_ * fan_out_) SendOrEnd();
}

void OneAtATime::SendOrEnd() {
  if (sent_ < count_ && SteadyNanoseconds() < end_ns_ && send_().ok()) {
    ++sent_;
    return;
  }
  running_ = false;
  ended_.SignalAll();
}

void OneAtATime::Abandon() {
  const absl::MutexLock lock(&mutex_);
  abandoned_ = true;
  running_ = false;
  ended_.SignalAll();
}

}  // namespace estiba::cli
