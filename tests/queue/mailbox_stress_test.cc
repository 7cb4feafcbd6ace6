#include <atomic>
#include <thread>
#include <vector>

#include "broker/queue/mailbox.h"
#include "tests/queue/stress.h"
#include "tests/support/catch.h"

namespace estiba {
namespace {

using testing::Event;
using testing::Findings;
using testing::ReadStamp;
using testing::Stamp;
using testing::StampedBody;

struct Command {
  std::string body;
  Command* next = nullptr;
};

// The owner's state is plain: ThreadSanitizer sees whether it is handed from runner to runner.
struct Owner {
  explicit Owner(size_t producers) : next_number(producers, 0) {}

  void Run(Findings& findings) {
    do {
      HandleAll(findings);
    } while (!mailbox.TryIdle());
  }

  void HandleAll(Findings& findings) {
    for (Command* c = mailbox.TakeAll(); c != nullptr;) {
      Command* const next = c->next;
      Stamp stamp;
      findings.Check(ReadStamp(c->body, &stamp), "a torn command");
      const uint64_t expected = next_number[stamp.producer]++;
      findings.Check(stamp.number >= expected, "a command twice, or out of order");
      findings.Check(stamp.number <= expected, "a command lost, or out of order");
      c = next;
    }
  }

  Mailbox<Command> mailbox;
  std::vector<uint64_t> next_number;
};

TEST_CASE("Mailbox: with four threads nothing is lost, doubled, reordered or torn") {
  constexpr size_t kProducers = 4;
  constexpr size_t kEach = 30'000;
  Owner owner(kProducers);
  Findings findings;
  std::vector<std::vector<Command>> commands(kProducers);
  std::vector<std::thread> threads;
  for (size_t p = 0; p < kProducers; ++p) {
    commands[p].resize(kEach);
    threads.emplace_back([&, p] {
      for (size_t i = 0; i < kEach; ++i) {
        commands[p][i].body = StampedBody(p, i, i % 16);
        if (owner.mailbox.Push(&commands[p][i])) owner.Run(findings);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(findings.first() == "");
  CHECK(owner.next_number == std::vector<uint64_t>(kProducers, kEach));
}

TEST_CASE("Mailbox: with a runner that hands its role to another thread nothing is lost") {
  constexpr size_t kProducers = 3;
  constexpr size_t kEach = 10'000;
  Owner owner(kProducers);
  Findings findings;
  Event posted;
  std::atomic<int> jobs{0};  // never more than one: the role is one
  std::atomic<bool> ended{false};
  std::thread pool([&] {
    for (;;) {
      posted.Await();
      const bool last = ended.load(std::memory_order_acquire);
      if (jobs.exchange(0, std::memory_order_acquire) != 0) owner.Run(findings);
      if (last) return;
    }
  });
  std::vector<std::vector<Command>> commands(kProducers);
  std::vector<std::thread> threads;
  for (size_t p = 0; p < kProducers; ++p) {
    commands[p].resize(kEach);
    threads.emplace_back([&, p] {
      for (size_t i = 0; i < kEach; ++i) {
        commands[p][i].body = StampedBody(p, i, 0);
        if (!owner.mailbox.Push(&commands[p][i])) continue;
        owner.HandleAll(findings);
        if (owner.mailbox.TryIdle()) continue;
        findings.Check(jobs.fetch_add(1, std::memory_order_release) == 0, "two runners");
        posted.Set();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ended.store(true, std::memory_order_release);
  posted.Set();
  pool.join();
  CHECK(findings.first() == "");
  CHECK(owner.next_number == std::vector<uint64_t>(kProducers, kEach));
}

}  // namespace
}  // namespace estiba
