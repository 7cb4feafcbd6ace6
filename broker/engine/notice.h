#pragma once

#include <atomic>

#include "broker/engine/actor.h"

namespace estiba {

// "Look again": a command that calls a member function of its actor. Sent any number of times
// before it runs, it runs once, and then sees what every sender did before sending.
//
// Threads: SendOnce from any. Lifetime: a member of its actor.
template <typename T>
class Notice final : public Command {
 public:
  using Function = void (T::*)();
  Notice(T* actor, Function function) : actor_(actor), function_(function) {}

  void SendOnce() {
    if (!pending_.exchange(true, std::memory_order_acq_rel)) actor_->Send(this);
  }
  // For senders that see to it themselves that it is not under way.
  void Send() { actor_->Send(this); }
  void SendDeferred() { actor_->SendDeferred(this); }

  void Run() override {
    // An exchange, not a store: it reads the last sender's exchange and so comes after what that
    // sender did, and no read of the state can slip ahead of it.
    pending_.exchange(false, std::memory_order_acq_rel);
    (actor_->*function_)();
  }

 private:
  T* const actor_;
  const Function function_;
  std::atomic<bool> pending_{false};
};

}  // namespace estiba
