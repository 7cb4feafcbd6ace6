#include "broker/rpc/router.h"

#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "broker/rpc/admin_service.h"
#include "broker/rpc/control_service.h"
#include "broker/rpc/health_service.h"
#include "broker/rpc/publish_once.h"
#include "broker/rpc/publish_stream.h"
#include "broker/rpc/reflection_stream.h"
#include "broker/rpc/reply.h"
#include "broker/rpc/request_call.h"
#include "broker/rpc/stats_stream.h"
#include "broker/rpc/subscribe_stream.h"
#include "broker/rpc/unary.h"

namespace estiba {
namespace {

class Unimplemented final : public CallHandler {
 public:
  explicit Unimplemented(CallPtr call) : call_(std::move(call)) {}

  void OnStart() override {
    call_->Finish(absl::UnimplementedError(absl::StrCat("there is no method ", call_->method())));
  }
  void OnRead(grpc::ByteBuffer*) override {}
  void OnWritten(bool) override {}
  void OnClosed(bool) override {}
  void End(const absl::Status&) override {}

 private:
  const CallPtr call_;
};

}  // namespace

std::vector<std::string> ServiceNames() {
  return {"estiba.v1.Broker", "estiba.v1.Admin", "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"};
}

CallHandlerPtr Route(RpcContext& context, const CallPtr& call) {
  const std::string_view path = call->method();
  const std::string_view method = ShortMethod(path);
  const std::string_view service = path.substr(0, path.size() - method.size());
  if (service == "/estiba.v1.Broker/") {
    if (method == "Publish") return new PublishStream(context, call);
    if (method == "Subscribe") return new SubscribeStream(context, call);
    if (method == "PublishOnce") return new PublishOnce(context, call);
    if (method == "Request") return new RequestCall(context, call);
    if (method == "Reply") return new UnaryHandler(call, ReplyMethod(context));
  } else if (service == "/estiba.v1.Admin/") {
    if (method == "Stats") return new StatsStream(context, call);
    if (UnaryHandler::Function function = AdminMethod(context, method)) {
      return new UnaryHandler(call, std::move(function));
    }
    if (AsyncUnaryHandler::Function function = ControlMethod(context, method)) {
      return new AsyncUnaryHandler(call, std::move(function));
    }
  } else if (service == "/grpc.health.v1.Health/") {
    if (method == "Check") return new UnaryHandler(call, HealthCheck(context));
    if (method == "Watch") return new HealthWatch(context, call);
  } else if (method == "ServerReflectionInfo" &&
             (service == "/grpc.reflection.v1.ServerReflection/" ||
              service == "/grpc.reflection.v1alpha.ServerReflection/")) {
    return new ReflectionStream(context, call);
  }
  return new Unimplemented(call);
}

}  // namespace estiba
