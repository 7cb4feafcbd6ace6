#include "tests/engine/simulation/program.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_writer.h"
#include "broker/engine/filter.h"

namespace estiba::testing {
namespace {

// Bookkeeping cannot be refused, so it may take the budget this far over its limit.
constexpr uint64_t kMostForcedBytes = 64 << 10;
// So may the dead letters of a subscription that are on their way.
constexpr uint64_t kMostLetterBytes = 256 << 10;

// An encoded message with an attribute "kind"; its value is the last byte.
std::string MessageOfKind(char kind, const std::string& key, const std::string& data) {
  std::string entry;
  WireWriter(entry).Bytes(1, "kind");
  WireWriter(entry).Bytes(2, std::string_view(&kind, 1));
  std::string message;
  if (!key.empty()) WireWriter(message).Bytes(5, key);
  WireWriter(message).Bytes(1, data);
  WireWriter(message).Bytes(2, entry);
  return message;
}

// The number that an attribute's value is.
uint64_t NumberAfter(const std::string& message, std::string_view name) {
  const size_t value = message.rfind(name) + name.size() + 2;  // past its tag and length
  return std::strtoull(message.c_str() + value, nullptr, 10);
}

std::string Name(const Consumer* c) {
  return absl::StrCat("consumer ", static_cast<const Stream*>(c)->name);
}

}  // namespace

Program::Program(uint64_t seed, std::ostream* trace)
    : trace_(trace), seed_(seed), random_(seed), world_(seed * 31 + 7) {
  BrokerOptions options;
  options.budget_bytes = OneIn(3) ? 0 : (128 << 10) + Below(512 << 10);
  options.frame_bytes = OneIn(2) ? 128 << 10 : static_cast<uint32_t>(1 + Below(8'000));
  options.subscription_defaults.ack_deadline_ms = static_cast<int64_t>(100 + Below(3'000));
  limit_ = options.budget_bytes;
  broker_ = std::make_unique<Broker>(options, world_.executor, world_.clock, world_.timers);
  world_.executor.run_at_once = !OneIn(3);
}

Program::~Program() = default;

void Program::Fail(const std::string& what) {
  if (!failure_.empty()) return;
  failure_ = absl::StrCat("step ", step_, ": ", what);
  Trace("FAILED: " + what);
}

void Program::Trace(const std::string& what) {
  if (trace_ == nullptr) return;
  *trace_ << step_ << " @" << world_.clock.steady_ms << " " << what << std::endl;
}

std::string Program::Run(const std::vector<int>& steps) {
  MakeTopic();
  for (const int step : steps) {
    if (!failure_.empty()) break;
    Reseed(step);
    Step();
    for (uint64_t turns = Below(5); turns > 0; --turns) world_.executor.Step();
    if (OneIn(12)) Settle();
    Check();
  }
  Reseed(1'000'000);
  if (failure_.empty()) Finish();
  return failure_;
}

void Program::Reseed(int step) {
  step_ = step;
  const uint64_t seed = seed_ * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(step);
  random_.seed(seed);
  world_.executor.Reseed(~seed);
}

void Program::Step() {
  const uint64_t n = Below(100);
  if (n < 30) return Publish();
  if (n < 55) return AcceptSend();
  if (n < 70) return Update();
  if (n < 77) return Subscribe();
  if (n < 84) return Advance();
  if (n < 89) return Crash();
  if (n < 90) return ChangeCredit();
  if (n < 92) {
    const uint64_t m = Below(6);
    return m == 0 ? Pause() : m < 3 ? Seek() : m == 3 ? TakeSnapshot() : SeekToSnapshot();
  }
  if (n < 94) return Abandon();
  if (n < 96) return DeleteSubscription();
  if (n < 98) return MakeTopic();
  if (n == 98) return Rest();
  return DeleteTopic();
}

void Program::Settle() {
  if (!world_.executor.Settle(100'000)) return Fail("the engine does not come to rest");
  for (auto& s : subscriptions_) {
    if (!s->ended) s->model->Settled();
    bool in_use = false;
    for (auto& c : s->consumers) {
      if (c->stream == nullptr) continue;
      if (c->removed) c->remove_settled = true;
      // Dropped as early as the contract allows, so that a use after that is found.
      if (c->removed && !c->stream->sending && c->stream->broken_rule.empty()) c->stream = nullptr;
      in_use |= c->stream != nullptr;
    }
    if (s->ended && !in_use) s->subscription = nullptr;
  }
}

void Program::Check() {
  for (const auto& s : subscriptions_) {
    for (const auto& c : s->consumers) {
      if (c->stream != nullptr && !c->stream->broken_rule.empty()) Fail(c->stream->broken_rule);
    }
  }
  const uint64_t used = broker_->Stats().held_bytes;
  if (limit_ != 0 && used > limit_ + kMostForcedBytes + forced_bytes_) {
    Fail(absl::StrCat(used, " bytes are held, of ", limit_));
  }
}

// --- Topics and publishers ----------------------------------------------------------------------

void Program::MakeTopic() {
  if (topics_.size() >= 4) return;
  auto t = std::make_unique<SimTopic>();
  t->name = absl::StrCat("topic-", ++names_);
  t->chain = OneIn(3);
  t->config.full_policy = static_cast<FullPolicy>(Below(3));
  if (OneIn(2)) t->config.budget_bytes = (64 << 10) + Below(128 << 10);
  if (OneIn(4)) t->config.retention_age_ms = static_cast<int64_t>(1'000 + Below(20'000));
  if (OneIn(4)) t->config.retention_bytes = (64 << 10) + Below(64 << 10);
  if (OneIn(6)) t->config.idle_expiry_ms = static_cast<int64_t>(1'000 + Below(10'000));
  if (t->chain) {
    if (t->config.full_policy == FullPolicy::kDropOldest)
      t->config.full_policy = FullPolicy::kBlock;
    t->config.retention_age_ms = 0;
    t->config.retention_bytes = 0;
  }
  t->model.may_give_up = t->config.retention_age_ms != 0 || t->config.retention_bytes != 0 ||
                         t->config.full_policy == FullPolicy::kDropOldest;
  for (uint64_t i = 0; i < 3; ++i) {
    t->publishers.push_back({i == 0 ? "" : absl::StrCat("producer-", i), 1 + Below(3), 0});
  }
  const absl::StatusOr<TopicPtr> made = broker_->CreateTopic(t->name, t->config);
  if (!made.ok()) return Fail(made.status().ToString());
  t->topic = *made;
  if (memory_ == nullptr) memory_ = t->topic->storage()->memory;
  Trace(absl::StrCat("make ", t->name, " policy ", static_cast<int>(t->config.full_policy),
                     t->chain ? " chain" : "", " budget ", t->config.budget_bytes, " retention ",
                     t->config.retention_age_ms, " ms ", t->config.retention_bytes, " bytes"));
  topics_.push_back(std::move(t));
}

void Program::DeleteTopic() {
  SimTopic* t = Pick(topics_);
  if (t == nullptr || t->deleted || !OneIn(3)) return;
  Trace("delete " + t->name);
  Deleted(*t);
  if (const absl::Status status = broker_->DeleteTopic(t->name); !status.ok()) {
    Fail(status.ToString());
  }
}

void Program::Deleted(SimTopic& t) {
  t.deleted = true;
  snapshots_.erase(std::remove_if(snapshots_.begin(), snapshots_.end(),
                                  [&](const SimSnapshot& s) { return s.topic == &t; }),
                   snapshots_.end());
  for (auto& s : subscriptions_) {
    if (s->topic == &t) End(*s);
  }
}

void Program::Publish() {
  SimTopic* t = Pick(topics_);
  if (t == nullptr || (t->deleted && !OneIn(5))) return;
  Publisher& p = t->publishers[Below(t->publishers.size())];
  std::vector<std::string> bodies;
  const uint64_t count = 1 + Below(OneIn(10) ? 40 : 5);
  const uint64_t most = OneIn(8) ? 20'000 : 600;
  for (uint64_t i = 0; i < count; ++i) {
    bodies.push_back(MessageOfKind(static_cast<char>('a' + Below(3)),
                                   OneIn(3) ? "" : absl::StrCat("key-", Below(5)),
                                   NumberedBody(random_() % 1'000'000'000, Below(most + 1))));
  }
  auto batch = std::make_shared<Batch>(bodies);
  if (!p.name.empty()) {
    uint64_t number = p.next_batch;
    if (OneIn(8) && number > 1) number -= 1 + Below(std::min<uint64_t>(number - 1, 3));
    if (OneIn(30)) ++number;
    batch->SetProducer(p.name, number);
    p.next_batch = std::max(p.next_batch, number + 1);
  }
  Batch* const raw = batch.get();
  batch->done = [this, t, &p, raw] { OnAnswer(*t, p, *raw); };
  t->batches.push_back(std::move(batch));
  Trace(absl::StrCat("publish ", count, " messages, ", raw->bytes, " bytes to ", t->name, " ",
                     p.name, " ", raw->batch));
  t->topic->Publish(raw);
}

void Program::OnAnswer(SimTopic& t, Publisher& p, Batch& batch) {
  const PublishResult& result = batch.result;
  Trace(absl::StrCat("answered ", t.name, " ", p.name, " ", batch.batch, ": ",
                     result.first_sequence, "+", result.count,
                     result.duplicate ? " duplicate " : " ", result.status.ToString()));
  if (batch.answers != 1) Fail("a batch was answered twice");
  if (!batch.abandoned_flag) {
    while (t.first_unanswered < t.batches.size() && t.batches[t.first_unanswered]->abandoned_flag) {
      ++t.first_unanswered;
    }
    if (t.first_unanswered >= t.batches.size() || t.batches[t.first_unanswered].get() != &batch) {
      Fail("answers are not in the order of the batches");
    }
    ++t.first_unanswered;
  }
  const std::string key = absl::StrCat(p.name, "/", batch.batch);
  switch (result.status.code()) {
    case absl::StatusCode::kOk:
      break;
    case absl::StatusCode::kAborted:
      // Perhaps it is being deleted at this moment, as it was idle.
      if (p.name.empty() && !t.deleted && !letters_wait_ && broker_->GetTopic(t.name).ok()) {
        Fail("aborted for no reason");
      }
      break;
    case absl::StatusCode::kCancelled:
      if (!batch.abandoned_flag) Fail("cancelled, but nobody had abandoned it");
      break;
    case absl::StatusCode::kResourceExhausted:
      if (limit_ == 0 && t.config.budget_bytes == 0) Fail("full without a limit");
      if (t.config.full_policy == FullPolicy::kBlock && batch.bytes < (40 << 10)) {
        Fail("refused, where it should wait");
      }
      if (result.retry_after_ms <= 0) Fail("no time to retry after");
      break;
    default:
      Fail(result.status.ToString());
  }
  if (!result.status.ok()) {
    if (!p.name.empty()) p.next_batch = std::max<uint64_t>(1, p.last_taken + 1);
    return;
  }
  if (result.count != batch.count && !result.duplicate) Fail("a batch was not taken whole");
  if (result.duplicate) {
    const auto known = t.taken.find(key);
    if (known == t.taken.end()) return Fail("a duplicate of nothing");
    if (known->second != std::make_pair(result.first_sequence, result.count)) {
      Fail("a duplicate has not the sequences of the original");
    }
    return;
  }
  if (!p.name.empty()) {
    if (!t.taken.emplace(key, std::make_pair(result.first_sequence, result.count)).second) {
      Fail("a batch was stored twice");
    }
    p.last_taken = batch.batch;
  }
  if (result.first_sequence != t.next_sequence) Fail("a hole in the sequences");
  t.next_sequence = result.first_sequence + result.count;
  const std::vector<std::string> bodies = Bodies(batch.records, batch.bytes);
  for (size_t i = 0; i < bodies.size(); ++i) {
    const auto [known, added] = t.model.bodies.emplace(result.first_sequence + i, bodies[i]);
    if (known->second != bodies[i]) Fail("delivered bytes are not those published");
  }
  if (OneIn(20)) Publish();  // from within the answer
}

void Program::Abandon() {
  SimTopic* t = Pick(topics_);
  if (t == nullptr) return;
  for (auto& batch : t->batches) {
    if (!batch->answered() && OneIn(2)) batch->abandoned_flag = true;
  }
  t->topic->DropAbandoned();
}

// --- Subscriptions and consumers ----------------------------------------------------------------

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
    start.sequence = 1 + Below(t->next_sequence + 5);
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
  s->model->mixed = s->model->mixed || s->modes == Modes::kMixed;
  s->model->allow_gaps_not_kept =
      start.kind == StartPosition::Kind::kSequence || start.kind == StartPosition::Kind::kTime;
  s->first_of_topic = !t->had_subscription && start.kind == StartPosition::Kind::kEarliest;
  t->had_subscription = true;
  if (!t->chain) s->config = RandomConfig(s->model);
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
          floor != 1) {
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
  c->stream->on_end = [this, raw] {
    Trace(Name(raw->stream.get()) + " ended");
    if (!raw->subscription->ended) Fail("a stream was ended for no reason");
    raw->removed = true;
  };
  Trace(absl::StrCat("add ", Name(c->stream.get()), automatic ? " auto" : " explicit", " to \"",
                     s.name, "\" of ", s.topic->name, " credit ", options.credit.max_messages, "/",
                     options.credit.max_bytes, " deadline ", c->deadline_ms));
  const StreamPtr stream = c->stream;
  s.consumers.push_back(std::move(c));
  s.subscription->Add(stream);
}

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
  model.Delivered(&c, c.mode, frame, c.deadline_ms, world_.clock.steady_ms);
  if (c.prompt) Accept(c, true);
}

void Program::Accept(SimConsumer& c, bool ok) {
  Trace(absl::StrCat(Name(c.stream.get()), ok ? " accepts" : " refuses"));
  if (c.mode == AckMode::kAuto) {
    ok ? c.subscription->model->Accepted(&c) : c.subscription->model->Refused(&c);
  }
  const bool last = c.removed && c.remove_settled;
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
      model.Nacked(c, s, s);
    }
    subscription.Update(c->stream, update);
  } else {
    const int64_t deadline_ms = static_cast<int64_t>(Below(4) == 0 ? 0 : 1 + Below(5'000));
    update.extensions.push_back({{1, 1 + leased[0]}, deadline_ms});
    Trace(absl::StrCat(Name(c->stream.get()), " extends ..", 1 + leased[0], " to ", deadline_ms));
    Settle();
    if (c->stream == nullptr || c->removed) return;
    if (deadline_ms == 0) {
      model.Nacked(c, 1, 1 + leased[0]);
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

void Program::Seek() {
  SimSubscription* s = Pick(subscriptions_);
  if (s == nullptr || s->ended || s->name.empty()) return;
  Settle();
  if (s->ended || !failure_.empty()) return;
  StartPosition to;
  to.kind = static_cast<StartPosition::Kind>(Below(4));
  to.sequence = 1 + Below(s->topic->next_sequence + 3);
  to.time_ms = world_.clock.wall_ms - static_cast<int64_t>(Below(5'000));
  Trace(absl::StrCat("seek ", s->name, " to kind ", static_cast<int>(to.kind), " ", to.sequence));
  bool answered = false;
  s->subscription->Seek(to, [&, s](const absl::StatusOr<SeekResult>& result) {
    answered = true;
    if (!result.ok()) return Fail(result.status().ToString());
    const uint64_t end = s->topic->next_sequence;
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
  const SubscriptionModel::Snapshot model = s->model->Take(s->topic->next_sequence);
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

void Program::Remove(SimConsumer& c) {
  Trace(absl::StrCat("remove ", Name(c.stream.get())));
  c.removed = true;
  c.subscription->model->Gone(&c);
  // One that the subscription has not seen yet was no use.
  if (c.started) c.subscription->used_ms = world_.clock.steady_ms;
  if (c.subscription->name.empty()) c.subscription->ended = true;
  c.subscription->subscription->Remove(c.stream);
}

void Program::Crash() {
  SimConsumer* c = PickConsumer();
  if (c == nullptr || c->removed) return;
  if (c->stream->sending && OneIn(2)) Accept(*c, OneIn(2));
  Remove(*c);
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

void Program::Advance() {
  const int64_t ms = static_cast<int64_t>(Below(OneIn(4) ? 5'000 : 300));
  Trace(absl::StrCat("advance ", ms));
  if (OneIn(20)) world_.clock.wall_ms -= static_cast<int64_t>(Below(2'000));
  OneIn(2) ? world_.Advance(ms) : world_.AdvanceAndSettle(ms);
}

// --- The end ------------------------------------------------------------------------------------

void Program::AckAll(SimConsumer& c) {
  if (c.mode == AckMode::kAuto || c.removed) return;
  SubscriptionModel& model = *c.subscription->model;
  ConsumerUpdate update;
  for (const uint64_t s : model.LeasedTo(&c)) {
    if (!update.acks.empty() && update.acks.back().last + 1 == s) {
      update.acks.back().last = s;
    } else {
      update.acks.push_back({s, s});
    }
    model.Acked(s, s);
  }
  if (!update.acks.empty()) c.subscription->subscription->Update(c.stream, update);
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
    const SubscriptionStats stats = s->subscription->Stats();
    const uint64_t waiting = stats.figures.dead_letter_waiting;
    if (waiting != 0 && limit_ == 0) Fail("dead letters wait, and there is memory");
    letters_wait_ |= waiting != 0;
    s->model->CheckComplete(s->topic->next_sequence, waiting);
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
