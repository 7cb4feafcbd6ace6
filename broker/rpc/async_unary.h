#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "broker/rpc/bytes.h"
#include "broker/rpc/call.h"

namespace estiba {

// A call with one request and one response, answered later, on whatever thread knows the answer.
class AsyncUnaryHandler final : public CallHandler {
 public:
  // To be called exactly once, from any thread; also when the client has gone away.
  template <typename Response>
  using Answer = std::function<void(const absl::StatusOr<Response>&)>;
  using Function = std::function<void(std::string_view request, Answer<std::string> answer)>;

  AsyncUnaryHandler(CallPtr call, Function function)
      : call_(std::move(call)), function_(std::move(function)) {}

  void OnStart() override { call_->Read(); }
  void OnRead(grpc::ByteBuffer* message) override {
    if (message == nullptr) return call_->Finish(absl::InvalidArgumentError("no request"));
    const ReceivedBytes request(message);
    function_(request.view(), [call = call_](const absl::StatusOr<std::string>& response) {
      response.ok() ? call->WriteAndFinish(ToBuffer(*response)) : call->Finish(response.status());
    });
  }
  void OnWritten(bool) override {}
  void OnClosed(bool) override {}
  void End(const absl::Status&) override {}  // it ends by itself, soon

 private:
  const CallPtr call_;
  const Function function_;
};

// Wraps void f(const Request&, Answer<Response>) on generated message types.
template <typename Request, typename Response, typename F>
AsyncUnaryHandler::Function AsyncOnMessages(F f) {
  return [f = std::move(f)](std::string_view bytes, AsyncUnaryHandler::Answer<std::string> answer) {
    Request request;
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return answer(
          absl::InvalidArgumentError("request: not a well-formed " + Request().GetTypeName()));
    }
    f(request, [answer = std::move(answer)](const absl::StatusOr<Response>& response) {
      response.ok() ? answer(response->SerializeAsString()) : answer(response.status());
    });
  };
}

}  // namespace estiba
