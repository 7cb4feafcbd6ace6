#include "tests/integration/raw_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace estiba::testing {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           grpc::ChannelArguments arguments) {
  // Otherwise channels with the same arguments share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

RawClient::RawClient(const std::string& address) : RawClient(address, {}) {}

RawClient::RawClient(const std::string& address, grpc::ChannelArguments arguments)
    : channel_(MakeChannel(address, std::move(arguments))) {}

}  // namespace estiba::testing
