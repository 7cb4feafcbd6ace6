// Plain data of a simulated program, watched for data races.
#ifndef TESTS_QUEUE_SIMULATION_VAR_H_
#define TESTS_QUEUE_SIMULATION_VAR_H_

#include <utility>

#include "tests/queue/simulation/memory.h"

namespace estiba::simulation {

// Reads and writes like a T. Using it from two threads without an order between them, at least one
// of them writing, fails the execution.
template <typename T>
class Var {
 public:
  Var(T value = T()) : value_(std::move(value)) {  // NOLINT: reads like a T
    ForgetPlain(this);
    NotePlainWrite(this);
  }
  Var(const Var&) = delete;
  Var& operator=(const Var&) = delete;
  ~Var() { ForgetPlain(this); }

  operator T() const {  // NOLINT: reads like a T
    NotePlainRead(this);
    return value_;
  }
  Var& operator=(T value) {
    NotePlainWrite(this);
    value_ = std::move(value);
    return *this;
  }

 private:
  T value_;
};

}  // namespace estiba::simulation

#endif  // TESTS_QUEUE_SIMULATION_VAR_H_
