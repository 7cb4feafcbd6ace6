#include "client/src/stream.h"

#include <utility>

#include "client/src/status.h"

namespace estiba::internal {

std::shared_ptr<Stream> Stream::Open(Connection& connection, Lane lane, const std::string& method,
                                     StreamListener& listener, Unreachable unreachable) {
  std::shared_ptr<Stream> stream(new Stream(connection, lane, method, listener));
  stream->context_.set_wait_for_ready(unreachable == Unreachable::kWait);
  {
    absl::MutexLock lock(&stream->mutex_);
    stream->self_ = stream;
    stream->operations_ = 1;
    // Opening counts as reading: what follows it, in any case, is a read or the end.
    stream->reading_ = true;
  }
  stream->call_->StartCall(&stream->open_event_);
  return stream;
}

Stream::Stream(Connection& connection, Lane lane, const std::string& method,
               StreamListener& listener)
    : connection_(connection), listener_(listener) {
  connection.Prepare(context_);
  call_ = connection.stub(lane).PrepareCall(&context_, method, connection.queue());
}

void Stream::Read() {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_ || finishing_) return;
    reading_ = true;
    ++operations_;
  }
  call_->Read(&incoming_, &read_event_);
}

bool Stream::Write(const grpc::ByteBuffer& message, Followed followed) {
  if (!Begin()) return false;
  grpc::WriteOptions options;
  if (followed == Followed::kYes) options.set_buffer_hint();
  call_->Write(message, options, &write_event_);
  return true;
}

bool Stream::WriteHere(const grpc::ByteBuffer& message) {
  if (!Begin()) return false;
  const bool done = connection_.CompletesHere(
      [&] { call_->Write(message, grpc::WriteOptions(), &write_event_); }, write_event_);
  if (!done) return false;
  {
    absl::MutexLock lock(&mutex_);
    if (operations_ > 1 || !finishing_) {
      --operations_;
      return true;
    }
  }
  // The stream has ended meanwhile, and only this operation has kept OnEnd from being called: by a
  // thread of the Connection's.
  connection_.CompleteThere(write_event_, /*ok=*/false);
  return false;
}

void Stream::HalfClose() {
  if (Begin()) call_->WritesDone(&half_close_event_);
}

void Stream::Cancel() {
  bool finish = false;
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    cancelled_ = true;
    // A read under way notices; without one, nobody would ask for the status.
    finish = !reading_;
  }
  context_.TryCancel();
  if (finish) Finish();
}

void Stream::Opened(bool ok) {
  bool finish = !ok;
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    finish = finish || cancelled_;
  }
  if (finish) {
    Finish();
  } else {
    listener_.OnOpen();
  }
  End();
}

void Stream::ReadDone(bool ok) {
  bool finish = !ok;
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    finish = finish || cancelled_;
  }
  if (finish) {
    Finish();
  } else {
    listener_.OnRead(incoming_);
  }
  End();
}

void Stream::WriteDone(bool ok) {
  // When it fails the stream is over, which the read that is under way or comes next will find;
  // there may still be messages to read before.
  if (ok) listener_.OnWritten();
  End();
}

void Stream::HalfCloseDone(bool) { End(); }

void Stream::FinishDone(bool) { End(); }

bool Stream::Begin() {
  absl::MutexLock lock(&mutex_);
  if (ended_) return false;
  ++operations_;
  return true;
}

void Stream::Finish() {
  {
    absl::MutexLock lock(&mutex_);
    if (finishing_ || ended_) return;
    finishing_ = true;
    ++operations_;
  }
  call_->Finish(&status_, &finish_event_);
}

void Stream::End() {
  std::shared_ptr<Stream> self;
  {
    absl::MutexLock lock(&mutex_);
    if (--operations_ > 0 || !finishing_) return;
    ended_ = true;
    self = std::move(self_);
  }
  listener_.OnEnd(FromGrpc(status_));
}

}  // namespace estiba::internal
