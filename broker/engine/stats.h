#pragma once

#include <atomic>
#include <cstdint>

namespace estiba {

// A figure that anybody reads, and one writes at a time: the turns of an actor. Relaxed: it orders
// nothing. (A read-modify-write would wait for all that was stored before it.)
class Counter {
 public:
  void Add(uint64_t n) { Set(Get() + n); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// The same, with any number of writers.
class SharedCounter {
 public:
  void Add(uint64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// The lists of a topic's counters; meanings in proto/estiba/v1/admin.proto, TopicStats. What the
// topic's turns count, and what its subscriptions' do.
#define ESTIBA_TOPIC_COUNTERS(X) \
  X(published_messages)          \
  X(published_bytes)             \
  X(rejected_batches)            \
  X(rejected_messages)           \
  X(blocked_batches)             \
  X(dropped_messages)            \
  X(expired_messages)            \
  X(duplicate_batches)           \
  X(forgotten_ids)
#define ESTIBA_TOPIC_SHARED_COUNTERS(X) \
  X(delivered_messages)                 \
  X(delivered_bytes)

// The one list of a subscription's figures; meanings in proto, SubscriptionStats.
#define ESTIBA_SUBSCRIPTION_COUNTERS(X) \
  X(next_sequence)                      \
  X(floor_sequence)                     \
  X(outstanding_messages)               \
  X(redeliver_messages)                 \
  X(consumers)                          \
  X(delivered_messages)                 \
  X(delivered_bytes)                    \
  X(acked_messages)                     \
  X(nacked_messages)                    \
  X(expired_leases)                     \
  X(gap_messages)                       \
  X(filtered_messages)                  \
  X(expired_messages)                   \
  X(delayed_messages)                   \
  X(dead_lettered_messages)             \
  X(dead_letter_waiting)                \
  X(blocked_messages)                   \
  X(paused)                             \
  X(skipped_messages)                   \
  X(seeks)                              \
  X(detached)                           \
  X(refused_acks)

#define ESTIBA_COUNTER(name) Counter name;
#define ESTIBA_SHARED_COUNTER(name) SharedCounter name;
#define ESTIBA_FIGURE(name) uint64_t name = 0;
#define ESTIBA_READ(name) figures.name = name.Get();

struct TopicFigures {
  ESTIBA_TOPIC_COUNTERS(ESTIBA_FIGURE)
  ESTIBA_TOPIC_SHARED_COUNTERS(ESTIBA_FIGURE)

  void Add(const TopicFigures& other) {
#define ESTIBA_ADD(name) name += other.name;
    ESTIBA_TOPIC_COUNTERS(ESTIBA_ADD)
    ESTIBA_TOPIC_SHARED_COUNTERS(ESTIBA_ADD)
#undef ESTIBA_ADD
  }
};

struct TopicCounters {
  Counter held_bytes;
  Counter kept_messages;  // for the first subscription that comes
  ESTIBA_TOPIC_COUNTERS(ESTIBA_COUNTER)
  Counter snapshots;
  Counter scheduled_messages;
  ESTIBA_TOPIC_SHARED_COUNTERS(ESTIBA_SHARED_COUNTER)

  TopicFigures Read() const {
    TopicFigures figures;
    ESTIBA_TOPIC_COUNTERS(ESTIBA_READ)
    ESTIBA_TOPIC_SHARED_COUNTERS(ESTIBA_READ)
    return figures;
  }
};

struct SubscriptionFigures {
  ESTIBA_SUBSCRIPTION_COUNTERS(ESTIBA_FIGURE)
};

struct SubscriptionCounters {
  ESTIBA_SUBSCRIPTION_COUNTERS(ESTIBA_COUNTER)

  SubscriptionFigures Read() const {
    SubscriptionFigures figures;
    ESTIBA_SUBSCRIPTION_COUNTERS(ESTIBA_READ)
    return figures;
  }
};

#undef ESTIBA_COUNTER
#undef ESTIBA_SHARED_COUNTER
#undef ESTIBA_FIGURE
#undef ESTIBA_READ

struct TopicStats {
  TopicFigures figures;
  uint64_t next_sequence = 0;
  uint64_t held_bytes = 0;
  // Not consumed by the subscription that has most to consume; without one: kept for the first.
  uint64_t held_messages = 0;
  uint64_t scheduled_messages = 0;  // wait for their time, and not held yet
  uint32_t subscriptions = 0;
};

struct SubscriptionStats {
  SubscriptionFigures figures;
  uint64_t backlog_messages = 0;

  uint64_t unconsumed() const {
    return backlog_messages + figures.outstanding_messages + figures.redeliver_messages +
           figures.delayed_messages + figures.dead_letter_waiting + figures.blocked_messages;
  }
};

}  // namespace estiba
