// Program: the end.
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/engine/simulation/program.h"

namespace estiba::testing {

void Program::AckAll(SimConsumer& c) {
  if (c.mode == AckMode::kAuto || c.removed) return;
  SubscriptionModel& model = *c.subscription->model;
  ConsumerUpdate update;
  const int64_t now_ms = model.exactly_once ? world_.clock.steady_ms : INT64_MIN;
  for (const uint64_t s : model.LeasedTo(&c, now_ms)) {
    if (!update.acks.empty() && update.acks.back().last + 1 == s) {
      update.acks.back().last = s;
    } else {
      update.acks.push_back({s, s});
    }
    if (!model.exactly_once) model.Acked(s, s);
  }
  if (update.acks.empty()) return;
  if (model.exactly_once) return Say(c, update);
  c.subscription->subscription->Update(c.stream, update);
}

void Program::Finish() {
  Trace("finish");
  for (const SimSnapshot& s : std::exchange(snapshots_, {})) {
    if (const absl::Status status = broker_->snapshots().Delete(s.snapshot->name()); !status.ok()) {
      Fail(status.ToString());
    }
  }
  for (auto& s : subscriptions_) {
    for (auto& c : s->consumers) {
      if (c->stream != nullptr && !c->removed) Remove(*c);
    }
  }
  Settle();
  for (auto& s : subscriptions_) {
    for (auto& c : s->consumers) {
      while (c->stream != nullptr && c->stream->sending) {
        Accept(*c, OneIn(2));
        Settle();
      }
    }
  }
  for (auto& s : subscriptions_) {
    if (s->ended) continue;
    s->paused = false;
    s->subscription->SetPaused(false, [](const absl::Status&) {});
    AddConsumer(*s, true);
  }
  for (auto& t : topics_) {
    if (t->deleted || Live(*t)) continue;
    auto s = std::make_unique<SimSubscription>();
    s->topic = t.get();
    for (auto& other : subscriptions_) {
      if (t->chain && other->topic == t.get()) s->model = other->model;
    }
    if (s->model != nullptr) {
      s->model->Continue();
    } else {
      s->model = std::make_shared<SubscriptionModel>(
          t->model, [this, name = absl::StrCat(s->name, " of ", t->name, ": ")](
                        const std::string& what) { Fail(name + what); });
      if (t->chain) s->model->Begin(1, 1);
    }
    s->subscription = *broker_->UseSubscription("", t->name, {});
    subscriptions_.push_back(std::move(s));
    AddConsumer(*subscriptions_.back(), true);
  }

  for (int idle = 0, rounds = 0; idle < 8 && failure_.empty(); ++rounds) {
    if (rounds > 20'000) return Fail("the backlog does not come to an end");
    Settle();
    bool progress = false;
    for (auto& s : subscriptions_) {
      for (auto& c : s->consumers) {
        if (!c->healthy || c->stream == nullptr || !c->stream->sending) continue;
        Accept(*c, true);
        progress = true;
      }
    }
    Settle();
    for (auto& s : subscriptions_) {
      for (auto& c : s->consumers) {
        if (c->healthy) AckAll(*c);
      }
    }
    Settle();
    progress |= std::exchange(letters_moved_, false);
    idle = progress ? 0 : idle + 1;
    // What waits for the dead-letter topic does so for ten seconds at most.
    if (!progress) Rest();
    if (!progress) world_.AdvanceAndSettle(3'000);
    Check();
  }
  if (!failure_.empty()) return;

  for (auto& s : subscriptions_) {
    if (s->ended || s->topic->deleted) continue;
    letters_wait_ |= s->subscription->Stats().figures.dead_letter_waiting != 0;
  }
  for (auto& t : topics_) {
    if (t->deleted) continue;
    const uint64_t left = LearnSchedule(*t);
    if (left != 0 && !letters_wait_) Fail(absl::StrCat(left, " messages were not published"));
    t->next_sequence = t->topic->end_sequence();
  }
  for (auto& s : subscriptions_) {
    if (s->ended || s->topic->deleted) continue;
    const SubscriptionStats stats = s->subscription->Stats();
    const uint64_t waiting = stats.figures.dead_letter_waiting;
    if (waiting != 0 && limit_ == 0) Fail("dead letters wait, and there is memory");
    // What went while there was no subscription, or another one, is counted elsewhere.
    const uint64_t expired =
        s->topic->chain || s->had_snapshot
            ? UINT64_MAX
            : stats.figures.expired_messages + s->topic->topic->Stats().figures.expired_messages;
    s->model->CheckComplete(s->topic->next_sequence, waiting, expired);
    if (stats.unconsumed() != waiting) {
      return Fail(absl::StrCat("\"", s->name, "\" of ", s->topic->name, " still has ",
                               stats.backlog_messages, "+", stats.figures.outstanding_messages, "+",
                               stats.figures.redeliver_messages, " messages"));
    }
  }
  for (auto& t : topics_) {
    // Dead letters that wait for memory hold some, too.
    if (letters_wait_) break;
    for (auto& batch : t->batches) {
      if (batch->answers != 1) {
        return Fail(absl::StrCat("a batch of ", batch->bytes, " bytes to ", t->name, " has ",
                                 batch->answers, " answers; ", broker_->Stats().held_bytes,
                                 " bytes are held, of ", limit_));
      }
    }
  }
  for (int i = 0; i < 4; ++i) {
    Rest();
    Settle();
    world_.AdvanceAndSettle(1'000);
  }
  for (auto& t : topics_) {
    if (letters_wait_) break;
    const uint64_t held = t->topic->storage()->budget.UsedApprox();
    const uint64_t producers = 2 * (256 + 256 * 16);
    if (held > 3 * sizeof(Segment) + producers && !t->retained) {
      return Fail(absl::StrCat(t->name, " holds ", held, " bytes after all was consumed"));
    }
  }

  for (auto& s : subscriptions_) {
    for (auto& c : s->consumers) {
      if (c->stream != nullptr && !c->removed) Remove(*c);
    }
  }
  for (const Undertaker& u : undertakers_) u.subscription->Remove(u.stream);
  Settle();
  undertakers_.clear();
  broker_.reset();
  for (auto& s : subscriptions_) s->ended = true;
  for (auto& t : topics_) t->topic = nullptr;
  Settle();
  world_.AdvanceAndSettle(3'600'000);
  Settle();
  if (!world_.timers.empty()) return Fail("timers are armed for what was deleted");
  if (memory_->budget.UsedApprox() != 0) {
    Fail(absl::StrCat(memory_->budget.UsedApprox(), " bytes were never given back"));
  }
}

}  // namespace estiba::testing
