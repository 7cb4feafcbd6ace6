// Program: subscriptions, with what and whom they are made.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/engine/filter.h"
#include "tests/engine/simulation/program.h"

namespace estiba::testing {
namespace {

// So may the dead letters of a subscription that are on their way.
constexpr uint64_t kMostLetterBytes = 256 << 10;

// The number that an attribute's value is.
uint64_t NumberAfter(const std::string& message, std::string_view name) {
  const size_t value = message.rfind(name) + name.size() + 2;  // past its tag and length
  return std::strtoull(message.c_str() + value, nullptr, 10);
}

}  // namespace

bool Program::Live(const SimTopic& t) const {
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [&](const auto& s) { return s->topic == &t && s->subscription != nullptr; });
}

void Program::Subscribe() {
  SimTopic* t = Pick(topics_);
  if (t == nullptr || t->deleted) return;
  // Another consumer for one that exists.
  std::vector<SimSubscription*> shared;
  for (auto& s : subscriptions_) {
    if (s->topic == t && !s->ended && !s->name.empty()) shared.push_back(s.get());
  }
  if (!shared.empty() && !OneIn(3)) return AddConsumer(*shared[Below(shared.size())], false);

  std::shared_ptr<SubscriptionModel> carried;
  if (t->chain) {
    Settle();
    if (Live(*t)) return;
    for (auto& s : subscriptions_) {
      if (s->topic == t) carried = s->model;
    }
  }
  auto s = std::make_unique<SimSubscription>();
  s->topic = t;
  s->modes = static_cast<Modes>(Below(3));
  if (!t->chain && !OneIn(3)) s->name = absl::StrCat("subscription-", ++names_);
  StartPosition start;
  if (!t->chain) {
    start.kind = static_cast<StartPosition::Kind>(OneIn(2) ? 0 : Below(6));
    start.sequence = 1 + Below(t->topic->end_sequence() + 5);
    start.time_ms = world_.clock.wall_ms - static_cast<int64_t>(Below(5'000));
  }
  if (carried != nullptr) {
    s->model = carried;
    s->model->Continue();
  } else {
    s->model = std::make_shared<SubscriptionModel>(
        t->model, [this, name = absl::StrCat(s->name, " of ", t->name, ": ")](
                      const std::string& what) { Fail(name + what); });
    if (t->chain) s->model->Begin(1, 1);
  }
  s->model->allow_gaps_not_kept =
      start.kind == StartPosition::Kind::kSequence || start.kind == StartPosition::Kind::kTime;
  s->first_of_topic = !t->had_subscription && start.kind == StartPosition::Kind::kEarliest;
  t->had_subscription = true;
  if (!t->chain) s->config = RandomConfig(s->model);
  if (s->config.exactly_once) s->modes = Modes::kExplicit;
  s->model->mixed = s->model->mixed || s->modes == Modes::kMixed;
  const bool retention = t->config.retention_age_ms != 0 || t->config.retention_bytes != 0;
  s->config.retain_acked = retention && OneIn(3);
  if (OneIn(5)) s->config.idle_expiry_ms = static_cast<int64_t>(1'000 + Below(10'000));
  s->used_ms = world_.clock.steady_ms;
  t->retained |= s->config.retain_acked;
  const absl::StatusOr<SubscriptionPtr> made =
      broker_->UseSubscription(s->name, t->name, start, s->config);
  if (!made.ok()) return Fail(made.status().ToString());
  s->subscription = *made;
  Trace(absl::StrCat("subscribe to ", t->name, " as \"", s->name, "\" from kind ",
                     static_cast<int>(start.kind)));
  subscriptions_.push_back(std::move(s));
  SimSubscription& added = *subscriptions_.back();
  if (added.name.empty() || !OneIn(4)) AddConsumer(added, false);
}

SubscriptionConfig Program::RandomConfig(const std::shared_ptr<SubscriptionModel>& model) {
  SubscriptionConfig config;
  config.ack_deadline_ms = 0;
  if (OneIn(3)) {
    const char kind = static_cast<char>('a' + Below(3));
    const bool other = OneIn(2);
    config.filter = Filter::Compile(absl::StrCat("attributes.kind ", other ? "!=" : "=", " \"",
                                                 std::string(1, kind), "\""))
                        .value();
    model->wants = [=](const std::string& body) { return (body.back() == kind) != other; };
  }
  if (OneIn(3)) {
    config.retry.max_ms = static_cast<int64_t>(1 + Below(3'000));
    config.retry.min_ms = static_cast<int64_t>(Below(static_cast<uint64_t>(config.retry.max_ms)));
  }
  config.ordered = model->ordered = OneIn(2);
  if (OneIn(4)) config.dead_letter = MakeUndertaker(model);
  config.exactly_once = model->exactly_once = OneIn(3);
  return config;
}

DeadLetterPolicy Program::MakeUndertaker(const std::shared_ptr<SubscriptionModel>& model) {
  const DeadLetterPolicy policy{absl::StrCat("dead-", ++names_),
                                static_cast<uint32_t>(1 + Below(4))};
  model->max_attempts = policy.max_attempts;
  forced_bytes_ += kMostLetterBytes;
  Undertaker undertaker;
  undertaker.subscription = broker_->UseSubscription(policy.topic, policy.topic, {}).value();
  undertaker.stream = new Stream({});
  Stream* const stream = undertaker.stream.get();
  Subscription* const subscription = undertaker.subscription.get();
  stream->on_started = [=] { stream->Accept(*subscription); };
  stream->on_gap = [this, stream, subscription](const Gap&) {
    Fail("a dead letter was lost");
    stream->Accept(*subscription);
  };
  stream->on_delivery = [this, stream, subscription, model](const Delivery&,
                                                            const Stream::Frame& frame) {
    for (const std::string& body : frame.bodies) {
      const uint64_t sequence = NumberAfter(body, kSourceSequence);
      Trace(absl::StrCat("dead letter ", sequence));
      letters_moved_ = true;
      model->DeadLettered(sequence, static_cast<uint32_t>(NumberAfter(body, kAttempts)));
    }
    stream->Accept(*subscription);
  };
  subscription->Add(undertaker.stream);
  undertakers_.push_back(std::move(undertaker));
  return policy;
}

void Program::AddConsumer(SimSubscription& s, bool healthy) {
  auto c = std::make_unique<SimConsumer>();
  c->subscription = &s;
  c->healthy = healthy;
  const bool automatic = s.modes == Modes::kAuto || (s.modes == Modes::kMixed && OneIn(2));
  c->mode = automatic ? AckMode::kAuto : AckMode::kExplicit;
  ConsumerOptions options;
  options.ack_mode = c->mode;
  if (!healthy) {
    c->prompt = OneIn(4);
    if (!automatic && OneIn(2)) options.ack_deadline_ms = static_cast<int64_t>(100 + Below(2'000));
    if (OneIn(2)) options.credit.max_messages = c->max_messages = 1 + Below(40);
    if (OneIn(3)) options.credit.max_bytes = 1 + Below(5'000);
  }
  c->deadline_ms = options.ack_deadline_ms != 0 ? options.ack_deadline_ms
                                                : s.subscription->config().ack_deadline_ms;
  c->stream = new Stream(options);
  c->stream->name = ++names_;
  SimConsumer* const raw = c.get();
  c->stream->on_started = [this, raw] {
    SimSubscription& sub = *raw->subscription;
    raw->started = true;
    if (!sub.model->begun()) {
      const uint64_t floor = sub.subscription->Stats().figures.floor_sequence;
      // A filter's subscription passes what it does not want before anybody consumes.
      if (sub.first_of_topic && !sub.topic->model.may_give_up && sub.config.filter == nullptr &&
          !sub.topic->may_expire && floor != 1) {
        Fail(absl::StrCat("the first subscription begins at ", floor));
      }
      sub.model->Begin(floor, raw->stream->started[0].next_sequence);
    }
    if (raw->prompt) Accept(*raw, true);
  };
  c->stream->on_gap = [this, raw](const Gap& gap) {
    Trace(absl::StrCat(Name(raw->stream.get()), " gap ", gap.first, "..", gap.last));
    raw->subscription->model->Told(gap);
    if (raw->prompt) Accept(*raw, true);
  };
  c->stream->on_delivery = [this, raw](const Delivery& d, const Stream::Frame& f) {
    OnDelivery(*raw, d, f);
  };
  c->stream->on_verdicts = [this, raw](const Verdicts& verdicts) {
    if (!raw->said) return Fail("an answer to nothing");
    const int64_t retry_ms = raw->subscription->config.retry.min_ms;
    raw->subscription->model->Answered(raw, *std::exchange(raw->said, std::nullopt), verdicts,
                                       world_.clock.steady_ms, retry_ms);
  };
  c->stream->on_verdicts_sent = [this, raw] {
    if (raw->prompt) Accept(*raw, true);
  };
  c->stream->on_end = [this, raw] {
    Trace(Name(raw->stream.get()) + " ended");
    if (!raw->subscription->ended && !raw->in_order) Fail("a stream was ended for no reason");
    raw->removed = true;
  };
  Trace(absl::StrCat("add ", Name(c->stream.get()), automatic ? " auto" : " explicit", " to \"",
                     s.name, "\" of ", s.topic->name, " credit ", options.credit.max_messages, "/",
                     options.credit.max_bytes, " deadline ", c->deadline_ms));
  const StreamPtr stream = c->stream;
  s.consumers.push_back(std::move(c));
  s.subscription->Add(stream);
}

void Program::End(SimSubscription& s) {
  s.ended = true;
  for (auto& c : s.consumers) c->removed = true;
}

void Program::DeleteSubscription() {
  SimSubscription* s = Pick(subscriptions_);
  if (s == nullptr || s->ended || s->name.empty() || !OneIn(2)) return;
  End(*s);
  if (OneIn(3)) {
    Trace("detach " + s->name);
    s->used_ms = world_.clock.steady_ms;
    if (const absl::Status status = broker_->DetachSubscription(s->name); !status.ok()) {
      Fail(status.ToString());
    }
    if (OneIn(2)) return;
  }
  Trace("delete " + s->name);
  if (const absl::Status status = broker_->DeleteSubscription(s->name); !status.ok()) {
    Fail(status.ToString());
  }
}

void Program::Rest() {
  const Expired expired = broker_->Rest();
  for (const std::string& name : expired.topics) {
    Trace("idle: " + name);
    for (auto& t : topics_) {
      if (t->name != name) continue;
      if (t->config.idle_expiry_ms == 0) Fail("a topic was deleted that may stay idle");
      Deleted(*t);
    }
  }
  for (const std::string& name : expired.subscriptions) {
    Trace("idle: " + name);
    for (auto& s : subscriptions_) {
      if (s->name != name) continue;
      const int64_t idle_ms = world_.clock.steady_ms - s->used_ms;
      if (s->config.idle_expiry_ms == 0 || idle_ms < s->config.idle_expiry_ms) {
        Fail(absl::StrCat(name, " was deleted when idle for ", idle_ms, " ms"));
      }
      for (auto& c : s->consumers) {
        if (c->started && !c->removed) Fail(name + " was deleted as idle, and has a consumer");
      }
      End(*s);
    }
  }
}

}  // namespace estiba::testing
