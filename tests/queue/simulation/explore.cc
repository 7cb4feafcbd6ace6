#include "tests/queue/simulation/explore.h"

#include <random>
#include <utility>

#include "tests/queue/simulation/world.h"
#include "tests/support/eventually.h"

namespace estiba::simulation {
namespace {

class RandomChooser : public Chooser {
 public:
  // Some executions switch often, some rarely: each finds other things.
  explicit RandomChooser(uint64_t seed) : random_(seed), switch_one_in_(2u << (random_() % 4)) {}

  int Preempt(int others) override { return Below(switch_one_in_) == 0 ? Below(others) : -1; }
  int Next(int threads) override { return Below(threads); }
  size_t Age(size_t visible) override { return Below(2) == 0 ? 0 : Below(visible); }
  bool SpuriousFailure() override { return Below(8) == 0; }

 private:
  int Below(uint64_t limit) { return static_cast<int>(random_() % limit); }

  std::mt19937_64 random_;
  const uint32_t switch_one_in_;
};

// Depth first: repeats the choices of the last execution but for the last one that had another
// option left.
class BoundedChooser : public Chooser {
 public:
  explicit BoundedChooser(const Bounds& bounds) : bounds_(bounds), left_(bounds) {}

  // False: that was the last execution.
  bool Advance() {
    left_ = bounds_;
    at_ = 0;
    while (!path_.empty() && path_.back().taken + 1 == path_.back().options) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().taken;
    return true;
  }

  int Preempt(int others) override {
    if (left_.preemptions == 0) return -1;
    const int choice = Choose(others + 1) - 1;
    if (choice >= 0) --left_.preemptions;
    return choice;
  }
  int Next(int threads) override { return Choose(threads); }
  size_t Age(size_t visible) override {
    if (left_.stale_loads == 0) return 0;
    const int choice = Choose(static_cast<int>(visible));
    if (choice != 0) --left_.stale_loads;
    return static_cast<size_t>(choice);
  }
  bool SpuriousFailure() override {
    if (left_.spurious_failures == 0 || Choose(2) == 0) return false;
    --left_.spurious_failures;
    return true;
  }

  std::string Path() const {
    std::string text;
    for (const Step& step : path_) text += std::to_string(step.taken) + " ";
    return text;
  }

 private:
  struct Step {
    int taken;
    int options;
  };

  int Choose(int options) {
    if (at_ == path_.size()) path_.push_back({0, options});
    return path_[at_++].taken;
  }

  const Bounds bounds_;
  Bounds left_;
  std::vector<Step> path_;
  size_t at_ = 0;
};

std::string RunOnce(Chooser& chooser, const SetUp& set_up) {
  World world(chooser);
  Program program;
  set_up(program);
  return world.Run(program);
}

}  // namespace

Outcome ExploreAll(const Bounds& bounds, const SetUp& set_up) {
  BoundedChooser chooser(bounds);
  Outcome outcome;
  do {
    ++outcome.executions;
    const std::string failure = RunOnce(chooser, set_up);
    if (!failure.empty()) {
      outcome.failure = failure + "; choices: " + chooser.Path();
      break;
    }
  } while (chooser.Advance());
  return outcome;
}

Outcome ExploreRandomly(uint64_t seed, uint64_t executions, const SetUp& set_up) {
  Outcome outcome;
  std::mt19937_64 seeds(seed);
  executions /= testing::kSlowdown;
  while (outcome.executions < executions && outcome.failure.empty()) {
    RandomChooser chooser(seeds());
    const std::string failure = RunOnce(chooser, set_up);
    if (!failure.empty()) {
      outcome.failure = failure + "; seed " + std::to_string(seed) + ", execution " +
                        std::to_string(outcome.executions);
    }
    ++outcome.executions;
  }
  return outcome;
}

}  // namespace estiba::simulation
