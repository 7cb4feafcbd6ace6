// A broker that does with Subscribe streams what a test says, for what a real one does only when
// things happen to come in a certain order.
#ifndef TESTS_CLIENT_SCRIPTED_BROKER_H_
#define TESTS_CLIENT_SCRIPTED_BROKER_H_

#include <grpcpp/impl/codegen/method_handler.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "estiba/v1/broker.pb.h"

namespace estiba::testing {

// Runs the script for each stream on a gRPC thread; what it returns is the stream's end. Listens on
// 127.0.0.1, on a port that the kernel chooses. The destructor cancels what is open.
class ScriptedBroker {
 public:
  using Stream = grpc::ServerReaderWriter<v1::SubscribeResponse, v1::SubscribeRequest>;
  using Script = std::function<grpc::Status(Stream&)>;

  explicit ScriptedBroker(Script script) : service_(std::move(script)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedBroker() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  static v1::SubscribeResponse Started(uint64_t incarnation, bool exactly_once = false) {
    v1::SubscribeResponse response;
    v1::Started& started = *response.mutable_started();
    started.set_topic("t");
    started.set_subscription("s");
    started.set_next_sequence(1);
    started.set_incarnation(incarnation);
    started.set_exactly_once(exactly_once);
    return response;
  }
  // Messages 1 to `count`, whose data is `data`.
  static v1::SubscribeResponse Delivery(uint32_t count, const std::string& data) {
    v1::SubscribeResponse response;
    response.set_first_sequence(1);
    response.set_count(count);
    response.set_delivery_attempt(1);
    for (uint32_t i = 0; i < count; ++i) response.add_messages()->set_data(data);
    return response;
  }

 private:
  class Service : public grpc::Service {
   public:
    explicit Service(Script script) : script_(std::move(script)) {
      using grpc::internal::RpcMethod;
      AddMethod(new grpc::internal::RpcServiceMethod(
          "/estiba.v1.Broker/Subscribe", RpcMethod::BIDI_STREAMING,
          new grpc::internal::BidiStreamingHandler<Service, v1::SubscribeRequest,
                                                   v1::SubscribeResponse>(
              [](Service* self, grpc::ServerContext*, Stream* stream) {
                return self->script_(*stream);
              },
              this)));
    }

   private:
    const Script script_;
  };

  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace estiba::testing

#endif  // TESTS_CLIENT_SCRIPTED_BROKER_H_
