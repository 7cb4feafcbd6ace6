#pragma once

#include <cstdint>

namespace estiba {

// Where the engine gets its time from, so that tests and simulations can inject it.
// Thread rules: any thread, any time.
class Clock {
 public:
  virtual ~Clock() = default;

  // Milliseconds since the Unix epoch, UTC. May jump when the machine's clock is set.
  virtual int64_t WallMillis() const = 0;

  // Milliseconds since an arbitrary start; never goes back. Deadlines are counted on this one.
  virtual int64_t SteadyMillis() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  int64_t WallMillis() const override;
  int64_t SteadyMillis() const override;
};

}  // namespace estiba
