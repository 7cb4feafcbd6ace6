// Program: topics, and what is published to them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/base/wire_writer.h"
#include "tests/engine/simulation/program.h"

namespace estiba::testing {
namespace {

// An encoded message with an attribute "kind"; its value is the last byte.
std::string MessageOfKind(char kind, const std::string& key, const MessageTimes& times,
                          const std::string& data) {
  std::string entry;
  WireWriter(entry).Bytes(1, "kind");
  WireWriter(entry).Bytes(2, std::string_view(&kind, 1));
  std::string message;
  if (!key.empty()) WireWriter(message).Bytes(5, key);
  const auto time = [&](uint32_t field, int64_t ms) {
    if (ms != 0) WireWriter(message).Varint(field, static_cast<uint64_t>(ms));
  };
  time(MessageTimes::kDeliverAfter, times.deliver_after_ms);
  time(MessageTimes::kTimeToLive, times.time_to_live_ms);
  WireWriter(message).Bytes(1, data);
  WireWriter(message).Bytes(2, entry);
  return message;
}

}  // namespace

void Program::MakeTopic() {
  if (topics_.size() >= 4) return;
  auto t = std::make_unique<SimTopic>();
  t->name = absl::StrCat("topic-", ++names_);
  t->chain = OneIn(3);
  t->config.full_policy = static_cast<FullPolicy>(Below(3));
  if (OneIn(2)) t->config.budget_bytes = (64 << 10) + Below(128 << 10);
  if (OneIn(4)) t->config.retention_age_ms = static_cast<int64_t>(1'000 + Below(20'000));
  if (OneIn(4)) t->config.retention_bytes = (64 << 10) + Below(64 << 10);
  t->config.dedup_window_ms = static_cast<int64_t>(1'000 + Below(5'000));
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
  const bool timed = OneIn(4);
  for (uint64_t i = 0; i < count; ++i) {
    MessageTimes times;
    if (timed && OneIn(3)) times.deliver_after_ms = static_cast<int64_t>(1 + Below(5'000));
    if (timed && OneIn(3)) times.time_to_live_ms = static_cast<int64_t>(1 + Below(5'000));
    bodies.push_back(MessageOfKind(static_cast<char>('a' + Below(3)),
                                   OneIn(3) ? "" : absl::StrCat("key-", Below(5)), times,
                                   NumberedBody(random_() % 1'000'000'000, Below(most + 1))));
  }
  auto batch = std::make_shared<Batch>(bodies);
  batch->TakeTimesOf(bodies);
  t->may_expire |= batch->expires;
  if (!p.name.empty()) {
    uint64_t number = p.next_batch;
    if (OneIn(8) && number > 1) number -= 1 + Below(std::min<uint64_t>(number - 1, 3));
    if (OneIn(30)) ++number;
    batch->SetProducer(p.name, number);
    p.next_batch = std::max(p.next_batch, number + 1);
  }
  if (p.name.empty() && OneIn(4)) batch->SetDedupId("", absl::StrCat("id-", Below(6)));
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
  const bool has_id = !batch.dedup_id.empty();
  const std::string key = absl::StrCat(p.name, "/", batch.batch, "/", batch.id_text);
  const int64_t now = world_.clock.steady_ms;
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
      // What is scheduled takes more.
      if (t.config.full_policy == FullPolicy::kBlock &&
          batch.bytes < (batch.scheduled ? 30u << 10 : 40u << 10)) {
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
  if (result.count + result.scheduled != batch.count && !result.duplicate) {
    Fail("a batch was not taken whole");
  }
  if (result.duplicate) {
    const auto known = t.taken.find(key);
    if (known == t.taken.end()) return Fail("a duplicate of nothing");
    if (has_id && now >= t.ids_until[key]) Fail("a duplicate of what is to be forgotten");
    if (known->second != std::make_pair(result.first_sequence, result.count)) {
      Fail("a duplicate has not the sequences of the original");
    }
    return;
  }
  if (has_id) {
    if (t.taken.contains(key) && now < t.ids_until[key]) Fail("a batch was stored twice");
    t.taken[key] = {result.first_sequence, result.count};
    t.ids_until[key] = now + t.config.dedup_window_ms;
  }
  if (!p.name.empty()) {
    if (!t.taken.emplace(key, std::make_pair(result.first_sequence, result.count)).second) {
      Fail("a batch was stored twice");
    }
    p.last_taken = batch.batch;
  }
  OnTaken(t, batch);
  if (OneIn(20)) Publish();  // from within the answer
}

void Program::OnTaken(SimTopic& t, const Batch& batch) {
  const PublishResult& result = batch.result;
  const int64_t now = world_.clock.steady_ms;
  uint64_t sequence = result.first_sequence;
  for (const std::string& body : Bodies(batch.records, batch.bytes)) {
    const MessageTimes times = ReadTimes(body);
    if (times.scheduled()) {
      t.schedule.emplace(now + times.deliver_after_ms, body);
      continue;
    }
    const auto [known, added] = t.model.bodies.emplace(sequence, body);
    if (known->second != body) Fail("delivered bytes are not those published");
    t.answered.insert(sequence++);
  }
  if (result.count == 0) return;
  if (sequence != result.first_sequence + result.count) Fail("an answer has another count");
  if (result.first_sequence < t.next_sequence) return Fail("a sequence twice");
  t.unanswered += result.first_sequence - t.next_sequence;
  const auto due = std::distance(t.schedule.begin(), t.schedule.upper_bound(now - 1));
  if (t.unanswered > static_cast<uint64_t>(due)) {
    Fail("a hole in the sequences, or something was published before its time");
  }
  t.next_sequence = result.first_sequence + result.count;
}

uint64_t Program::LearnSchedule(SimTopic& t) {
  const uint64_t end = t.topic->end_sequence();
  auto due = t.schedule.begin();
  for (uint64_t sequence = 1; sequence < end; ++sequence) {
    if (t.answered.contains(sequence)) continue;
    if (due == t.schedule.end()) {
      Fail(absl::StrCat("message ", sequence, ": was never published"));
      break;
    }
    const auto [known, added] = t.model.bodies.emplace(sequence, due->second);
    if (known->second != due->second) {
      Fail(absl::StrCat("message ", sequence, ": is not what was due at ", due->first));
    }
    ++due;
  }
  return static_cast<uint64_t>(std::distance(due, t.schedule.end()));
}

void Program::Abandon() {
  SimTopic* t = Pick(topics_);
  if (t == nullptr) return;
  for (auto& batch : t->batches) {
    if (!batch->answered() && OneIn(2)) batch->abandoned_flag = true;
  }
  t->topic->DropAbandoned();
}

}  // namespace estiba::testing
