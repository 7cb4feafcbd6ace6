#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <utility>

#include "broker/engine/executor.h"
#include "broker/queue/mailbox.h"

namespace estiba {

// What an actor is asked to do. Runs in a turn of the actor it was sent to. Owned by its sender,
// who must not touch it between Send and Run; Run may delete it or send it again.
class Command {
 public:
  virtual void Run() = 0;
  Command* next = nullptr;

 protected:
  virtual ~Command() = default;
};

// An object whose state belongs to its turns: commands come through a lock-free mailbox, and
// whoever finds it idle runs it. Within a turn no lock is needed and none is held.
//
// Threads: Send, SendDeferred and Post from any thread.
// Lifetime: reference-counted; commands under way keep it alive.
class Actor : public Runnable, public boost::intrusive_ref_counter<Actor> {
 public:
  explicit Actor(Executor& executor) : executor_(executor) {}
  virtual ~Actor() = default;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  // Runs the command in a turn of this actor; on this thread, before returning, if the actor is
  // idle and the caller is not in a turn of another.
  void Send(Command* command) {
    if (Push(command)) executor_.Run(this);
  }
  // The same, but never on the caller's stack.
  void SendDeferred(Command* command) {
    if (Push(command)) executor_.Defer(this);
  }
  // Sends a function. Allocates; for what is not done per message.
  template <typename F>
  void Post(F f) {
    Send(Wrap(std::move(f)));
  }
  // The same, but never on the caller's stack.
  template <typename F>
  void PostDeferred(F f) {
    SendDeferred(Wrap(std::move(f)));
  }

 protected:
  // After the commands of a turn, in the same turn.
  virtual void EndTurn() {}

  // For a turn that has done a good deal: what is in the mailbox after it goes on as another turn,
  // behind what else is to run. Only in turns.
  void YieldTurn() { yield_ = true; }

 private:
  // A turn that has done this much hands over to the executor's other threads.
  static constexpr int kMaxCommands = 256;

  template <typename F>
  static Command* Wrap(F f) {
    struct Posted final : Command {
      explicit Posted(F g) : function(std::move(g)) {}
      void Run() override {
        function();
        delete this;
      }
      F function;
    };
    return new Posted(std::move(f));
  }

  bool Push(Command* command) {
    // The reference is taken first: the runner may be done with the command before Push returns.
    boost::intrusive_ptr<Actor> self(this);
    if (!mailbox_.Push(command)) return false;
    self.detach();
    return true;
  }

  void RunTurn() final {
    const boost::intrusive_ptr<Actor> self(this, /*add_ref=*/false);
    int commands = 0;
    yield_ = false;
    do {
      if (commands >= kMaxCommands || yield_) {
        intrusive_ptr_add_ref(this);
        executor_.Defer(this);
        return;
      }
      for (Command* c = mailbox_.TakeAll(); c != nullptr; ++commands) {
        Command* next = c->next;
        c->Run();
        c = next;
      }
      EndTurn();
    } while (!mailbox_.TryIdle());
  }

  Executor& executor_;
  Mailbox<Command> mailbox_;
  bool yield_ = false;  // turn state
};

}  // namespace estiba
