#include "client/cli/bench_payload.h"

#include <algorithm>
#include <chrono>

namespace estiba::cli {

int64_t SteadyNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string MakeBenchPayload(size_t size) {
  std::string payload(size, '\0');
  // Some letters, to be seen in `estiba sub`; a constant step so that a shift of any kind shows.
  for (size_t i = 0; i < size; ++i) payload[i] = static_cast<char>('a' + i * 7 % 26);
  std::fill_n(payload.begin(), std::min(size, kBenchHeaderBytes), '\0');
  return payload;
}

}  // namespace estiba::cli
