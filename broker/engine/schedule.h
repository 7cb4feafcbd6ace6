#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "broker/engine/expiry.h"
#include "broker/engine/timer_wheel.h"
#include "broker/queue/segment.h"

namespace estiba {

// Messages that are taken and wait for the time to be published. They come out in the order of
// their times, those of one time in the order in which they came in.
//
// Memory: each message is one allocation of its own, with 32 bytes beside it, so that what is far
// off pins nothing; charged to the topic's budget, with what malloc adds. A reserve is charged
// beside them, so that what has come due finds room in the log even where the budget is full.
// Bound: the budget; TryReserve says no and changes nothing.
// Cost: constant for each message, at any number of them; see TimerWheel.
// Threads: one at a time (the topic's turn).
class Schedule {
 public:
  // Records that have come due, as one batch.
  struct Due {
    std::string records;
    uint32_t count = 0;
    TimesToLive ttl;
    uint64_t charged = 0;  // what they are charged still
  };

  Schedule(std::shared_ptr<Storage> storage, int64_t now_ms);
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  // Charged beside the messages: what a segment takes beyond those in it, at most.
  static constexpr uint64_t kReserve = 2 * Segment::kPage + sizeof(Segment);
  // What a record of so many bytes is charged: so much more at most.
  static constexpr uint64_t kMostBeside = 64;
  static uint64_t ChargeFor(size_t record_bytes);
  // Charges for messages that are to be added, and for what is missing in the reserve; `beside`:
  // and for the caller, who releases that himself. False: there is no room, and nothing has changed
  // (not even for a moment, which would wake those who wait for room).
  [[nodiscard]] bool TryReserve(uint64_t bytes, uint64_t beside);
  // Gives back what will not be added after all.
  void Return(uint64_t bytes);
  // Keeps a copy of a record until `due_ms` (steady clock). It has been charged.
  void Add(std::string_view record, int64_t due_ms);

  // Takes what has come due, up to a good batch of it; false: nothing is due.
  bool TakeDue(int64_t now_ms);
  const Due& due() const { return due_; }
  // What is charged, for the memory that takes the batch to use; see AppendExtra::prepaid.
  uint64_t prepaid() const { return due_.charged + reserved_; }
  // The batch has been stored, and so much of that is left.
  void Stored(uint64_t prepaid_left);

  // See TimerWheel::NextDue; what TakeDue has taken does not count.
  int64_t NextDue() const { return wheel_.NextDue(); }
  uint64_t messages() const { return wheel_.size() + due_.count; }
  bool empty() const { return messages() == 0; }

 private:
  struct Node;

  static void Free(Node* node);

  const std::shared_ptr<Storage> storage_;
  TimerWheel wheel_;
  uint64_t charged_ = 0;   // for what is in the wheel, or about to be
  uint64_t reserved_ = 0;  // beside
  Due due_;
};

}  // namespace estiba
