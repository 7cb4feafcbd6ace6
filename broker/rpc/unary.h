#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/call.h"

namespace estiba {

// A call with one request and one response, answered on the call's thread.
class UnaryHandler final : public CallHandler {
 public:
  using Function = std::function<absl::StatusOr<std::string>(std::string_view request)>;

  UnaryHandler(CallPtr call, Function function)
      : call_(std::move(call)), function_(std::move(function)) {}

  void OnStart() override { call_->Read(); }
  void OnRead(grpc::ByteBuffer* message) override {
    if (message == nullptr) return call_->Finish(absl::InvalidArgumentError("no request"));
    const ReceivedBytes request(message);
    const absl::StatusOr<std::string> response = function_(request.view());
    response.ok() ? call_->WriteAndFinish(ToBuffer(*response)) : call_->Finish(response.status());
  }
  void OnWritten(bool) override {}
  void OnClosed(bool) override {}
  void End(const absl::Status&) override {}  // it ends by itself, at once

 private:
  const CallPtr call_;
  const Function function_;
};

// Wraps absl::Status f(const Request&, Response*) on generated message types.
template <typename Request, typename Response, typename F>
UnaryHandler::Function OnMessages(F f) {
  return [f = std::move(f)](std::string_view bytes) -> absl::StatusOr<std::string> {
    Request request;
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::InvalidArgumentError("request: not a well-formed " + Request().GetTypeName());
    }
    Response response;
    if (absl::Status status = f(request, &response); !status.ok()) return status;
    return response.SerializeAsString();
  };
}

}  // namespace estiba
