#include "broker/runtime/thread_executor.h"

#include <atomic>
#include <thread>
#include <vector>

#include "broker/engine/actor.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace estiba::testing {
namespace {

class Node final : public Actor {
 public:
  using Actor::Actor;
};

TEST_CASE("ThreadExecutor: runs on the calling thread, and inner ones after the outer") {
  ThreadExecutor executor(1);
  const boost::intrusive_ptr<Node> outer(new Node(executor));
  const boost::intrusive_ptr<Node> inner(new Node(executor));
  std::vector<int> order;
  const std::thread::id caller = std::this_thread::get_id();
  bool same_thread = true;
  outer->Post([&] {
    inner->Post([&] {
      order.push_back(2);
      same_thread &= std::this_thread::get_id() == caller;
    });
    order.push_back(1);
    same_thread &= std::this_thread::get_id() == caller;
  });
  CHECK(order == std::vector<int>{1, 2});
  CHECK(same_thread);
}

TEST_CASE("ThreadExecutor: a deferred one runs on another thread") {
  std::atomic<bool> ran{false};
  std::thread::id runner;
  ThreadExecutor executor(1);
  struct Mark final : Command {
    void Run() override { run(); }
    std::function<void()> run;
  } mark;
  mark.run = [&] {
    runner = std::this_thread::get_id();
    ran = true;
  };
  const boost::intrusive_ptr<Node> node(new Node(executor));
  node->SendDeferred(&mark);
  REQUIRE(Eventually([&] { return ran.load(); }));
  CHECK(runner != std::this_thread::get_id());
}

TEST_CASE("ThreadExecutor: what is held back runs on release, in order, and in one turn") {
  ThreadExecutor executor(1);
  const boost::intrusive_ptr<Node> first(new Node(executor));
  const boost::intrusive_ptr<Node> second(new Node(executor));
  std::vector<int> order;
  executor.Hold();
  first->Post([&] {
    order.push_back(1);
    second->Post([&] { order.push_back(4); });
  });
  second->Post([&] { order.push_back(3); });
  first->Post([&] { order.push_back(2); });
  CHECK(order.empty());
  executor.Release();
  CHECK(order == std::vector<int>{1, 2, 3, 4});
  // And afterwards nothing waits any more.
  first->Post([&] { order.push_back(5); });
  CHECK(order.back() == 5);
  executor.Hold();
  executor.Release();
  CHECK(order.size() == 5);
}

TEST_CASE("ThreadExecutor: a wide fan-out is run to the end, beyond what one thread takes") {
  constexpr int kNodes = 1'000;
  std::atomic<int> ran{0};
  ThreadExecutor executor(2);
  std::vector<boost::intrusive_ptr<Node>> nodes;
  for (int i = 0; i < kNodes; ++i) nodes.emplace_back(new Node(executor));
  const boost::intrusive_ptr<Node> source(new Node(executor));
  source->Post([&] {
    for (auto& node : nodes) node->Post([&ran] { ++ran; });
  });
  CHECK(Eventually([&] { return ran == kNodes; }));
}

TEST_CASE("ThreadExecutor: a chain of actors that keep each other busy does not grow the stack") {
  constexpr int kHops = 200'000;
  std::atomic<int> hops{0};
  ThreadExecutor executor(2);
  const boost::intrusive_ptr<Node> a(new Node(executor));
  const boost::intrusive_ptr<Node> b(new Node(executor));
  std::function<void(Node*, Node*)> bounce = [&](Node* from, Node* to) {
    if (++hops < kHops) to->Post([&bounce, from, to] { bounce(to, from); });
  };
  a->Post([&] { bounce(a.get(), b.get()); });
  CHECK(Eventually([&] { return hops == kHops; }));
}

TEST_CASE("ThreadExecutor: one thread in an actor at a time, each command once and in order") {
  constexpr int kThreads = 4;
  constexpr int kCommands = 20'000;
  ThreadExecutor executor(2);
  const boost::intrusive_ptr<Node> node(new Node(executor));
  int inside = 0;  // plain on purpose: ThreadSanitizer would see two threads
  int last[kThreads] = {};
  bool broken = false;
  std::atomic<int> ran{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kCommands; ++i) {
        node->Post([&, t, i] {
          broken |= ++inside != 1 || last[t] != i - 1;
          last[t] = i;
          --inside;
          ++ran;
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(Eventually([&] { return ran == kThreads * kCommands; }));
  CHECK(!broken);
}

}  // namespace
}  // namespace estiba::testing
