#pragma once

#include <cstdint>

#include "broker/engine/actor.h"

namespace estiba {

// Sends commands at later times. Comes in from outside, like the clock it goes by.
// Thread rules: any thread. A timer cannot be taken back: the command looks at the state it finds.
class Timers {
 public:
  virtual ~Timers() = default;

  // Sends `command` to `actor` when Clock::SteadyMillis() has reached `steady_ms`. The command must
  // stay untouched until it runs; the actor is kept alive.
  virtual void At(int64_t steady_ms, boost::intrusive_ptr<Actor> actor, Command* command) = 0;
};

}  // namespace estiba
