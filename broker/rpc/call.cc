#include "broker/rpc/call.h"

#include <chrono>

#include "broker/rpc/status.h"

namespace estiba {

Call::Call(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue,
           Acceptor& acceptor)
    : service_(service), queue_(queue), acceptor_(acceptor), stream_(&context_) {
  acceptor_.Count(1);
}

void Call::Await(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue,
                 Acceptor& acceptor) {
  const CallPtr call(new Call(service, queue, acceptor));
  // gRPC delivers `done` only for calls that were accepted; its reference is taken then.
  call->context_.AsyncNotifyWhenDone(&call->done_);
  service.RequestCall(&call->context_, &call->stream_, &queue, &queue, call->Begin(call->accept_));
}

void* Call::Begin(Operation& operation) {
  intrusive_ptr_add_ref(this);
  return &operation;
}

void* Call::BeginForHandler(Operation& operation) {
  intrusive_ptr_add_ref(handler_);
  return Begin(operation);
}

void Call::Complete(void* tag, bool ok) {
  const Operation& operation = *static_cast<Operation*>(tag);
  const CallPtr call(operation.call, /*add_ref=*/false);
  (call.get()->*operation.done)(ok);
}

size_t Call::MessageBytes(void* tag, bool ok) {
  const Operation& operation = *static_cast<Operation*>(tag);
  return ok && &operation == &operation.call->read_ ? operation.call->incoming_.Length() : 0;
}

void Call::OnAccepted(bool ok) {
  if (!ok) return;  // the server is shutting down
  Begin(done_);
  if (acceptor_.Accepting()) Await(service_, queue_, acceptor_);
  handler_ = acceptor_.Accept(this).detach();
  handler_->OnStart();
}

void Call::OnDone(bool) {
  over_ = true;
  if (alarm_ != nullptr) alarm_->Cancel();
  TakeHandler()->OnClosed(context_.IsCancelled());
}

void Call::Read() { stream_.Read(&incoming_, BeginForHandler(read_)); }

void Call::OnReadDone(bool ok) { TakeHandler()->OnRead(ok ? &incoming_ : nullptr); }

void Call::Write(const grpc::ByteBuffer& message) {
  stream_.Write(message, BeginForHandler(write_));
}

void Call::OnWriteDone(bool ok) { TakeHandler()->OnWritten(ok); }

void Call::Finish(const absl::Status& status, int64_t retry_after_ms) {
  stream_.Finish(ToGrpcStatus(status, retry_after_ms), BeginForHandler(finish_));
}

void Call::WriteAndFinish(const grpc::ByteBuffer& message) {
  stream_.WriteAndFinish(message, grpc::WriteOptions(), grpc::Status::OK, BeginForHandler(finish_));
}

void Call::OnFinishDone(bool) { TakeHandler(); }

void Call::WakeAfter(int64_t ms) {
  if (over_) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(&queue_, std::chrono::system_clock::now() + std::chrono::milliseconds(ms),
              BeginForHandler(wake_));
}

void Call::OnAlarm(bool ok) {
  const CallHandlerPtr handler = TakeHandler();
  // It may have been due already when the call was over.
  if (ok && !over_) handler->OnWake();
}

std::string Call::Metadata(std::string_view key) const {
  const auto& metadata = context_.client_metadata();
  const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
  if (found == metadata.end()) return "";
  return std::string(found->second.data(), found->second.size());
}

std::string_view ShortMethod(std::string_view method) {
  return method.substr(method.rfind('/') + 1);
}

}  // namespace estiba
