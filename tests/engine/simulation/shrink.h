// Makes a failing program short.
#ifndef TESTS_ENGINE_SIMULATION_SHRINK_H_
#define TESTS_ENGINE_SIMULATION_SHRINK_H_

#include <algorithm>
#include <utility>
#include <vector>

namespace estiba::testing {

// A subset of `steps` for which fails(steps) still holds, and of which no single one can be left
// out: halves, quarters and so on are tried first. Gives up after `most` tries.
template <typename Fails>
std::vector<int> Shrink(std::vector<int> steps, Fails&& fails, int most = 5'000) {
  for (size_t chunk = std::max<size_t>(steps.size() / 2, 1);;) {
    bool shorter = false;
    for (size_t at = 0; at < steps.size() && most > 0;) {
      std::vector<int> without = steps;
      const auto begin = without.begin() + static_cast<std::ptrdiff_t>(at);
      without.erase(begin,
                    begin + static_cast<std::ptrdiff_t>(std::min(chunk, without.size() - at)));
      --most;
      if (fails(std::as_const(without))) {
        steps = std::move(without);
        shorter = true;
      } else {
        at += chunk;
      }
    }
    if (most <= 0 || (chunk == 1 && !shorter)) return steps;
    chunk = std::max<size_t>(chunk / 2, 1);
  }
}

}  // namespace estiba::testing

#endif  // TESTS_ENGINE_SIMULATION_SHRINK_H_
