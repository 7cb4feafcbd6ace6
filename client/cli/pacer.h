// Holds a publisher to a rate.
#ifndef CLIENT_CLI_PACER_H_
#define CLIENT_CLI_PACER_H_

#include <cstddef>
#include <optional>

#include "absl/time/time.h"

namespace estiba::cli {

class Interrupt;

// Spreads messages evenly; what was not used is not made up for beyond one second. One thread.
class Pacer {
 public:
  // No rate: never waits. `interrupt` must outlive this.
  Pacer(std::optional<double> per_second, const Interrupt& interrupt);

  // Waits until at least one of `wanted` (1 or more) messages may go and returns how many may; 0
  // when interrupted.
  size_t Take(size_t wanted);

 private:
  const std::optional<double> per_second_;
  const Interrupt& interrupt_;
  absl::Time start_;
  double taken_ = 0;
};

}  // namespace estiba::cli

#endif  // CLIENT_CLI_PACER_H_
