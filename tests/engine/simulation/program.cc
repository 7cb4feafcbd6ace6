#include "tests/engine/simulation/program.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace estiba::testing {
namespace {

// Bookkeeping cannot be refused, so it may take the budget this far over its limit.
constexpr uint64_t kMostForcedBytes = 64 << 10;

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

Program::~Program() {
  // One that has failed ends in the middle: batches are answered while they are there.
  broker_.reset();
  world_.executor.Settle(100'000);
}

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
      const bool to_end = c->in_order && c->stream->ends.empty();
      if (c->removed && !to_end && !c->stream->sending && c->stream->broken_rule.empty())
        c->stream = nullptr;
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

void Program::Advance() {
  const int64_t ms = static_cast<int64_t>(Below(OneIn(4) ? 5'000 : 300));
  Trace(absl::StrCat("advance ", ms));
  if (OneIn(20)) world_.clock.wall_ms -= static_cast<int64_t>(Below(2'000));
  OneIn(2) ? world_.Advance(ms) : world_.AdvanceAndSettle(ms);
}

std::string Program::Name(const Consumer* c) {
  return absl::StrCat("consumer ", static_cast<const Stream*>(c)->name);
}

}  // namespace estiba::testing
