#pragma once

#include "broker/queue/atomic.h"

namespace estiba {

// A lock-free list of those who wait for a condition that somebody else makes true (new messages,
// free memory), without lost wake-ups:
//
//   waiter:  list.Add(&node); if (condition holds now) go on as if woken   (the wake comes as well)
//   waker:   make the condition true; for (n : list.TakeAll()) wake n
//
// Both sides touch the list by read-modify-writes of one atomic. Whichever comes second in its
// modification order sees what the other did before: a waiter that was too late to be taken reads
// the waker's exchange, and so finds the condition true. This holds only if the waker calls TakeAll
// even when the list looks empty.
//
// Node has a member `Node* next_waiter`. A node may be in one list at a time.
// Threads: any, for both calls. Progress: Add lock-free, TakeAll wait-free. Order: none promised.
template <typename Node>
class WaitList {
 public:
  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  void Add(Node* node) {
    // W1: relaxed, the CAS decides.
    Node* head = head_.load(std::memory_order_relaxed);
    do {
      node->next_waiter = head;
      // W2: release publishes the node to W3; acquire reads what a waker did before its W3.
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  }

  // Everyone waiting, linked by `next_waiter`; read that link before waking its node.
  [[nodiscard]] Node* TakeAll() {
    // W3: acquire pairs with W2 of every node taken; release publishes the condition to later W2s.
    return head_.exchange(nullptr, std::memory_order_acq_rel);
  }

 private:
  Atomic<Node*> head_{nullptr};
};

}  // namespace estiba
