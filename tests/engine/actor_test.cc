// Actors and notices, under the seeded executor.
#include "broker/engine/actor.h"

#include <array>
#include <vector>

#include "broker/engine/notice.h"
#include "tests/engine/simulation/world.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

class Recorder final : public Actor {
 public:
  explicit Recorder(Executor& executor) : Actor(executor) {}
  void Note(int n) {
    Post([this, n] { noted.push_back(n); });
  }
  void Look() { ++looks; }

  std::vector<int> noted;
  int ends = 0;
  int looks = 0;
  Notice<Recorder> notice{this, &Recorder::Look};

 private:
  void EndTurn() override { ++ends; }
};

TEST_CASE("RunQueue: gives them back in order, and those taken together without what comes after") {
  struct Numbered final : Runnable {
    void RunTurn() override {}
  };
  std::array<Numbered, 4> all;
  RunQueue queue;
  CHECK(queue.empty());
  CHECK(queue.front() == nullptr);
  CHECK(queue.Pop() == nullptr);
  for (int round = 0; round < 2; ++round) {
    queue.Push(&all[0]);
    queue.Push(&all[1]);
    CHECK(queue.front() == &all[0]);
    CHECK(queue.Pop() == &all[0]);
    queue.Push(&all[2]);
    RunQueue taken = queue.TakeAll();
    CHECK(queue.empty());
    queue.Push(&all[3]);
    for (Numbered* expected : {&all[1], &all[2]}) CHECK(taken.Pop() == expected);
    CHECK(taken.empty());
    CHECK(queue.Pop() == &all[3]);
    CHECK(queue.Pop() == nullptr);
  }
}

TEST_CASE("Actor: commands run in the order sent, one turn for those that pile up") {
  SeededExecutor executor(Seed());
  executor.run_at_once = false;
  const boost::intrusive_ptr<Recorder> actor(new Recorder(executor));
  for (int i = 0; i < 5; ++i) actor->Note(i);
  CHECK(actor->noted.empty());
  executor.Step();
  CHECK(actor->noted == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(actor->ends == 1);
  CHECK(executor.idle());
}

TEST_CASE("Actor: what comes during a turn runs in it, up to a bound, then somebody else's turn") {
  SeededExecutor executor(Seed());
  const boost::intrusive_ptr<Recorder> actor(new Recorder(executor));
  int left = 1'000;
  std::function<void()> again = [&] {
    if (left-- > 0) actor->Post(again);
  };
  actor->Post(again);
  int turns = 0;
  for (; !executor.idle(); ++turns) executor.Step();
  CHECK(left < 0);
  CHECK(turns >= 3);
  CHECK(turns <= 6);
}

TEST_CASE("Actor: commands under way keep it alive, and nothing does after them") {
  SeededExecutor executor(Seed());
  executor.run_at_once = false;
  boost::intrusive_ptr<Recorder> actor(new Recorder(executor));
  Recorder* const raw = actor.get();
  bool ran = false;
  actor->Post([&ran, raw] { ran = raw->use_count() == 1; });
  actor = nullptr;
  executor.Settle();
  CHECK(ran);
}

TEST_CASE("Notice: sent often it runs once, and again when sent after it has begun") {
  SeededExecutor executor(Seed());
  executor.run_at_once = false;
  const boost::intrusive_ptr<Recorder> actor(new Recorder(executor));
  for (int i = 0; i < 5; ++i) actor->notice.SendOnce();
  executor.Settle();
  CHECK(actor->looks == 1);
  actor->notice.SendOnce();
  executor.Settle();
  CHECK(actor->looks == 2);
}

}  // namespace
}  // namespace estiba::testing
