#include "broker/engine/snapshot.h"

#include <algorithm>
#include <utility>

#include "broker/engine/subscription.h"

namespace estiba {
namespace {

// What a snapshot takes besides its entries and strings, about.
constexpr uint64_t kSnapshotBytes = 512;

uint64_t Size(const Snapshot::Labels& labels) {
  uint64_t bytes = 0;
  for (const auto& [key, value] : labels) bytes += kEntryBytes + key.size() + value.size();
  return bytes;
}

}  // namespace

Snapshot::Snapshot(std::string name, TopicPtr topic, Labels labels, int64_t create_time_ms,
                   int64_t expire_time_ms)
    : name_(std::move(name)),
      topic_(std::move(topic)),
      labels_(std::move(labels)),
      create_time_ms_(create_time_ms),
      expire_time_ms_(expire_time_ms),
      charge_(topic_->storage()) {}

void Snapshot::Keep(SnapshotContents contents) {
  contents_ = std::move(contents);
  UpdateFigures();
}

void Snapshot::Drop() {
  contents_ = {};
  charge_.Set(0);
}

void Snapshot::Trim(uint64_t sequence) {
  if (sequence <= 1) return;
  contents_.unacked.Carve(1, sequence - 1, [&](Redelivery&& r) {
    AppendGap(contents_.lost, {r.run.first, r.run.end() - 1, GapReason::kNotKept});
    lost_messages_.Add(r.run.count);
  });
  const uint64_t next = std::max(contents_.place.sequence(), contents_.pass_over);
  if (next < sequence) {
    AppendGap(contents_.lost, {next, sequence - 1, GapReason::kNotKept});
    lost_messages_.Add(sequence - next);
  }
  contents_.place.SkipTo(sequence);
  UpdateFigures();
}

void Snapshot::StepOn() { contents_.place.SkipTo(contents_.place.sequence()); }

Attachment Snapshot::Place() const {
  Attachment to;
  to.place = contents_.place.Clone();
  to.pass_over = contents_.pass_over;
  to.from = to.place.sequence();
  to.again = contents_.unacked;
  to.gaps = contents_.lost;
  return to;
}

void Snapshot::UpdateFigures() {
  next_sequence_.Set(std::max(contents_.place.sequence(), contents_.pass_over));
  unacked_messages_.Set(contents_.unacked.messages());
  charge_.Set(kSnapshotBytes + name_.size() + Size(labels_) +
              contents_.unacked.size() * kEntryBytes);
}

}  // namespace estiba
