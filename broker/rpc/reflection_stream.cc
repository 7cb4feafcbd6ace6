#include "broker/rpc/reflection_stream.h"

#include "broker/ops/reflection.h"
#include "broker/rpc/bytes.h"

namespace estiba {

void ReflectionStream::OnRead(grpc::ByteBuffer* message) {
  if (message == nullptr) return call_->Finish(absl::OkStatus());
  const ReceivedBytes question(message);
  const absl::StatusOr<std::string> answer = context_.reflection.Answer(question.view());
  answer.ok() ? call_->Write(ToBuffer(*answer)) : call_->Finish(answer.status());
}

}  // namespace estiba
