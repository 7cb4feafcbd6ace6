// The API as any other language sees it: generated messages over gRPC, without our client library.
//
// Blocking calls and streams, each with a deadline that only a test that hangs will meet.
#ifndef TESTS_INTEGRATION_RAW_CLIENT_H_
#define TESTS_INTEGRATION_RAW_CLIENT_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/sync_stream.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "tests/support/eventually.h"

namespace estiba::testing {

// Methods, as in the .proto files.
inline constexpr char kPublish[] = "/estiba.v1.Broker/Publish";
inline constexpr char kPublishOnce[] = "/estiba.v1.Broker/PublishOnce";
inline constexpr char kSubscribe[] = "/estiba.v1.Broker/Subscribe";

using Metadata = std::map<std::string, std::string>;

inline const absl::Duration kLongEnough = absl::Seconds(60) * kSlowdown;

// One connection. Channels made one after the other do not share it.
// Threads: any. Lifetime: streams keep what they need of it.
class RawClient {
 public:
  explicit RawClient(const std::string& address);
  RawClient(const std::string& address, grpc::ChannelArguments arguments);

  // A call with one request and one response. `method`: "/estiba.v1.Admin/GetTopic".
  template <typename Request, typename Response>
  grpc::Status Call(const char* method, const Request& request, Response* response,
                    absl::Duration timeout = kLongEnough) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    const grpc::internal::RpcMethod rpc(method, grpc::internal::RpcMethod::NORMAL_RPC);
    return grpc::internal::BlockingUnaryCall<Request, Response, google::protobuf::MessageLite,
                                             google::protobuf::MessageLite>(
        channel_.get(), rpc, &context, request, response);
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

// An open bidirectional stream (or one from the server only: write once, then WritesDone).
// Threads: one that writes, one that reads. The destructor cancels the call.
template <typename Request, typename Response>
class RawStream {
 public:
  RawStream(const RawClient& client, const char* method, const Metadata& metadata = {})
      : channel_(client.channel()) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kLongEnough));
    for (const auto& [key, value] : metadata) context_.AddMetadata(key, value);
    const grpc::internal::RpcMethod rpc(method, grpc::internal::RpcMethod::BIDI_STREAMING);
    stream_.reset(grpc::internal::ClientReaderWriterFactory<Request, Response>::Create(
        channel_.get(), rpc, &context_));
  }
  ~RawStream() {
    context_.TryCancel();
    if (!finished_) Finish();
  }
  RawStream(const RawStream&) = delete;
  RawStream& operator=(const RawStream&) = delete;

  // False: the stream is over. more: it may be kept back, to go together with the next.
  bool Write(const Request& request, bool more = false) {
    grpc::WriteOptions options;
    if (more) options.set_buffer_hint();
    return stream_->Write(request, options);
  }
  void HalfClose() { stream_->WritesDone(); }
  bool Read(Response* response) { return stream_->Read(response); }
  void Cancel() { context_.TryCancel(); }

  // Passes over what is still sent, and returns how the stream ended.
  grpc::Status Finish() {
    if (finished_) return status_;
    Response ignored;
    while (stream_->Read(&ignored)) {
    }
    finished_ = true;
    status_ = stream_->Finish();
    return status_;
  }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
  bool finished_ = false;
  grpc::Status status_;
};

}  // namespace estiba::testing

#endif  // TESTS_INTEGRATION_RAW_CLIENT_H_
