#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace estiba {

class Call;
using CallPtr = boost::intrusive_ptr<Call>;

// What happens in a call: one method's side of it. See Call for who calls what when.
class CallHandler : public boost::intrusive_ref_counter<CallHandler> {
 public:
  virtual ~CallHandler() = default;

  // The call has arrived. Normally asks for the first message (Call::Read).
  virtual void OnStart() = 0;
  // A message, or null: there will be none any more, as the client half-closed or went away.
  virtual void OnRead(grpc::ByteBuffer* message) = 0;
  // The last Write has been accepted by the transport, or (false) never will be.
  virtual void OnWritten(bool ok) = 0;
  // Exactly once: the call is over. `cancelled`: not by Finish, but because the client is gone or
  // Call::Cancel was called. Reads and writes under way still come back (null, false) after it.
  virtual void OnClosed(bool cancelled) = 0;
  // The time given to Call::WakeAfter has come.
  virtual void OnWake() {}
  // The broker wants the call to end with this status: shutdown, an operator. Any thread.
  virtual void End(const absl::Status& status) = 0;
};
using CallHandlerPtr = boost::intrusive_ptr<CallHandler>;

// One call on gRPC's generic API: messages are encoded bytes, whatever the method.
//
// Threads: Read, Write, Finish and Cancel from any thread. At most one Read and one Write may be
// outstanding; Finish once, with no Write outstanding, and nothing after it. The handler's
// functions are called on the thread that serves the call's completion queue, one at a time, except
// End. Each call belongs to one queue, and each queue to one thread. Lifetime: reference-counted;
// until gRPC is done with the call, and while operations are under way, it stays alive, and so does
// its handler. The handler may hold it longer.
class Call final : public boost::intrusive_ref_counter<Call> {
 public:
  // The server, as calls see it. Any thread.
  class Acceptor {
   public:
    virtual ~Acceptor() = default;
    // Makes the handler for the method of a call that has arrived.
    virtual CallHandlerPtr Accept(const CallPtr& call) = 0;
    // Whether to wait for another.
    virtual bool Accepting() const = 0;
    // A call object has been made (1) or has gone (-1), also one that only waits.
    virtual void Count(int difference) = 0;
  };

  ~Call() { acceptor_.Count(-1); }

  // Waits for a call on the queue.
  static void Await(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue,
                    Acceptor& acceptor);

  // The completion queue has delivered `tag`, one of ours.
  static void Complete(void* tag, bool ok);
  // Before that: the size of the message that was read; 0 if it was something else.
  static size_t MessageBytes(void* tag, bool ok);

  void Read();
  void Write(const grpc::ByteBuffer& message);
  // With RESOURCE_EXHAUSTED, retry_after_ms > 0 goes along as google.rpc.RetryInfo.
  void Finish(const absl::Status& status, int64_t retry_after_ms = 0);
  // For a last message and the end in one go.
  void WriteAndFinish(const grpc::ByteBuffer& message);
  // Calls OnWake after this long, unless the call is over by then. One at a time; on the thread
  // that serves the queue.
  void WakeAfter(int64_t ms);
  // Ends it at once, without a status of ours: for streams that do not take what is written.
  void Cancel() { context_.TryCancel(); }

  // "/estiba.v1.Broker/Publish".
  const std::string& method() const { return context_.method(); }
  std::string peer() const { return context_.peer(); }
  // When the client stops waiting; the far future if it did not say.
  std::chrono::system_clock::time_point deadline() const { return context_.deadline(); }
  // A value of the call's metadata; empty if there is none.
  std::string Metadata(std::string_view key) const;

 private:
  // An operation under way; its address is the completion queue's tag.
  struct Operation {
    Call* call;
    void (Call::*done)(bool ok);
  };
  Call(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue, Acceptor& acceptor);

  // A tag for an operation, which holds this call.
  void* Begin(Operation& operation);
  // The same for those that end in the handler, which they hold too.
  void* BeginForHandler(Operation& operation);
  CallHandlerPtr TakeHandler() { return CallHandlerPtr(handler_, /*add_ref=*/false); }

  void OnAccepted(bool ok);
  void OnReadDone(bool ok);
  void OnWriteDone(bool ok);
  void OnFinishDone(bool ok);
  void OnDone(bool ok);
  void OnAlarm(bool ok);

  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  Acceptor& acceptor_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  // Set once, before anything else may happen. Referenced until done_, and by each operation under
  // way: not longer, as the handler holds the call.
  CallHandler* handler_ = nullptr;
  grpc::ByteBuffer incoming_;
  std::unique_ptr<grpc::Alarm> alarm_;
  bool over_ = false;  // on the queue's thread

  Operation accept_{this, &Call::OnAccepted};
  Operation read_{this, &Call::OnReadDone};
  Operation write_{this, &Call::OnWriteDone};
  Operation finish_{this, &Call::OnFinishDone};
  Operation done_{this, &Call::OnDone};
  Operation wake_{this, &Call::OnAlarm};
};

// The method name without its service: "Publish".
std::string_view ShortMethod(std::string_view method);

}  // namespace estiba
