// Subscription: what its filter lets through. What does not match is consumed as it is passed.
#include <algorithm>
#include <limits>

#include "broker/engine/filter.h"
#include "broker/engine/subscription.h"
#include "broker/queue/record.h"

namespace estiba {
namespace {

// Most messages that a turn tests before others get theirs: a millisecond or two.
constexpr uint32_t kScanMessages = 8'192;

}  // namespace

// Tests messages of `run` and adds those that match to the delivery; stops before what does not fit
// in, and when it is full. Returns the part of the run that is dealt with.
Run Subscription::Sift(const Run& run, uint32_t max_messages, uint64_t max_bytes,
                       Delivery* delivery) {
  Run done = run;
  done.bytes = done.count = 0;
  Run match = done;  // those that matched last, without a hole
  const auto keep = [&] {
    if (match.count > 0) delivery->Add(match);
    match.count = match.bytes = 0;
  };
  const char* p = run.data();
  uint64_t filtered = 0;
  bool full = false;
  while (done.count < run.count && scan_left_ > 0 && !full) {
    const std::string_view message = RecordBody(p);
    const char* const next = message.data() + message.size();
    const uint32_t bytes = static_cast<uint32_t>(next - p);
    --scan_left_;
    if (config_.filter->Matches(message)) {
      if (match.count == 0) {
        if (delivery->full()) break;
        match.offset = run.offset + done.bytes;
        match.first = run.first + done.count;
      }
      const uint64_t so_far = delivery->bytes() + match.bytes;
      if (so_far > 0 && so_far + bytes > max_bytes) break;
      match.bytes += bytes;
      ++match.count;
      full = delivery->messages() + match.count >= max_messages || so_far + bytes >= max_bytes;
    } else {
      ++filtered;
      keep();
    }
    done.bytes += bytes;
    ++done.count;
    p = next;
  }
  keep();
  counters_.filtered_messages.Add(filtered);
  return done;
}

Delivery Subscription::TakeMatching(uint32_t max_messages, uint64_t max_bytes) {
  Delivery delivery;
  while (scan_left_ > 0 && delivery.messages() < max_messages && delivery.bytes() < max_bytes) {
    const Run run = cursor_.Peek(std::numeric_limits<uint32_t>::max(), kScanMessages);
    if (run.empty() || run.first < pass_over_) break;
    const Run done = Sift(run, max_messages, max_bytes, &delivery);
    cursor_.Advance(done);
    if (done.count < run.count) break;
  }
  return delivery;
}

void Subscription::PassUnwanted() {
  while (cursor_.sequence() != wanted_at_) {
    StepOn();
    const Run run = cursor_.Peek(std::numeric_limits<uint32_t>::max(), kScanMessages);
    if (run.empty() || run.first < pass_over_) {
      if (awaiting_) return;
      AwaitMessages();
      if (cursor_.Peek(1, 1).empty()) return;
      continue;
    }
    if (scan_left_ == 0) return;
    Run passed = run;
    passed.bytes = passed.count = 0;
    const char* p = run.data();
    for (; passed.count < run.count && scan_left_ > 0; ++passed.count) {
      const std::string_view message = RecordBody(p);
      --scan_left_;
      if (config_.filter->Matches(message)) {
        wanted_at_ = run.first + passed.count;
        break;
      }
      p = message.data() + message.size();
    }
    passed.bytes = static_cast<uint32_t>(p - run.data());
    counters_.filtered_messages.Add(passed.count);
    cursor_.Advance(passed);
  }
}

void Subscription::BeginScan() { scan_left_ = kScanMessages; }

void Subscription::EndScan() {
  if (config_.filter != nullptr) PassUnwanted();
  if (scan_left_ > 0) return;
  scan_on_.SendOnce();
  YieldTurn();
}

void Subscription::DropUnwanted(IntervalMap<Redelivery>* map) {
  if (config_.filter == nullptr || map->empty()) return;
  IntervalMap<Redelivery> wanted;
  map->Carve(1, std::numeric_limits<uint64_t>::max(), [&](Redelivery&& r) {
    while (!r.run.empty()) {
      Delivery matching;
      BeginScan();
      const Run done = Sift(r.run, std::numeric_limits<uint32_t>::max(),
                            std::numeric_limits<uint64_t>::max(), &matching);
      for (const Run& run : matching.runs()) wanted.Insert({run, r.attempt});
      r.run.offset += done.bytes;
      r.run.bytes -= done.bytes;
      r.run.first += done.count;
      r.run.count -= done.count;
    }
  });
  *map = std::move(wanted);
}

}  // namespace estiba
