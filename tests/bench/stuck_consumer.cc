#include "tests/bench/stuck_consumer.h"

#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include "absl/time/clock.h"
#include "estiba/v1/broker.pb.h"

namespace estiba::bench {

struct StuckConsumer::Stream {
  explicit Stream(const std::shared_ptr<grpc::Channel>& channel)
      : stub(channel), call(stub.PrepareCall(&context, "/estiba.v1.Broker/Subscribe", &queue)) {}

  // Whether the one operation under way succeeded in time.
  bool Next(absl::Time deadline) {
    void* tag = nullptr;
    bool ok = false;
    return queue.AsyncNext(&tag, &ok, absl::ToChronoTime(deadline)) ==
               grpc::CompletionQueue::GOT_EVENT &&
           ok;
  }

  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::GenericStub stub;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
  grpc::ByteBuffer start;
  grpc::ByteBuffer started;
  grpc::Status status;
};

StuckConsumer::StuckConsumer(const std::string& target, const std::string& topic) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  stream_ = std::make_unique<Stream>(
      grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
  v1::SubscribeRequest request;
  request.mutable_start()->set_topic(topic);
  const grpc::Slice encoded(request.SerializeAsString());
  stream_->start = grpc::ByteBuffer(&encoded, 1);
}

absl::Status StuckConsumer::Start(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const auto failed = [deadline] {
    return absl::Now() < deadline ? absl::UnavailableError("the stuck consumer's stream ended")
                                  : absl::DeadlineExceededError("no stream for a stuck consumer");
  };
  stream_->call->StartCall(stream_.get());
  if (!stream_->Next(deadline)) return failed();
  stream_->call->Write(stream_->start, stream_.get());
  if (!stream_->Next(deadline)) return failed();
  stream_->call->Read(&stream_->started, stream_.get());
  if (!stream_->Next(deadline)) return failed();
  return absl::OkStatus();
}

StuckConsumer::~StuckConsumer() {
  stream_->context.TryCancel();
  stream_->call->Finish(&stream_->status, stream_.get());
  stream_->queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (stream_->queue.Next(&tag, &ok)) {
  }
}

}  // namespace estiba::bench
