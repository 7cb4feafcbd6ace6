#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace estiba {

class Filter;

// What happens to a publish that finds no room; see FullPolicy in proto/estiba/v1/admin.proto.
enum class FullPolicy { kReject, kBlock, kDropOldest };

struct TopicConfig {
  FullPolicy full_policy = FullPolicy::kReject;
  uint64_t budget_bytes = 0;     // 0: only the broker's
  int64_t retention_age_ms = 0;  // 0: never
  uint64_t retention_bytes = 0;  // 0: no limit
  int64_t idle_expiry_ms = 0;    // 0: never
  int64_t dedup_window_ms = 120'000;
};

// How long a message waits before it is delivered again; see Backoff. max_ms 0: not at all.
struct RetryPolicy {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
};

// Where a message goes whose delivery has failed so often; max_attempts 0: nowhere, it comes again.
struct DeadLetterPolicy {
  std::string topic = {};
  uint32_t max_attempts = 0;
};

struct SubscriptionConfig {
  int64_t ack_deadline_ms = 10'000;
  std::shared_ptr<const Filter> filter = nullptr;  // null: every message is wanted
  RetryPolicy retry = {};
  DeadLetterPolicy dead_letter = {};
  bool ordered = false;  // messages of an ordering key in their order; see Ordering
  // Keep what is consumed as long as the topic's retention does.
  bool retain_acked = false;
  int64_t idle_expiry_ms = 0;  // 0: never
  // What consumers say counts only for what they hold, and is answered; see Verdicts.
  bool exactly_once = false;
};

// Where a subscription begins, or is sought to.
struct StartPosition {
  enum class Kind { kEarliest, kLatest, kSequence, kTime, kLast, kLastOfEachKey };
  Kind kind = Kind::kEarliest;
  uint64_t sequence = 0;
  int64_t time_ms = 0;
  // Of a start: whose sequences it was meant for (see Incarnations). If they are gone it is the
  // beginning of what is there instead. 0: whichever are there.
  uint64_t incarnation = 0;
};

enum class AckMode { kAuto, kExplicit };

// How much a consumer is ready to hold; 0: no limit.
struct CreditLimits {
  uint64_t max_messages = 0;
  uint64_t max_bytes = 0;
};

enum class GapReason { kRetention, kDroppedOldest, kNotKept };

}  // namespace estiba
