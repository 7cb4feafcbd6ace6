#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "broker/engine/actor.h"

namespace estiba {

class Topic;

// What became of a batch.
struct PublishResult {
  absl::Status status;
  // Of the messages that have got sequences; the others are scheduled.
  uint64_t first_sequence = 0;
  uint32_t count = 0;
  uint32_t scheduled = 0;
  bool duplicate = false;
  // With RESOURCE_EXHAUSTED: when to try again.
  int64_t retry_after_ms = 0;
};

// One batch on its way into a topic, and its answer on the way back. rpc derives from it.
//
// Lifetime: the sender's; between Topic::Publish and Done it must stay as it is.
// Threads: Done is called once, in a turn of the topic, and must be quick; it may delete the
// command.
class PublishCommand : public Command {
 public:
  // Records as in queue/record.h: complete, checked (CheckMessage), at least one.
  const char* records = nullptr;
  uint32_t bytes = 0;
  uint32_t count = 0;
  // Whether there are records to be published later, and such with a time to live (MessageTimes).
  bool scheduled = false;
  bool expires = false;
  // Who publishes, for recognising batches sent twice; empty: not asked for. Must outlive the
  // command.
  const std::string* producer = nullptr;
  uint64_t batch = 0;
  // Recognises a batch sent twice in the place of its number, with or without a producer; empty:
  // none. Must outlive the command.
  std::string_view dedup_id = {};
  // Turns true, by any thread, when nobody waits for the answer any more: a batch still waiting for
  // room is then not taken. See Topic::DropAbandoned. Null: never. Must outlive the command.
  const std::atomic<bool>* abandoned = nullptr;

  bool IsAbandoned() const {
    return abandoned != nullptr && abandoned->load(std::memory_order_relaxed);
  }

  // An error in it before Publish: the batch is refused already, and only its answer goes through
  // the topic, to keep its place behind those of the batches before it. Nothing else is looked at.
  PublishResult result;

  // It has to wait: for room in the topic, or behind those that do. At most once for each Publish,
  // before Done, and in a turn of the topic as that is.
  virtual void Waits(Topic& topic) { static_cast<void>(topic); }
  virtual void Done() = 0;

 private:
  friend class Topic;
  void Run() final;

  Topic* topic_ = nullptr;
};

}  // namespace estiba
