#include "broker/queue/wait_list.h"

#include <set>

#include "tests/support/catch.h"

namespace estiba {
namespace {

struct Waiter {
  Waiter* next_waiter = nullptr;
};

std::multiset<Waiter*> TakeAll(WaitList<Waiter>& list) {
  std::multiset<Waiter*> taken;
  for (Waiter* w = list.TakeAll(); w != nullptr; w = w->next_waiter) taken.insert(w);
  return taken;
}

TEST_CASE("Wait list: nobody is taken from an empty one") {
  WaitList<Waiter> list;
  CHECK(list.TakeAll() == nullptr);
}

TEST_CASE("Wait list: all who wait are taken, once") {
  WaitList<Waiter> list;
  Waiter a, b, c;
  list.Add(&a);
  CHECK(TakeAll(list) == std::multiset<Waiter*>{&a});
  list.Add(&a);
  list.Add(&b);
  list.Add(&c);
  CHECK(TakeAll(list) == std::multiset<Waiter*>{&a, &b, &c});
  CHECK(TakeAll(list).empty());
}

TEST_CASE("Wait list: a waker may let a node wait again once it has read the link") {
  WaitList<Waiter> list;
  Waiter a, b;
  list.Add(&a);
  list.Add(&b);
  int woken = 0;
  for (Waiter* w = list.TakeAll(); w != nullptr; ++woken) {
    Waiter* const next = w->next_waiter;
    list.Add(w);
    w = next;
  }
  CHECK(woken == 2);
  CHECK(TakeAll(list) == std::multiset<Waiter*>{&a, &b});
}

}  // namespace
}  // namespace estiba
