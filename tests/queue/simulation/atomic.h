// estiba::Atomic for the simulation: what broker/queue/atomic.h gives the sources when they are
// compiled with ESTIBA_SIMULATED_ATOMICS. The same members as std::atomic, as far as they are used;
// every access is a point at which the scheduler may go on with another thread.
#ifndef TESTS_QUEUE_SIMULATION_ATOMIC_H_
#define TESTS_QUEUE_SIMULATION_ATOMIC_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "tests/queue/simulation/memory.h"

namespace estiba {

// Only inside an execution (simulation/explore.h): set up, threads, final check.
template <typename T>
class Atomic {
 public:
  Atomic(T value = T()) : cell_(Encode(value)) {}  // NOLINT: as std::atomic
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const {
    return Decode(cell_.Load(order));
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) {
    cell_.Store(Encode(value), order);
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) {
    return Change(order, [value](T) { return value; });
  }
  T fetch_add(T value, std::memory_order order = std::memory_order_seq_cst) {
    return Change(order, [value](T old) { return static_cast<T>(old + value); });
  }
  T fetch_sub(T value, std::memory_order order = std::memory_order_seq_cst) {
    return Change(order, [value](T old) { return static_cast<T>(old - value); });
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) {
    return CompareExchange(expected, desired, success, failure, true);
  }
  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order order = std::memory_order_seq_cst) {
    return CompareExchange(expected, desired, order, FailureOrder(order), true);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) {
    return CompareExchange(expected, desired, success, failure, false);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst) {
    return CompareExchange(expected, desired, order, FailureOrder(order), false);
  }

 private:
  static uint64_t Encode(T value) {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<uintptr_t>(value);
    } else {
      return static_cast<uint64_t>(value);
    }
  }
  static T Decode(uint64_t value) {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(static_cast<uintptr_t>(value));
    } else {
      return static_cast<T>(value);
    }
  }
  static std::memory_order FailureOrder(std::memory_order order) {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    return order == std::memory_order_release ? std::memory_order_relaxed : order;
  }

  template <typename Function>
  T Change(std::memory_order order, Function function) {
    const T old = Decode(cell_.BeginChange(order));
    cell_.EndChange(Encode(function(old)), order);
    return old;
  }
  bool CompareExchange(T& expected, T desired, std::memory_order success, std::memory_order failure,
                       bool weak) {
    uint64_t value = Encode(expected);
    if (cell_.CompareExchange(value, Encode(desired), success, failure, weak)) return true;
    expected = Decode(value);
    return false;
  }

  simulation::Cell cell_;
};

inline void NoteRead(const void* address) { simulation::NotePlainRead(address); }
inline void NoteWrite(const void* address) { simulation::NotePlainWrite(address); }

}  // namespace estiba

#endif  // TESTS_QUEUE_SIMULATION_ATOMIC_H_
