#include "broker/queue/mailbox.h"

#include <vector>

#include "tests/support/catch.h"

namespace estiba {
namespace {

struct Command {
  int number = 0;
  Command* next = nullptr;
};

std::vector<int> Numbers(Command* first) {
  std::vector<int> numbers;
  for (Command* c = first; c != nullptr; c = c->next) numbers.push_back(c->number);
  return numbers;
}

TEST_CASE("Mailbox: nothing is taken from one that nobody pushed to") {
  Mailbox<Command> mailbox;
  Command command;
  REQUIRE(mailbox.Push(&command));  // whoever may take is the runner
  REQUIRE(mailbox.TakeAll() == &command);
  CHECK(mailbox.TakeAll() == nullptr);
  CHECK(mailbox.TryIdle());
}

TEST_CASE("Mailbox: the push that finds it idle makes the runner, the ones after it do not") {
  Mailbox<Command> mailbox;
  Command a, b, c;
  CHECK(mailbox.Push(&a));
  CHECK_FALSE(mailbox.Push(&b));
  REQUIRE(mailbox.TakeAll() == &a);
  CHECK_FALSE(mailbox.Push(&c));  // taken, but still run
  REQUIRE(mailbox.TakeAll() == &c);
  REQUIRE(mailbox.TryIdle());
  CHECK(mailbox.Push(&a));
}

TEST_CASE("Mailbox: nodes come out oldest first, once, linked to a null") {
  Mailbox<Command> mailbox;
  std::vector<Command> commands(100);
  for (int i = 0; i < 100; ++i) {
    commands[i].number = i;
    CHECK(mailbox.Push(&commands[i]) == (i == 0));
  }
  const std::vector<int> numbers = Numbers(mailbox.TakeAll());
  REQUIRE(numbers.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(numbers[i] == i);
  CHECK(mailbox.TakeAll() == nullptr);
}

TEST_CASE("Mailbox: a runner cannot become idle over a push that came meanwhile") {
  Mailbox<Command> mailbox;
  Command a, b;
  REQUIRE(mailbox.Push(&a));
  REQUIRE_FALSE(mailbox.TryIdle());  // before the first take
  REQUIRE(mailbox.TakeAll() == &a);
  REQUIRE_FALSE(mailbox.Push(&b));
  REQUIRE_FALSE(mailbox.TryIdle());
  REQUIRE(mailbox.TakeAll() == &b);
  REQUIRE(mailbox.TryIdle());
}

TEST_CASE("Mailbox: a node can be pushed again as soon as it was taken") {
  Mailbox<Command> mailbox;
  Command a;
  REQUIRE(mailbox.Push(&a));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(mailbox.TakeAll() == &a);
    CHECK(a.next == nullptr);
    REQUIRE_FALSE(mailbox.Push(&a));
  }
}

}  // namespace
}  // namespace estiba
