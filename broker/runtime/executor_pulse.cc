#include "broker/runtime/executor_pulse.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace estiba {

struct ExecutorPulse::Beat {
  absl::Mutex mutex;
  bool asked ABSL_GUARDED_BY(mutex) = false;
  bool stop ABSL_GUARDED_BY(mutex) = false;
};

ExecutorPulse::ExecutorPulse(ThreadExecutor& executor, Options options, Callback on_change)
    : executor_(executor),
      options_(options),
      on_change_(std::move(on_change)),
      beat_(std::make_shared<Beat>()),
      thread_([this] { Watch(); }) {}

ExecutorPulse::~ExecutorPulse() {
  {
    absl::MutexLock lock(&beat_->mutex);
    beat_->stop = true;
  }
  thread_.join();
}

void ExecutorPulse::Watch() {
  int missed = 0;
  while (true) {
    bool turned = false;
    {
      absl::MutexLock lock(&beat_->mutex);
      turned = !beat_->asked;
      beat_->asked = true;
    }
    if (turned) {
      if (std::exchange(missed, 0) >= options_.patience) on_change_(true);
      boost::asio::post(executor_.pool(), [beat = beat_] {
        absl::MutexLock lock(&beat->mutex);
        beat->asked = false;
      });
    } else if (++missed == options_.patience) {
      on_change_(false);
    }
    absl::MutexLock lock(&beat_->mutex);
    if (beat_->mutex.AwaitWithTimeout(absl::Condition(&beat_->stop), options_.period)) return;
  }
}

}  // namespace estiba
