// One call with a stream in both directions, on encoded messages.
//
// Owner: shared between its user and itself; it keeps itself alive until OnEnd has returned. The
// listener must live until OnEnd is called; after that the stream never touches it again.
//
// Threads: Read, Write, HalfClose and Cancel may be called from any thread. The listener is called
// on the Connection's threads: OnOpen first, OnEnd last and exactly once. OnRead and OnWritten come
// between, each answering one Read or Write; with several threads one may overlap the other.
#ifndef ESTIBA_CLIENT_SRC_STREAM_H_
#define ESTIBA_CLIENT_SRC_STREAM_H_

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "client/src/connection.h"

namespace estiba::internal {

class StreamListener {
 public:
  // Writing and reading may begin. Not called if the call could not be made.
  virtual void OnOpen() = 0;
  // A message has come; the next comes after the next Read. `message` may be kept.
  virtual void OnRead(grpc::ByteBuffer& message) = 0;
  // The last Write has been taken over by the transport; the next may begin.
  virtual void OnWritten() = 0;
  // The stream is over and `status` says why.
  virtual void OnEnd(const absl::Status& status) = 0;

 protected:
  ~StreamListener() = default;
};

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  // What to do while there is no connection: end with UNAVAILABLE, or wait until there is one.
  enum class Unreachable { kFail, kWait };
  // kYes: another Write comes for certain; gRPC may keep this one to send both in one go.
  enum class Followed { kNo, kYes };

  static std::shared_ptr<Stream> Open(Connection& connection, Lane lane, const std::string& method,
                                      StreamListener& listener, Unreachable unreachable);

  // Asks for one message. At most one may be asked for at a time, after OnOpen.
  void Read();
  // Sends one message. At most one at a time, after OnOpen. False: the stream is over and there
  // will be no OnWritten. If it fails later, the stream is over; there will be no OnWritten then
  // either, and OnEnd comes when everything that can be read has been.
  bool Write(const grpc::ByteBuffer& message, Followed followed = Followed::kNo);
  // The same on an application's thread. True: the transport has taken the message over already, as
  // it does when it is not busy; no thread of the Connection's is woken up for that, and there will
  // be no OnWritten.
  bool WriteHere(const grpc::ByteBuffer& message);
  // Nothing more will be written. Once, while no Write is under way.
  void HalfClose();
  // Ends the stream soon, with CANCELLED unless it had ended by itself.
  void Cancel();

 private:
  struct Event final : QueueTag {
    Event(Stream* owner, void (Stream::*handle)(bool)) : stream(owner), handler(handle) {}
    void OnEvent(bool ok) override { (stream->*handler)(ok); }
    Stream* const stream;
    void (Stream::*const handler)(bool);
  };

  Stream(Connection& connection, Lane lane, const std::string& method, StreamListener& listener);

  void Opened(bool ok);
  void ReadDone(bool ok);
  void WriteDone(bool ok);
  void HalfCloseDone(bool ok);
  void FinishDone(bool ok);

  // Counts an operation that is about to start. False: the stream has ended.
  bool Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  // Asks for the final status, once, when nothing more will be read.
  void Finish() ABSL_LOCKS_EXCLUDED(mutex_);
  // Counts an operation as completed; the last one after Finish calls OnEnd.
  void End() ABSL_LOCKS_EXCLUDED(mutex_);

  Connection& connection_;
  StreamListener& listener_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer incoming_;
  grpc::Status status_;
  Event open_event_{this, &Stream::Opened};
  Event read_event_{this, &Stream::ReadDone};
  Event write_event_{this, &Stream::WriteDone};
  Event half_close_event_{this, &Stream::HalfCloseDone};
  Event finish_event_{this, &Stream::FinishDone};

  absl::Mutex mutex_;
  std::shared_ptr<Stream> self_ ABSL_GUARDED_BY(mutex_);
  int operations_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace estiba::internal

#endif  // ESTIBA_CLIENT_SRC_STREAM_H_
