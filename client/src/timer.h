// A wake-up on the Connection's threads at a time that may be changed or called off.
//
// Owner: whoever waits. Every Set leads to exactly one callback, `fired` false if it was called
// off; the timer must live until then.
//
// Threads: external synchronisation (its owner's lock) for every method; the callback comes without
// it.
#ifndef ESTIBA_CLIENT_SRC_TIMER_H_
#define ESTIBA_CLIENT_SRC_TIMER_H_

#include <grpcpp/alarm.h>

#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "client/src/connection.h"

namespace estiba::internal {

class Timer final : private QueueTag {
 public:
  Timer(Connection& connection, std::function<void(bool fired)> callback)
      : connection_(connection), callback_(std::move(callback)) {}

  // Only while none is set.
  void Set(absl::Time when) {
    alarm_.Set(connection_.queue(), absl::ToChronoTime(when), static_cast<QueueTag*>(this));
  }
  void Cancel() { alarm_.Cancel(); }

 private:
  void OnEvent(bool ok) override { callback_(ok); }

  Connection& connection_;
  std::function<void(bool)> callback_;
  grpc::Alarm alarm_;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_TIMER_H_
