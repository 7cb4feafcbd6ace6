// Program: what consumers are sent, and what they say.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/engine/simulation/program.h"

namespace estiba::testing {

void Program::OnDelivery(SimConsumer& c, const Delivery& d, const Stream::Frame& frame) {
  Trace(absl::StrCat(Name(c.stream.get()), " delivery ", d.first(), "+", d.messages(), " attempt ",
                     d.attempt));
  SubscriptionModel& model = *c.subscription->model;
  uint64_t held = 0;
  if (c.mode == AckMode::kAuto) {
    c.accepted_messages += d.messages();
    held = c.accepted_messages - c.returned_messages;
  } else {
    held = model.HeldBy(&c, world_.clock.steady_ms) + d.messages();
  }
  if (c.max_messages != 0 && held > c.max_messages) {
    Fail(absl::StrCat(held, " messages outstanding, of ", c.max_messages));
  }
  if (c.subscription->paused) Fail("a delivery from a paused subscription");
  size_t i = 0;
  for (const estiba::Run& run : d.runs()) {
    for (uint32_t n = 0; n < run.count; ++n, ++i) {
      const int64_t ttl_ms = ReadTimes(frame.bodies[i]).time_to_live_ms;
      const uint64_t index = run.first + n - run.segment->base_sequence();
      const int64_t published_ms = run.segment->TimeOf(static_cast<uint32_t>(index));
      if (ttl_ms != 0 && world_.clock.wall_ms >= published_ms + ttl_ms) {
        Fail(absl::StrCat("message ", run.first + n, ": delivered after its time"));
      }
    }
  }
  model.Delivered(&c, c.mode, frame, c.deadline_ms, world_.clock.steady_ms);
  if (c.prompt) Accept(c, true);
}

void Program::Accept(SimConsumer& c, bool ok) {
  Trace(absl::StrCat(Name(c.stream.get()), ok ? " accepts" : " refuses"));
  if (c.mode == AckMode::kAuto) {
    ok ? c.subscription->model->Accepted(&c) : c.subscription->model->Refused(&c);
  }
  const bool to_end = c.in_order && c.stream->ends.empty();
  const bool last = c.removed && c.remove_settled && !to_end;
  if (last) {
    // The owner forgets the stream with its last word.
    const StreamPtr stream = std::move(c.stream);
    stream->sending = false;
    Stream* const raw = stream.get();
    c.subscription->subscription->Sent(raw, ok);
  } else {
    c.stream->Accept(*c.subscription->subscription, ok);
  }
}

Program::SimConsumer* Program::PickConsumer() {
  SimSubscription* s = Pick(subscriptions_);
  SimConsumer* c = s == nullptr ? nullptr : Pick(s->consumers);
  return c == nullptr || c->stream == nullptr ? nullptr : c;
}

void Program::AcceptSend() {
  for (int tries = 0; tries < 4; ++tries) {
    SimConsumer* c = PickConsumer();
    if (c == nullptr || !c->stream->sending) continue;
    return Accept(*c, !OneIn(20));
  }
}

void Program::Update() {
  SimConsumer* c = PickConsumer();
  if (c == nullptr || c->removed) return;
  SubscriptionModel& model = *c->subscription->model;
  Subscription& subscription = *c->subscription->subscription;
  ConsumerUpdate update;
  if (c->mode == AckMode::kAuto) {
    const uint64_t outstanding = c->accepted_messages - c->returned_messages;
    update.return_messages = Below(outstanding + 1);
    update.return_bytes = Below(4'000);
    c->returned_messages += update.return_messages;
    return subscription.Update(c->stream, update);
  }
  if (model.exactly_once) return UpdateOnce(*c);
  std::vector<uint64_t> leased = model.LeasedTo(c);
  if (leased.empty()) return;
  std::shuffle(leased.begin(), leased.end(), random_);
  leased.resize(1 + Below(leased.size()));
  const uint64_t kind = Below(13);
  if (kind >= 10 && kind < 12) return NackLater(*c);
  if (kind == 12) {
    if (model.max_attempts == 0) return;
    for (const uint64_t s : leased) {
      update.terminations.push_back({{s, s}, "terminated"});
      model.Terminated(c, s);
    }
    return subscription.Update(c->stream, update);
  }
  if (kind < 6) {
    Trace(absl::StrCat(Name(c->stream.get()), " acks ", leased.size(), " of ", leased[0]));
    for (const uint64_t s : leased) {
      update.acks.push_back({s, s});
      model.Acked(s, s);
    }
    subscription.Update(c->stream, update);
  } else if (kind == 6) {
    // All that is outstanding up to a point, and what is not outstanding: passed over.
    Settle();
    if (c->stream == nullptr || c->removed) return;
    update.acks.push_back({1 + Below(leased[0]), leased[0]});
    Trace(
        absl::StrCat(Name(c->stream.get()), " acks range ", update.acks[0].first, "..", leased[0]));
    model.Acked(update.acks[0].first, leased[0]);
    subscription.Update(c->stream, update);
  } else if (kind == 7) {
    Trace(absl::StrCat(Name(c->stream.get()), " nacks ", leased.size(), " of ", leased[0]));
    for (const uint64_t s : leased) {
      update.nacks.push_back({s, s});
      model.Nacked(c, s, s, world_.clock.steady_ms);
    }
    subscription.Update(c->stream, update);
  } else {
    const int64_t deadline_ms = static_cast<int64_t>(Below(4) == 0 ? 0 : 1 + Below(5'000));
    update.extensions.push_back({{1, 1 + leased[0]}, deadline_ms});
    Trace(absl::StrCat(Name(c->stream.get()), " extends ..", 1 + leased[0], " to ", deadline_ms));
    Settle();
    if (c->stream == nullptr || c->removed) return;
    if (deadline_ms == 0) {
      model.Nacked(c, 1, 1 + leased[0], world_.clock.steady_ms);
    } else {
      model.ExtendedAndSettled(c, 1, 1 + leased[0], world_.clock.steady_ms,
                               world_.clock.steady_ms + deadline_ms);
    }
    subscription.Update(c->stream, update);
  }
}

void Program::NackLater(SimConsumer& c) {
  Settle();
  if (c.stream == nullptr || c.removed) return;
  SubscriptionModel& model = *c.subscription->model;
  const bool by_policy = OneIn(3);
  ConsumerUpdate update;
  for (const uint64_t s : model.LeasedTo(&c)) {
    if (OneIn(2)) continue;
    const int64_t delay_ms =
        by_policy ? c.subscription->config.retry.min_ms : static_cast<int64_t>(Below(3'000));
    if (by_policy) {
      update.nacks.push_back({s, s});
    } else {
      update.delayed_nacks.push_back({{s, s}, delay_ms});
    }
    Trace(absl::StrCat(Name(c.stream.get()), " nacks ", s, " for ", delay_ms, " ms"));
    model.NackedAndSettled(&c, s, world_.clock.steady_ms, world_.clock.steady_ms + delay_ms);
  }
  c.subscription->subscription->Update(c.stream, update);
  Settle();
}

void Program::ChangeCredit() {
  SimConsumer* c = PickConsumer();
  if (c == nullptr || c->removed) return;
  ConsumerUpdate update;
  update.credit.max_messages = Below(30);
  update.credit.max_bytes = OneIn(2) ? 0 : 1 + Below(10'000);
  const uint64_t before = c->max_messages;
  const uint64_t after = update.credit.max_messages;
  if (after != 0 && before != 0) c->max_messages = std::max(before, after);
  c->subscription->subscription->Update(c->stream, update);
  Settle();
  if (after != 0) c->max_messages = after;
}

void Program::Remove(SimConsumer& c) {
  Trace(absl::StrCat("remove ", Name(c.stream.get())));
  c.removed = true;
  c.subscription->model->Gone(&c);
  // One that the subscription has not seen yet was no use.
  if (c.started) c.subscription->used_ms = world_.clock.steady_ms;
  if (c.subscription->name.empty()) c.subscription->ended = true;
  // (What is given back in order has not failed, so an attempt more than the policy says may
  // follow.)
  const SubscriptionModel& model = *c.subscription->model;
  c.in_order = model.exactly_once && model.max_attempts == 0 && OneIn(2);
  if (c.in_order) return c.subscription->subscription->Remove(c.stream, absl::OkStatus());
  c.subscription->subscription->Remove(c.stream);
}

void Program::Crash() {
  SimConsumer* c = PickConsumer();
  if (c == nullptr || c->removed) return;
  if (c->stream->sending && OneIn(2)) Accept(*c, OneIn(2));
  Remove(*c);
}

}  // namespace estiba::testing
