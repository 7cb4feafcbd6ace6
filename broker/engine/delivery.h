#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "broker/queue/segment.h"

namespace estiba {

// What a consumer is sent in one frame: runs of messages in the order of their sequences, with
// holes between them where some messages are not for it. One run in the usual case, which allocates
// nothing.
//
// Bound: kMaxRuns, so that neither a frame's header nor its leases grow without limit.
// Threads: one at a time. Copying it copies no message.
class Delivery {
 public:
  static constexpr size_t kMaxRuns = 1'024;

  Delivery() = default;
  Delivery(Run run, uint32_t attempt_number) : attempt(attempt_number) { Add(std::move(run)); }

  // Adds a run that comes after those that are here; neighbours in memory become one. Empty runs
  // are passed over.
  void Add(Run run) {
    if (run.empty()) return;
    messages_ += run.count;
    bytes_ += run.bytes;
    if (!runs_.empty()) {
      Run& last = runs_.back();
      if (last.segment == run.segment && last.end() == run.first &&
          last.offset + last.bytes == run.offset) {
        last.bytes += run.bytes;
        last.count += run.count;
        return;
      }
    }
    runs_.push_back(std::move(run));
  }

  const absl::InlinedVector<Run, 1>& runs() const { return runs_; }
  bool empty() const { return runs_.empty(); }
  bool full() const { return runs_.size() >= kMaxRuns; }
  uint32_t messages() const { return messages_; }
  uint64_t bytes() const { return bytes_; }
  // The first sequence, of a delivery that is not empty.
  uint64_t first() const { return runs_.front().first; }

  // Of all its messages.
  uint32_t attempt = 1;

 private:
  absl::InlinedVector<Run, 1> runs_;
  uint32_t messages_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace estiba
