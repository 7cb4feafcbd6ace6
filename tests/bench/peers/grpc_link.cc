#include "tests/bench/peers/grpc_link.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace estiba::bench {
namespace {

std::shared_ptr<grpc::Channel> Open(const std::string& server) {
  grpc::ChannelArguments arguments;
  // As Estiba's client; the defaults are slower here.
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
  arguments.SetInt(GRPC_ARG_TCP_READ_CHUNK_SIZE, 256 << 10);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

GrpcLink::GrpcLink(const std::string& server)
    : publish_(Open(server)), subscribe_(Open(server)), thread_([this] { Serve(); }) {}

GrpcLink::~GrpcLink() {
  queue_.Shutdown();
  thread_.join();
}

std::unique_ptr<grpc::GenericClientAsyncReaderWriter> GrpcLink::Call(grpc::ClientContext& context,
                                                                     Direction direction,
                                                                     const std::string& method) {
  grpc::GenericStub& stub = direction == Direction::kPublish ? publish_ : subscribe_;
  return stub.PrepareCall(&context, method, &queue_);
}

void GrpcLink::Serve() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) static_cast<GrpcTag*>(tag)->Done(ok);
}

}  // namespace estiba::bench
