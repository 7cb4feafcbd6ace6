#include "broker/engine/request_table.h"

#include <string>
#include <vector>

#include "tests/engine/simulation/world.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace estiba::testing {
namespace {

struct Caller final : PendingRequest {
  void OnReply(std::string_view reply) override { replies.emplace_back(reply); }
  void OnNoReply(const absl::Status& status) override { ends.push_back(status); }

  std::vector<std::string> replies;
  std::vector<absl::Status> ends;
};
using CallerPtr = boost::intrusive_ptr<Caller>;

struct TableFixture {
  explicit TableFixture(uint32_t max_pending = 10)
      : world(Seed()),
        table(new RequestTable(world.executor, world.clock, world.timers, max_pending, [this] {
          return ReplyAddress{{random(), random()}};
        })) {}

  CallerPtr Add(int64_t wait_ms, ReplyAddress* address = nullptr) {
    CallerPtr caller(new Caller);
    const auto added = table->Add(caller, world.clock.steady_ms + wait_ms);
    REQUIRE(added.ok());
    if (address != nullptr) *address = *added;
    return caller;
  }

  World world;
  std::mt19937_64 random{Seed()};
  boost::intrusive_ptr<RequestTable> table;
};

TEST_CASE("A reply reaches the caller of its address, once") {
  TableFixture f;
  ReplyAddress a, b;
  const CallerPtr first = f.Add(1000, &a);
  const CallerPtr second = f.Add(1000, &b);
  CHECK(f.table->Reply(b, "two"));
  CHECK(f.table->Reply(a, "one"));
  CHECK(first->replies == std::vector<std::string>{"one"});
  CHECK(second->replies == std::vector<std::string>{"two"});
  CHECK_FALSE(f.table->Reply(a, "again"));
  f.world.AdvanceAndSettle(2000);
  CHECK(first->ends.empty());
  const RequestStats stats = f.table->Stats();
  CHECK(stats.pending == 0);
  CHECK(stats.requests == 2);
  CHECK(stats.replies == 2);
  CHECK(stats.late_replies == 1);
  CHECK(stats.expired == 0);
}

TEST_CASE("A reply to an address that never was is counted and reaches nobody") {
  TableFixture f;
  const CallerPtr caller = f.Add(1000);
  CHECK_FALSE(f.table->Reply(ReplyAddress{{1, 2}}, "guess"));
  CHECK(caller->replies.empty());
  CHECK(f.table->Stats().late_replies == 1);
  CHECK(f.table->Stats().pending == 1);
}

TEST_CASE("A deadline is never early, at most 20 ms late, and ends the wait") {
  TableFixture f;
  ReplyAddress address;
  const CallerPtr slow = f.Add(1000);
  const CallerPtr quick = f.Add(50, &address);
  f.world.AdvanceAndSettle(49);
  CHECK(quick->ends.empty());
  f.world.AdvanceAndSettle(21);
  REQUIRE(quick->ends.size() == 1);
  CHECK(absl::IsDeadlineExceeded(quick->ends[0]));
  CHECK(slow->ends.empty());
  CHECK_FALSE(f.table->Reply(address, "late"));
  f.world.AdvanceAndSettle(1000);
  CHECK(slow->ends.size() == 1);
  CHECK(f.table->Stats().expired == 2);
  CHECK(f.world.timers.empty());
}

TEST_CASE("A cancelled caller hears nothing more") {
  TableFixture f;
  ReplyAddress address;
  const CallerPtr caller = f.Add(50, &address);
  CHECK(f.table->Cancel(address));
  CHECK_FALSE(f.table->Cancel(address));
  CHECK_FALSE(f.table->Reply(address, "late"));
  f.world.AdvanceAndSettle(100);
  CHECK(caller->replies.empty());
  CHECK(caller->ends.empty());
  CHECK(f.table->Stats().expired == 0);
}

TEST_CASE("A full table refuses, and takes again when there is room") {
  TableFixture f(2);
  ReplyAddress address;
  f.Add(1000, &address);
  f.Add(1000);
  const auto refused = f.table->Add(new Caller, 5000);
  CHECK(absl::IsResourceExhausted(refused.status()));
  CHECK_THAT(std::string(refused.status().message()), HasText("max-pending-requests"));
  CHECK(f.table->Stats().refused == 1);
  CHECK(f.table->Cancel(address));
  CHECK(f.table->Add(new Caller, 5000).ok());
}

TEST_CASE("The end of the table ends every wait, and those to come") {
  TableFixture f;
  const CallerPtr caller = f.Add(1000);
  f.table->EndAll(absl::UnavailableError("over"));
  REQUIRE(caller->ends.size() == 1);
  CHECK(absl::IsUnavailable(caller->ends[0]));
  CHECK(absl::IsUnavailable(f.table->Add(new Caller, 5000).status()));
  CHECK(f.table->Stats().pending == 0);
  f.world.AdvanceAndSettle(2000);
  CHECK(caller->ends.size() == 1);
}

TEST_CASE("Of random requests each has exactly one end, at its time") {
  TableFixture f(1'000'000);
  struct Known {
    CallerPtr caller;
    ReplyAddress address;
    int64_t deadline;
    bool cancelled = false;
  };
  std::vector<Known> all;
  for (int step = 0; step < 5'000; ++step) {
    switch (f.random() % 4) {
      case 0: {
        Known known;
        const int64_t wait = 1 + static_cast<int64_t>(f.random() % 300);
        known.deadline = f.world.clock.steady_ms + wait;
        known.caller = f.Add(wait, &known.address);
        all.push_back(known);
        break;
      }
      case 1:
        f.world.AdvanceAndSettle(static_cast<int64_t>(f.random() % 10));
        break;
      default: {
        if (all.empty()) break;
        Known& known = all[f.random() % all.size()];
        const bool over =
            known.cancelled || !known.caller->replies.empty() || !known.caller->ends.empty();
        if (f.random() % 2 == 0) {
          CHECK(f.table->Reply(known.address, "r") == !over);
        } else {
          CHECK(f.table->Cancel(known.address) == !over);
          known.cancelled |= !over;
        }
      }
    }
    for (const Known& known : all) {
      const size_t ends = known.caller->replies.size() + known.caller->ends.size() +
                          static_cast<size_t>(known.cancelled);
      if (ends > 1) FAIL("ended twice");
      if (ends == 0 && f.world.clock.steady_ms > known.deadline + 20) FAIL("forgotten");
      if (!known.caller->ends.empty() && f.world.clock.steady_ms < known.deadline) FAIL("early");
    }
    if (all.size() > 200) all.erase(all.begin(), all.begin() + 100);
  }
}

}  // namespace
}  // namespace estiba::testing
