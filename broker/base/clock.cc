#include "broker/base/clock.h"

#include <chrono>

namespace estiba {
namespace {

template <typename C>
int64_t Millis() {
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(C::now().time_since_epoch()).count();
}

}  // namespace

int64_t SystemClock::WallMillis() const { return Millis<std::chrono::system_clock>(); }

int64_t SystemClock::SteadyMillis() const { return Millis<std::chrono::steady_clock>(); }

}  // namespace estiba
