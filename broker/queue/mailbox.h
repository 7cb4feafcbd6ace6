#pragma once

#include <cstdint>

#include "broker/queue/atomic.h"

namespace estiba {

// An intrusive, lock-free queue of commands for one owner, which also says who runs the owner: the
// thread whose Push finds it idle. No thread ever waits; without contention a push is one CAS.
//
// Node is a type with a member `Node* next`, free for the mailbox's use while the node is in it.
//
// Threads: Push from any thread. TakeAll and TryIdle only by the runner, of which there is one at
// a time: the thread that got `true` from Push, or whoever it hands that role to (with ordinary
// release/acquire hand-over), until TryIdle returns true.
// Progress: Push is lock-free (a failed CAS means another push went through), TakeAll and TryIdle
// are wait-free.
// Bound: none here; each kind of node is bounded by whoever owns it (one per stream, per timer,
// ...). Order: nodes of one thread come out in the order pushed; nodes of several threads in the
// order of their successful CAS. Memory: what happened before a Push is visible after the TakeAll
// that returns its node, and what a runner did before TryIdle to the next runner. Destruction:
// idle, with nobody pushing.
//
//   if (mailbox.Push(&command)) Run();              // any thread
//
//   void Run() {                                    // one runner at a time
//     do {
//       for (Node* n = mailbox.TakeAll(); n;) { Node* next = n->next; Handle(n); n = next; }
//     } while (!mailbox.TryIdle());
//   }
template <typename Node>
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Adds a node. True: the mailbox was idle, and the caller is now the runner.
  [[nodiscard]] bool Push(Node* node) {
    // Sync point M1: relaxed is enough here, the CAS below decides.
    Node* head = head_.load(std::memory_order_relaxed);
    do {
      node->next = head == Busy() ? nullptr : head;
      // M2: release publishes the node and what came before it; acquire, for the pusher that
      // becomes the runner, takes over the state that the last runner left at M4 (which M3 would
      // do as well, but a runner may use that state before its first TakeAll).
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // All nodes pushed since the last call, oldest first, linked by `next`; null if there are none.
  [[nodiscard]] Node* TakeAll() {
    // M3: acquire pairs with M2 of every node taken.
    Node* node = head_.exchange(Busy(), std::memory_order_acquire);
    if (node == Busy()) return nullptr;
    Node* oldest = nullptr;
    while (node != nullptr) {
      Node* older = node->next;
      node->next = oldest;
      oldest = node;
      node = older;
    }
    return oldest;
  }

  // Gives up the role of runner if nothing was pushed since TakeAll. False: take again.
  [[nodiscard]] bool TryIdle() {
    Node* expected = Busy();
    // M4: release hands the owner's state to the next runner (M2).
    return head_.compare_exchange_strong(expected, nullptr, std::memory_order_release,
                                         std::memory_order_relaxed);
  }

 private:
  // Marks "has a runner, nothing new". Never dereferenced.
  static Node* Busy() { return reinterpret_cast<Node*>(uintptr_t{1}); }

  // null: idle and empty. Busy(): a runner, nothing new. Otherwise: the youngest node, and a
  // runner.
  Atomic<Node*> head_{nullptr};
};

}  // namespace estiba
