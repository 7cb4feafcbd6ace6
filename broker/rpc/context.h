#pragma once

#include <atomic>

#include "broker/base/clock.h"
#include "broker/engine/broker.h"
#include "broker/engine/executor.h"

namespace estiba {

class Health;
class Reflection;
class RequestTable;
class StreamTable;

// What the handlers of calls work with. Owned by the server, immutable but for `draining`, outlives
// every call.
struct RpcContext {
  Broker& broker;
  Executor& executor;
  const Clock& clock;
  StreamTable& streams;
  Health& health;
  const Reflection& reflection;
  RequestTable& requests;
  const int64_t start_steady_ms;
  // Publishes and new streams are refused from now on.
  std::atomic<bool> draining{false};
};

}  // namespace estiba
