// The serving status of the broker's parts, as the gRPC health protocol reports it.
//
// Names in use:
//   ""                 the server as a whole: what clients and load balancers ask
//   "liveness"         the threads that run topics and timers turn; not serving: only a restart
//                      helps. Serving while it drains
//   "readiness"        publishes are taken: started, declared topics exist, not draining. A full
//                      budget changes nothing: consumers must reach the broker to empty it
//   "estiba.v1.Broker", "estiba.v1.Admin"   each service by its full name
//
// Any thread may call anything. Knows nothing of gRPC: rpc/ turns Check and Watch into calls.
#ifndef BROKER_OPS_HEALTH_H_
#define BROKER_OPS_HEALTH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace estiba {

// The numbers of grpc.health.v1.HealthCheckResponse.ServingStatus.
enum class ServingStatus { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

// As the protocol has it: "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN".
const char* ToString(ServingStatus status);

// Owned by the daemon; lives longer than every Watch made from it.
class Health {
 public:
  using Callback = std::function<void(ServingStatus)>;

  // A registration; destroying it ends it. When the destructor has returned, the callback does not
  // run and will not run again. It waits for a callback that is running: do not destroy it from the
  // callback itself, nor while holding a lock that the callback takes.
  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch();

   private:
    friend class Health;
    Watch(Health* health, uint64_t id) : health_(health), id_(id) {}
    void End();

    Health* health_ = nullptr;
    uint64_t id_ = 0;
  };

  Health() = default;
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  // Makes `service` known, or changes it. Without effect after StopServing(), but for kLiveness.
  // Names longer than kLongestName are ignored.
  void SetServing(std::string_view service, bool serving);

  // At shutdown: everything known but kLiveness is not serving, for good. Whoever restarts what is
  // not alive must not cut an orderly end short.
  void StopServing();

  // Empty: not known.
  std::optional<bool> Check(std::string_view service) const;

  // Calls `callback` with the status now, before it returns, and after each change, from the thread
  // that makes the change, in the order of the changes. The callback runs under the lock of this
  // object: it must be short and must not call back into it. A name longer than kLongestName can
  // never become known: one answer, no registration.
  [[nodiscard]] Watch AddWatch(std::string_view service, Callback callback);

  static constexpr size_t kLongestName = 1024;
  static constexpr std::string_view kLiveness = "liveness";

 private:
  struct Watcher {
    std::string service;
    Callback callback;
  };

  ServingStatus StatusOf(std::string_view service) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(std::string_view service) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(uint64_t id);

  mutable absl::Mutex mutex_;
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, bool, std::less<>> serving_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace estiba

#endif  // BROKER_OPS_HEALTH_H_
