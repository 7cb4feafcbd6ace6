#include <memory>
#include <string>
#include <vector>

#include "broker/queue/mailbox.h"
#include "tests/queue/simulation/explore.h"
#include "tests/queue/simulation/var.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::simulation {
namespace {

struct Command {
  Var<Command*> next{nullptr};
  Var<int> producer{0};
  Var<int> number{0};
};

// Producers push to the mailbox of one owner. `commands` hold the nodes in advance.
struct State {
  State(int producers, int each) : commands(producers) {
    for (auto& of_one : commands) {
      for (int i = 0; i < each; ++i) of_one.push_back(std::make_unique<Command>());
    }
  }

  // The loop in the header's comment. A new runner may use the owner's state at once.
  void Run() {
    Check(owner <= static_cast<int>(handled.size()), "the owner's state runs ahead");
    do {
      HandleAll();
    } while (!mailbox.TryIdle());
  }

  void HandleAll() {
    Check(!running, "two runners at a time");
    running = true;
    for (Command* c = mailbox.TakeAll(); c != nullptr;) {
      Command* next = c->next;
      handled.push_back({c->producer, c->number});
      owner = owner + 1;  // the owner's own state, which passes from runner to runner
      c = next;
    }
    running = false;
  }

  void CheckAllHandled() {
    std::vector<int> next(commands.size(), 0);
    for (const auto& [producer, number] : handled) {
      Check(number == next[producer]++, "not the order in which a producer pushed");
    }
    for (size_t i = 0; i < commands.size(); ++i) {
      Check(next[i] == static_cast<int>(commands[i].size()), "a command was lost");
    }
    Check(owner == static_cast<int>(handled.size()), "the owner's state was lost");
    Command one;
    Check(mailbox.Push(&one), "not idle in the end");
    Check(mailbox.TakeAll() == &one, "something was left");
    Check(mailbox.TryIdle(), "not idle after the last command");
  }

  Mailbox<Command> mailbox;
  std::vector<std::vector<std::unique_ptr<Command>>> commands;
  Var<int> owner{0};
  bool running = false;
  std::vector<std::pair<int, int>> handled;
};

void PushAll(const std::shared_ptr<State>& state, int producer, const std::function<void()>& run) {
  int number = 0;
  for (const auto& command : state->commands[producer]) {
    command->producer = producer;
    command->number = number++;
    if (state->mailbox.Push(command.get())) run();
  }
}

SetUp Producers(int producers, int each) {
  return [=](Program& program) {
    auto state = std::make_shared<State>(producers, each);
    for (int p = 0; p < producers; ++p) {
      program.Thread([=] { PushAll(state, p, [&] { state->Run(); }); });
    }
    program.Finally([=] { state->CheckAllHandled(); });
  };
}

// A runner handles what is there once, and leaves the rest to a thread of the pool.
SetUp HandOver(int producers, int each) {
  return [=](Program& program) {
    struct Pool {
      Atomic<int> jobs{0};
      int posted = 0;
      int producers_left;
    };
    auto state = std::make_shared<State>(producers, each);
    auto pool = std::make_shared<Pool>();
    pool->producers_left = producers;
    for (int p = 0; p < producers; ++p) {
      program.Thread([=] {
        PushAll(state, p, [&] {
          state->HandleAll();
          if (state->mailbox.TryIdle()) return;
          pool->jobs.fetch_add(1, std::memory_order_release);
          ++pool->posted;
        });
        --pool->producers_left;
      });
    }
    program.Thread([=] {
      for (int done = 0;; ++done) {
        WaitUntil([=] { return pool->posted > done || pool->producers_left == 0; });
        if (pool->posted == done) return;
        while (pool->jobs.load(std::memory_order_acquire) <= done) {
        }
        state->Run();
      }
    });
    program.Finally([=] { state->CheckAllHandled(); });
  };
}

TEST_CASE("Mailbox: all schedules of two producers lose nothing and have one runner") {
  const Outcome outcome =
      ExploreAll({.preemptions = 3, .stale_loads = 1, .spurious_failures = 1}, Producers(2, 2));
  CHECK(outcome.failure == "");
  CHECK(outcome.executions > 1000);
}

TEST_CASE("Mailbox: all schedules of three producers lose nothing and have one runner") {
  CHECK(ExploreAll({.preemptions = 3, .stale_loads = 1, .spurious_failures = 0}, Producers(3, 1))
            .failure == "");
}

TEST_CASE("Mailbox: random schedules of three producers lose nothing and have one runner") {
  CHECK(ExploreRandomly(testing::Seed(), 20'000, Producers(3, 4)).failure == "");
}

TEST_CASE("Mailbox: the role of runner can be handed to another thread") {
  CHECK(ExploreAll({.preemptions = 2, .stale_loads = 1, .spurious_failures = 0}, HandOver(2, 1))
            .failure == "");
  CHECK(ExploreRandomly(testing::Seed(), 10'000, HandOver(3, 3)).failure == "");
}

}  // namespace
}  // namespace estiba::simulation
