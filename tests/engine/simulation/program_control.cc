// Program: seeks, snapshots, pauses.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/engine/simulation/program.h"

namespace estiba::testing {

void Program::Seek() {
  SimSubscription* s = Pick(subscriptions_);
  if (s == nullptr || s->ended || s->name.empty()) return;
  Settle();
  if (s->ended || !failure_.empty()) return;
  StartPosition to;
  to.kind = static_cast<StartPosition::Kind>(Below(4));
  to.sequence = 1 + Below(s->topic->topic->end_sequence() + 3);
  to.time_ms = world_.clock.wall_ms - static_cast<int64_t>(Below(5'000));
  Trace(absl::StrCat("seek ", s->name, " to kind ", static_cast<int>(to.kind), " ", to.sequence));
  bool answered = false;
  s->subscription->Seek(to, [&, s](const absl::StatusOr<SeekResult>& result) {
    answered = true;
    if (!result.ok()) return Fail(result.status().ToString());
    const uint64_t end = s->topic->topic->end_sequence();
    const bool told =
        to.kind == StartPosition::Kind::kSequence || to.kind == StartPosition::Kind::kTime;
    switch (to.kind) {
      case StartPosition::Kind::kEarliest:
        if (result->from != 1) Fail("earliest is not 1");
        break;
      case StartPosition::Kind::kLatest:
        if (result->from != end || result->next_sequence != end) Fail("latest is not the end");
        break;
      case StartPosition::Kind::kSequence:
        if (result->from != to.sequence) Fail("sought to another sequence");
        break;
      case StartPosition::Kind::kTime:
      case StartPosition::Kind::kLast:
      case StartPosition::Kind::kLastOfEachKey:
        break;
    }
    s->model->allow_gaps_not_kept |= told;
    s->model->Sought(result->from, told ? result->from : result->next_sequence, end);
  });
  Settle();
  if (!answered) Fail("a seek was not answered");
  s->used_ms = world_.clock.steady_ms;
}

void Program::TakeSnapshot() {
  SimSubscription* s = Pick(subscriptions_);
  if (s == nullptr || s->ended || s->name.empty() || s->modes == Modes::kMixed) return;
  Settle();
  if (s->ended || !failure_.empty() || !s->model->begun()) return;
  const std::string name = absl::StrCat("snapshot-", ++names_);
  Trace(absl::StrCat("take ", name, " of ", s->name));
  LearnSchedule(*s->topic);
  const SubscriptionModel::Snapshot model = s->model->Take(s->topic->topic->end_sequence());
  broker_->snapshots().Create(name, s->subscription, {}, 3'600'000,
                              [&, s](const absl::StatusOr<SnapshotPtr>& made) {
                                if (!made.ok()) return Fail(made.status().ToString());
                                snapshots_.push_back({*made, s->topic, model});
                              });
  Settle();
}

void Program::SeekToSnapshot() {
  if (snapshots_.empty()) return;
  const SimSnapshot snapshot = snapshots_[Below(snapshots_.size())];
  if (OneIn(4)) {
    Trace("delete " + snapshot.snapshot->name());
    snapshots_.erase(std::find_if(
        snapshots_.begin(), snapshots_.end(),
        [&](const SimSnapshot& other) { return other.snapshot == snapshot.snapshot; }));
    if (const absl::Status status = broker_->snapshots().Delete(snapshot.snapshot->name());
        !status.ok()) {
      Fail(status.ToString());
    }
    return;
  }
  for (auto& s : subscriptions_) {
    if (s->topic != snapshot.topic || s->ended || s->name.empty() || !s->model->begun()) continue;
    Settle();
    if (s->ended || !failure_.empty()) return;
    Trace(absl::StrCat("seek ", s->name, " to ", snapshot.snapshot->name()));
    bool answered = false;
    s->subscription->SeekTo(snapshot.snapshot, [&](const absl::StatusOr<SeekResult>& result) {
      answered = true;
      if (!result.ok()) return Fail(result.status().ToString());
      s->model->allow_gaps_not_kept = true;
      s->had_snapshot = true;
      s->model->Sought(snapshot.model);
    });
    Settle();
    if (!answered) Fail("a seek was not answered");
    return;
  }
}

void Program::Pause() {
  SimSubscription* s = Pick(subscriptions_);
  if (s == nullptr || s->ended || s->name.empty()) return;
  const bool paused = !s->paused;
  Trace(absl::StrCat(paused ? "pause " : "resume ", s->name));
  if (!paused) s->paused = false;
  s->subscription->SetPaused(paused, [](const absl::Status&) {});
  Settle();
  s->paused = paused;
  s->used_ms = world_.clock.steady_ms;
}

}  // namespace estiba::testing
