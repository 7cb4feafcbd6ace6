#include "estiba/requester.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/src/connection.h"
#include "client/src/reply_codec.h"
#include "client/src/status.h"

namespace estiba {
namespace internal {
namespace {

constexpr char kRequestMethod[] = "/estiba.v1.Broker/Request";

}  // namespace

// Threads: any. The calls under way are linked, so that the end can cancel them; each is freed when
// its callback has returned, and the last one lets the destructor go on.
class RequesterImpl {
 public:
  RequesterImpl(std::shared_ptr<Connection> connection, std::string topic,
                const RequesterOptions& options)
      : connection_(std::move(connection)), topic_(std::move(topic)), options_(options) {}

  ~RequesterImpl() {
    RequireForeignThread(*connection_, "an estiba::Requester");
    absl::MutexLock lock(&mutex_);
    for (Call* call = first_; call != nullptr; call = call->next) call->context.TryCancel();
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return pending_ == 0; };
    mutex_.Await(absl::Condition(&none));
  }

  void Start(const Message& message, absl::Duration timeout, Requester::Callback callback) {
    if (absl::Status status = Enter(); !status.ok()) return callback(std::move(status));
    auto* call = new Call(*this, std::move(callback));
    connection_->Prepare(call->context);
    call->context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    call->reader = connection_->stub(Lane::kCalls)
                       .PrepareUnaryCall(&call->context, kRequestMethod,
                                         EncodeRequest(topic_, message), connection_->queue());
    {
      absl::MutexLock lock(&mutex_);
      call->next = first_;
      if (first_ != nullptr) first_->previous = call;
      first_ = call;
    }
    call->reader->StartCall();
    call->reader->Finish(&call->response, &call->status, static_cast<QueueTag*>(call));
  }

  absl::StatusOr<Message> Wait(const Message& message, absl::Duration timeout) {
    if (absl::Status status = Enter(); !status.ok()) return status;
    grpc::ByteBuffer response;
    const absl::Status status = connection_->Unary(kRequestMethod, EncodeRequest(topic_, message),
                                                   response, absl::Now() + timeout);
    absl::StatusOr<Message> reply = status.ok() ? DecodeReply(response) : status;
    absl::MutexLock lock(&mutex_);
    Leave(status);
    return reply;
  }

  RequesterStats Stats() const {
    absl::MutexLock lock(&mutex_);
    RequesterStats stats = stats_;
    stats.pending = pending_;
    return stats;
  }
  const std::string& topic() const { return topic_; }
  const RequesterOptions& options() const { return options_; }

 private:
  struct Call final : QueueTag {
    Call(RequesterImpl& requester, Requester::Callback f)
        : owner(requester), callback(std::move(f)) {}
    void OnEvent(bool) override { owner.Finished(this); }

    RequesterImpl& owner;
    Requester::Callback callback;
    grpc::ClientContext context;
    grpc::ByteBuffer response;
    grpc::Status status;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    Call* next = nullptr;
    Call* previous = nullptr;
  };

  absl::Status Enter() {
    absl::MutexLock lock(&mutex_);
    if (pending_ >= options_.max_pending) {
      return absl::ResourceExhaustedError(
          absl::StrCat(pending_, " requests wait for a reply, as many as max_pending allows"));
    }
    ++pending_;
    ++stats_.requests;
    return absl::OkStatus();
  }
  void Leave(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    --pending_;
    ++(status.ok() ? stats_.replies : stats_.failed);
  }

  void Finished(Call* call) {
    const std::unique_ptr<Call> owned(call);
    const absl::Status status = FromGrpc(call->status);
    call->callback(status.ok() ? DecodeReply(call->response) : status);
    call->callback = nullptr;
    absl::MutexLock lock(&mutex_);
    (call->previous != nullptr ? call->previous->next : first_) = call->next;
    if (call->next != nullptr) call->next->previous = call->previous;
    Leave(status);
  }

  const std::shared_ptr<Connection> connection_;
  const std::string topic_;
  const RequesterOptions options_;
  mutable absl::Mutex mutex_;
  Call* first_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t pending_ ABSL_GUARDED_BY(mutex_) = 0;
  RequesterStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace internal

Requester::Requester(const Client& client, std::string topic, RequesterOptions options)
    : impl_(std::make_unique<internal::RequesterImpl>(client.connection(), std::move(topic),
                                                      options)) {}

Requester::~Requester() = default;

void Requester::Request(const Message& message, Callback callback) {
  Request(message, impl_->options().timeout, std::move(callback));
}
void Requester::Request(const Message& message, absl::Duration timeout, Callback callback) {
  impl_->Start(message, timeout, std::move(callback));
}
absl::StatusOr<Message> Requester::Request(const Message& message) {
  return Request(message, impl_->options().timeout);
}
absl::StatusOr<Message> Requester::Request(const Message& message, absl::Duration timeout) {
  return impl_->Wait(message, timeout);
}

RequesterStats Requester::Stats() const { return impl_->Stats(); }
const std::string& Requester::topic() const { return impl_->topic(); }

}  // namespace estiba
